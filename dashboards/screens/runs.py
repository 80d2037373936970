"""Runs as a resource of the console: looked at only."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.urls import reverse

from billing import reports
from billing.engine.money import InvalidAmount, to_nusd
from cascade import run_reports
from cascade.engine.presets import BUILT_IN_PRESETS
from cascade.models import CascadeRun, Preset
from dashboards.own_keys import keys_whose_runs
from dashboards.resources import Column, Filter, Resource
from tenants.end_users import ids_of_end_user
from tenants.models import ApiKey, Membership, Tenant
from tenants.scoping import current_tenant_id

STATUSES = {"served": "Served", "degraded": "Degraded", "failed": "Failed", "shadow": "Shadow, not served"}
TAGS = {"served": "g", "degraded": "w", "failed": "d", "shadow": ""}
MOST_SEARCHED = 200_000
"""Runs whose steps are looked through for one list: of the newest days, and at least one day."""
MOMENT = "%Y-%m-%d %H:%M"
BY_NAME = "(one model by name)"
RUN_PARAMETERS = {"end_user": "user", "api_key": "key", "model": "model", "domain": "domain", "tier": "tier", "status": "status"}
"""Under which name the list is narrowed by a dimension of costs."""
ESCALATED = {"yes": "Escalated: the draft was rejected", "no": "Draft accepted"}


class Runs(Resource[CascadeRun]):
    """What runs did, newest first."""

    name, one, title = "runs", "run", "Runs"
    columns = (
        Column(label="Time"), Column(label="Run"), Column(label="End user", key="user"), Column(label="Domain", key="domain"),
        Column(label="Path", key="path"), Column(label="Result", key="result"), Column(label="Cost", is_number=True, key="cost"),
        Column(label="Baseline", is_number=True, key="baseline"), Column(label="Saved", is_number=True, key="saved"),
        Column(label="Time taken", is_number=True, key="time"),
    )  # fmt: skip
    list_template, row_template = "console/runs/list.html", "console/runs/row.html"
    ordering = ("-started_at",)

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[CascadeRun]:
        return runs_for(membership)

    def bounded(self, rows: QuerySet[CascadeRun], *, asked: Mapping[str, str]) -> QuerySet[CascadeRun]:
        """No index knows steps: they are looked for in one day, or in the newest ones alone, of those up to the time that is said."""
        if not asked.get("step") or asked.get("id") or reports.instants_of_day(asked.get("day", ""), zone="UTC"):
            return rows
        until = _moment(asked.get("to", ""), fold=1) if asked.get("to") else None
        since = run_reports.newest_days(most_runs=MOST_SEARCHED, until=until.date() if until else None)
        return rows.filter(started_at__gte=datetime.combine(since, time(), tzinfo=_zone())) if since else rows.none()

    def beside(self, *, membership: Membership, now: datetime) -> Mapping[str, Any]:
        def in_all() -> int:
            """Asked by the template, where nothing is narrowed."""
            return run_reports.runs_in_all(keys=keys_whose_runs(membership))

        return {"in_all": in_all, "most_searched": MOST_SEARCHED}

    def present(self, rows: Sequence[CascadeRun], *, now: datetime) -> Sequence[Any]:
        names = reports.names_of(dimension="end_user", values={str(row.end_user_id) for row in rows if row.end_user_id})
        return [
            {
                "row": row, "end_user": names.get(str(row.end_user_id), "") if row.end_user_id else "", "path": path_of(row),
                "saved": None if row.baseline_nusd is None else row.baseline_nusd - row.cost_nusd, "tag": TAGS.get(row.status, ""),
                "result": STATUSES.get(row.status, row.status),
            }
            for row in rows
        ]  # fmt: skip

    def describe(self, row: CascadeRun) -> Mapping[str, str]:
        return {"Run": str(row.pk)}


def address_of_runs(start_at: datetime, end_at: datetime, *, values: Mapping[str, str], tenant: Tenant) -> str:
    """Return where the runs of a time are that have values of dimensions; those that the list is not narrowed by are left out."""
    zone = ZoneInfo(tenant.time_zone)
    asked = {"from": f"{start_at.astimezone(zone):{MOMENT}}", "to": f"{end_at.astimezone(zone):{MOMENT}}"}
    asked |= {RUN_PARAMETERS[name]: value for name, value in values.items() if name in RUN_PARAMETERS and value}
    return f"{reverse('runs', args=[tenant.slug])}?{urlencode(asked)}"


def runs_for(membership: Membership) -> QuerySet[CascadeRun]:
    """Return the runs that a person may see."""
    keys = keys_whose_runs(membership)
    return CascadeRun.objects.all() if keys is None else CascadeRun.objects.filter(api_key_id__in=keys)


def path_of(run: CascadeRun) -> str:
    """The models that answered, in their order. Example: "demo-mini → demo-large"."""
    steps: Sequence[Mapping[str, Any]] = run.steps if isinstance(run.steps, list) else []
    answers = [str(step.get("model", "")) for step in steps if step.get("kind", "answer") == "answer"]
    return " → ".join(dict.fromkeys(answers)) or run.model_used or "none"


def _by_id(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    try:
        return rows.filter(pk=UUID(text.strip()))
    except ValueError:
        return rows.none()


def _by_end_user(rows: QuerySet[Any], name: str) -> QuerySet[Any]:
    tenant = Tenant.objects.get(pk=current_tenant_id())
    return rows.filter(end_user_id__in=ids_of_end_user(name, salt=bytes(tenant.end_user_salt)))


def _by_key(rows: QuerySet[Any], key: str) -> QuerySet[Any]:
    try:
        return rows.filter(api_key_id=UUID(key))
    except ValueError:
        return rows.none()


def _dearer_than(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    try:
        return rows.filter(cost_nusd__gte=to_nusd(text.replace("$", "")))
    except InvalidAmount:
        return rows


def _slower_than(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    return rows.filter(latency_ms__gte=int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else rows


def _on_day(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    """Runs of a day of the tenant, up to its end: the newest first."""
    found = reports.instants_of_day(text, zone=str(_zone()))
    return rows.filter(started_at__gte=found[0], started_at__lt=found[1]) if found else rows


def _from(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    at = _moment(text, fold=0)
    return rows.filter(started_at__gte=at) if at else rows


def _to(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    at = _moment(text, fold=1)
    return rows.filter(started_at__lt=at) if at else rows


def _moment(text: str, *, fold: int) -> datetime | None:
    """Read "2026-11-27 14:05" as the tenant's clock says it. An hour that comes twice is asked for whole: from its first time to its second."""
    try:
        found = datetime.strptime(text.strip(), MOMENT).replace(tzinfo=_zone(), fold=fold)
    except ValueError:
        return None
    return found if 2000 <= found.year <= 9000 else None


