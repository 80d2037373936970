"""What if? The tenant's own last days under another policy: the answer as a page shows it, and questions that other pages suggest."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat
from msgspec import Struct

from billing import reports
from billing.engine.budget_replay import Hit, Limit
from billing.engine.budgets import Action
from billing.engine.money import to_usd
from billing.models import Budget
from cascade.engine.presets import FALLBACK_DOMAIN, CascadePreset
from cascade.models import CatalogModel
from cascade.replaying import PolicyReplay, TooManyRuns, replay_policy
from dashboards.forms.what_if import Offers, Question
from tenants.errors import Conflict
from tenants.models import ApiKey, Tenant, Tier

SHOWN = 50
"""Windows on the page, the first; over REST there are more."""
MOST_OFFERED = 1_500
"""As many as can be chosen from: tiers first, then models, then keys."""


class Met(Struct, frozen=True, kw_only=True):
    """A window of a supposed budget that would have been used up. `runs` is the query of the page of runs that shows whose calls."""

    hit: Hit
    budget: str
    who: str
    runs: str


class Answer(Struct, frozen=True, kw_only=True):
    replay: PolicyReplay
    met: Sequence[Met]
    suppositions: Sequence[str]
    moves_thresholds: bool
    moves_prices: bool

    @property
    def unjudged(self) -> int:
        return self.replay.before.runs - self.replay.before.judged

    @property
    def refused(self) -> int:
        """Of the runs there were, how many a budget would have refused."""
        return self.replay.before.runs - self.replay.after.runs

    @property
    def degrades(self) -> bool:
        return any(one.hit.limit.action == Action.DEGRADE for one in self.met)

    @property
    def met_runs(self) -> int:
        return sum(hit.runs for hit in self.replay.hits)

    @property
    def score_difference(self) -> float | None:
        before, after = self.replay.before.mean_score, self.replay.after.mean_score
        return None if before is None or after is None else after - before


def offers() -> Offers:
    """Return what of the tenant's own a question can name, in one look."""
    rows = (
        _named(Tier.objects.all(), "tier", value=F("name"), label=F("title"))
        .union(
            _named(CatalogModel.objects.all(), "model", value=F("name"), label=F("name")),
            _named(ApiKey.objects.filter(revoked_at=None), "key", value=F("pk"), label=Concat("name", Value(" (…"), "last4", Value(")"))),
            all=True,
        )
        .order_by("-kind", "value")[:MOST_OFFERED]
    )
    found: dict[str, list[tuple[str, str]]] = {"tier": [], "model": [], "key": []}
    for kind, value, label in rows:
        found[kind].append((value, label or value))
    tiers, models = [("", "Choose a tier"), *found["tier"]], [("", "Choose a model"), *found["model"]]
    return {"tier": tiers, "model": models, "instead": models, "priced": models, "whom": [*found["tier"], *found["key"]]}


def answer_to(question: Question, *, tenant: Tenant, now: datetime) -> Answer | None:
    """Return the past under what is supposed; None where the question makes no sense, and then it says why."""
    try:
        what_if, limits = question.what_if(), question.limits(tenant=tenant)
        since = now - timedelta(days=question.days.cleaned_data["days"])
        found = replay_policy(what_if, limits=limits, zone=tenant.time_zone, since=since, until=now)
    except ValidationError as wrong:
        question.refuse(wrong)
        return None
    except (TooManyRuns, Conflict) as later:
        question.days.add_error("days", str(later))
        return None
    words = [row.in_words() for row in question.budgets.rows]
    return Answer(
        replay=found, met=_met(found.hits[:SHOWN], limits, words, tenant), suppositions=question.suppositions,
        moves_thresholds=bool(what_if.thresholds or what_if.least_quality), moves_prices=bool(what_if.prices or what_if.substitutes),
    )  # fmt: skip


def _named(rows: QuerySet[Any], kind: str, *, value: Any, label: Any) -> QuerySet[Any]:
    columns = {"kind": Value(kind), "value": Cast(value, TextField()), "label": Cast(label, TextField())}
    found: QuerySet[Any] = rows.order_by().annotate(**columns).values_list(*columns)
    return found


def _met(hits: Sequence[Hit], limits: Sequence[Limit], words: Sequence[str], tenant: Tenant) -> Sequence[Met]:
    whose = {hit.subject for hit in hits if hit.subject}
    names = reports.names_of(dimension="end_user", values=whose) if whose else {}
    local = ZoneInfo(tenant.time_zone)
    return [
        Met(
            hit=hit, budget=words[limits.index(hit.limit)], who=names.get(hit.subject, "all together"),
            runs=urlencode({**({"user": hit.subject} if hit.subject else {}), "day": hit.first_at.astimezone(local).date().isoformat()}),
        )
        for hit in hits
    ]  # fmt: skip


# ---- Questions that other pages suggest
def query_of(*, days: int = 7, is_asked: bool = True, **groups: Sequence[Mapping[str, Any]]) -> str:
    """Return a question as the query of the page's address, asked at once or left to be filled in."""
    said = {f"{name}-{number}-{field}": value for name, rows in groups.items() for number, row in enumerate(rows) for field, value in row.items()}
    return urlencode({"days": days, **said, **({"replay": 1} if is_asked else {})})


def of_tier(tier: Tier, *, min_quality: float | None) -> str:
    """With the tier's least quality; where it has none, for somebody to say one."""
    quality = {} if min_quality is None else {"quality": f"{min_quality:g}"}
    return query_of(is_asked=bool(quality), least_quality=[{"tier": tier.name, **quality}])


def of_preset(content: CascadePreset) -> str:
    """With the thresholds that the preset names; empty where it leaves them to its judges.

    A threshold for every other domain is asked for only where each strategy has one of its own: it would hold for those without one too.
    """
    first = {strategy.domain: next((step for step in strategy.steps if step.kind == "answer"), None) for strategy in content.strategies}
    wanted = {domain: step.threshold for domain, step in first.items() if step and step.validator and step.threshold is not None}
    if len(wanted) < len(first):
        wanted.pop(FALLBACK_DOMAIN, None)
    rows = [{"domain": "" if domain == FALLBACK_DOMAIN else domain, "score": f"{score:g}"} for domain, score in wanted.items()]
    return query_of(thresholds=rows) if rows else ""


def of_budget(budget: Budget) -> str:
    row = {"scope": budget.scope, "whom": budget.subject, "limit": to_usd(budget.limit_nusd), "period": budget.period, "action": budget.action}
    return query_of(days=28, budgets=[row])