def _zone() -> ZoneInfo:
    return ZoneInfo(Tenant.objects.get(pk=current_tenant_id()).time_zone)


def _summed(dimension: str) -> Callable[[QuerySet[Any], str], QuerySet[Any]]:
    """Narrow to the runs with a value that they are summed by, within the days that the sums know it from."""
    return lambda rows, chosen: _within(rows.filter(**{dimension: chosen}), run_reports.days_with(dimension=dimension, value=chosen))


def _by_preset(rows: QuerySet[Any], chosen: str) -> QuerySet[Any]:
    preset = "" if chosen == BY_NAME else chosen
    return _within(rows.filter(preset=preset), run_reports.days_with_preset(preset))


def _within(rows: QuerySet[Any], days: tuple[date, date] | None) -> QuerySet[Any]:
    """A shadow may run on after midnight."""
    if days is None:
        return rows.none()
    zone = _zone()
    start, end = (datetime.combine(day, time(), tzinfo=zone) for day in (days[0], days[1] + timedelta(days=2)))
    return rows.filter(started_at__gte=start, started_at__lt=end)


def _presets() -> list[tuple[str, str]]:
    names = dict.fromkeys([*BUILT_IN_PRESETS, *Preset.objects.values_list("name", flat=True)[:200]])
    return [*((name, name) for name in names), (BY_NAME, "one model by name")]


def _keys() -> list[tuple[str, str]]:
    return [(str(key.pk), f"{key.name} (…{key.last4})") for key in ApiKey.objects.all()[:200]]


Runs.filters = (
    Filter(name="id", label="Run id", narrow=_by_id),
    Filter(name="status", label="Result", narrow=lambda rows, chosen: rows.filter(status=chosen), choices=lambda: list(STATUSES.items())),
    Filter(name="day", label="Day, YYYY-MM-DD", narrow=_on_day),
    Filter(name="from", label="From, YYYY-MM-DD HH:MM", narrow=_from, is_rare=True),
    Filter(name="to", label="To, YYYY-MM-DD HH:MM", narrow=_to, is_rare=True),
    Filter(name="user", label="End user", narrow=_by_end_user),
    Filter(name="tier", label="Tier", narrow=_summed("tier"), is_rare=True),
    Filter(name="model", label="Model", narrow=lambda rows, chosen: rows.filter(model_used=chosen)),
    Filter(name="domain", label="Domain", narrow=_summed("domain")),
    Filter(name="preset", label="Preset", narrow=_by_preset, choices=_presets, is_rare=True),
    Filter(name="step", label="Step, e.g. escalate", narrow=lambda rows, chosen: rows.filter(steps__contains=[{"name": chosen}]), is_rare=True),
    Filter(name="key", label="API key", narrow=_by_key, choices=_keys, is_rare=True),
    Filter(name="cost", label="Cost from, $", narrow=_dearer_than, is_rare=True),
    Filter(name="ms", label="Time from, ms", narrow=_slower_than, is_rare=True),
    Filter(
        name="escalated", label="Draft", narrow=lambda rows, chosen: rows.filter(draft_accepted=chosen == "no"),
        choices=lambda: list(ESCALATED.items()),
    ),
)
