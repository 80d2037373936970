"""Every page of the console, from the URL conf itself, for every role, and for things of one's own and of others."""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse

from billing.models import AlertChannel, AlertDelivery, AlertMessage, AlertRule, Budget, ExportJob, ModelPrice, Reconciliation, ReportSchedule
from cascade.engine.presets import PRESET_COST_OPTIMIZED_SAAS
from cascade.models import CatalogModel, DomainRule, ProviderConnection
from cascade.publishing import create_preset, definition_of
from dashboards.access import Needs
from dashboards.models import SavedView
from tenants import services
from tenants.encryption import Secret
from tenants.models import EndUser, Role, Tier
from tenants.roles import ROLES
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import CANARY, add_run, anomaly_of, budget_of, console_patterns, everybody, logged_in, person_of
from tests.rest import book

ROUTES = sorted(console_patterns(), key=lambda pattern: str(pattern.name))
NAMES = [str(pattern.name) for pattern in ROUTES]
MOST_QUERIES = 12
BOOKKEEPING = re.compile(r"^(SELECT set_config|SAVEPOINT|RELEASE SAVEPOINT|BEGIN|COMMIT|UPDATE \"usersessions_usersession\")")
"""What a scope says to the database, and that the session is in use: no question of the page's."""


class Things:
    """One of each of what a tenant has, by what leads the name of the pages about them."""

    def __init__(self, cast: Cast, tenant: Any, end_user: EndUser) -> None:
        self.end_user = end_user
        with tenant_scope(tenant.id):
            self.budget = Budget.objects.create(name=f"budget {CANARY}", scope="tenant", period="monthly", limit_nusd=10**10)
            self.anomaly = anomaly_of(cast, tenant=tenant, note=f"budget {CANARY}", drivers={"volume": 1})
            self.channel = AlertChannel.objects.create(name=f"budget {CANARY}", kind="webhook", address=Secret("https://example.com/x"))
            self.alert_rule = AlertRule.objects.create(channel=self.channel, name=f"budget {CANARY}")
            message = AlertMessage.objects.create(
                channel=self.channel, event="alert.test", state="sent", due_at=datetime.now(UTC), created_at=datetime.now(UTC)
            )
            self.delivery = AlertDelivery.objects.create(
                message=message, channel=self.channel, attempt=1, at=datetime.now(UTC), is_ok=True, milliseconds=1, excerpt=CANARY
            )
            maker = person_of(cast, "developer")  # who sees the runs of the keys that they made
            self.key, _ = services.issue_key(name="key", scopes=["invoke"], expires_at=None, now=datetime.now(UTC), created_by=maker)
            connection = ProviderConnection.objects.create(name=f"up-{CANARY}", provider="simulated")
            self.connection, self.model = connection, CatalogModel.objects.create(name=f"model {CANARY}", connection=connection)
            self.view = SavedView.objects.create(name=f"view {CANARY}", page="costs", owner=person_of(cast, "owner"))
            self.price = ModelPrice.objects.create(model=self.model.name, input_nusd=1, output_nusd=1, source="test")
            self.tier, self.rule = Tier.objects.get(name="free"), DomainRule.objects.create(domain="legal", phrase=f"phrase {CANARY}")
            self.preset = create_preset(name=f"own-{CANARY}", title="", definition=definition_of(PRESET_COST_OPTIMIZED_SAAS)).preset
            self.run = add_run(cast, end_user_id=end_user.id, id=book(tenant, end_user=end_user.id, api_key=self.key.pk), api_key_id=self.key.pk)

            self.export = ExportJob.objects.create(
                what="budgets", format="csv", file_name=f"{CANARY}.csv", state="waiting", created_by="x", created_at=datetime.now(UTC),
                expires_at=datetime.now(UTC), sha256="0" * 64, manifest={"file": CANARY},
                wanted={"wanted": {"what": "budgets", "first": "2026-11-01", "last": "2026-11-01"}, "catalog": {}},
            )

            self.schedule = ReportSchedule.objects.create(
                name=f"schedule {CANARY}", wanted={"what": "usage", "filters": {"end_user_id": str(end_user.pk)}},
                recipients=[f"{CANARY}@example.com"], due_at=datetime.now(UTC), first="2026-10-01", last="2026-10-31", export=self.export,
                failure=CANARY, created_by="x",
            )
            self.reconciliation = Reconciliation.objects.create(
                provider=CANARY, file_digest="0" * 64, first_day="2026-11-01", last_day="2026-11-02", provider_nusd=1, booked_nusd=1, created_by="x",
            )

    def id_for(self, name: str) -> uuid.UUID:
        things = {
            "runs": self.run, "anomalies": self.anomaly, "alerts_rules": self.alert_rule, "alerts_deliveries": self.delivery,
            "alerts": self.channel, "reports_schedules": self.schedule, "reports_reconciliations": self.reconciliation, "reports": self.export,
            "tiers": self.tier, "rules": self.rule, "users": self.end_user,
            "keys": self.key, "models_reprice": self.price, "models": self.model, "providers": self.connection, "views": self.view,
        }  # fmt: skip
        found: uuid.UUID = next((thing.pk for leads, thing in things.items() if name.startswith(leads)), self.budget.pk)
        return found


@pytest.fixture
def own(cast: Cast) -> Things:
    return Things(cast, cast.acme, cast.ann)


@pytest.fixture
def foreign(cast: Cast) -> Things:
    with tenant_scope(cast.globex.id):
        EndUser.objects.create(id=uuid.uuid4(), external_id=CANARY, tier=Tier.objects.get(name="free"))
    return Things(cast, cast.globex, cast.gus)


def address(pattern: URLPattern, slug: str, things: Things) -> str:
    if "preset" in pattern.pattern.converters:
        return reverse(str(pattern.name), args=[slug, things.preset.name])
    takes_id = "pk" in pattern.pattern.converters
    return reverse(str(pattern.name), args=[slug, things.id_for(str(pattern.name))] if takes_id else [slug])


def needed(pattern: URLPattern) -> Needs:
    found: Needs = pattern.callback.needs  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("pattern", ROUTES, ids=NAMES)
def test_every_page_says_what_it_needs(pattern: URLPattern) -> None:
    assert any(needed(pattern))


def visits(cast: Cast, own: Things) -> Iterator[tuple[URLPattern, str, Client, str]]:
    for role, client in everybody(cast).items():
        for pattern in ROUTES:
            yield pattern, role, client, address(pattern, "acme", own)


def test_a_role_sees_what_it_may_and_is_told_whom_to_ask_for_the_rest(cast: Cast, own: Things, foreign: Things) -> None:
    person_of(cast, "owner")
    for pattern, role, client, url in visits(cast, own):
        answer, see = client.get(url), needed(pattern).see
        if not see:
            assert answer.status_code == 405, (pattern.name, role)
        elif ROLES[Role(role)].intersection(see):
            assert answer.status_code in (200, 302), (pattern.name, role, answer.status_code)
        else:
            assert answer.status_code == 403, (pattern.name, role)
            assert b"You need the" in answer.content
            assert b"Owners: Owner" in answer.content


def test_a_role_changes_only_what_it_may(cast: Cast, own: Things) -> None:
    for pattern, role, client, url in visits(cast, own):
        change = needed(pattern).change
        if ROLES[Role(role)].intersection(change):
            continue
        answer = client.post(url, {"limit": "1", "hours": "1"})
        assert answer.status_code == (403 if change else 405), (pattern.name, role, answer.status_code)
    with tenant_scope(cast.acme.id):
        kept = Budget.objects.get(pk=own.budget.pk)
    assert (kept.limit_nusd, kept.ended_at, kept.is_paused, kept.override_until) == (10**10, None, False, None)


@pytest.mark.parametrize("method", ["get", "post"])
def test_another_tenants_pages_are_not_found_whatever_the_role(cast: Cast, own: Things, foreign: Things, method: str) -> None:
    for role, client in everybody(cast).items():
        for pattern in ROUTES:
            answer = getattr(client, method)(address(pattern, "globex", foreign))
            assert answer.status_code == 404, (pattern.name, role)
            assert CANARY.encode() not in answer.content


@pytest.mark.parametrize("method", ["get", "post"])
def test_another_tenants_id_under_ones_own_address_is_not_found(cast: Cast, foreign: Things, method: str) -> None:
    client = logged_in(person_of(cast, "owner"))
    for pattern in ROUTES:
        if "pk" not in pattern.pattern.converters or not getattr(needed(pattern), "see" if method == "get" else "change"):
            continue
        answer = getattr(client, method)(address(pattern, "acme", foreign), {"limit": "1", "hours": "1"})
        assert answer.status_code == 404, pattern.name
        assert CANARY.encode() not in answer.content


def test_what_others_have_is_in_no_page_and_found_by_no_search(cast: Cast, foreign: Things) -> None:
    client = logged_in(person_of(cast, "owner"))
    for path in (
        "", "?group=end_user", "costs/?group=end_user&range=7d", f"costs/?f=end_user:{CANARY}&whole=1", "top/", "runs/", f"runs/?user={CANARY}",
        "budgets/", f"budgets/?sel={foreign.budget.pk}", "budgets/?q=budget", f"palette/?q={CANARY[:5]}", f"palette/?q={foreign.run.pk}",
        f"costs/values/?dim=end_user&value={CANARY[:5]}",
        "start/", "anomalies/",
        "alerts/", f"alerts/?sel={foreign.channel.pk}", "alerts/rules/", f"alerts/rules/?sel={foreign.alert_rule.pk}", "alerts/deliveries/",
        f"alerts/deliveries/?sel={foreign.delivery.pk}", "alerts/rules/new/", "attention/", "budgets/ahead/", f"runs/?id={foreign.run.pk}",
        "audit/", "audit/file/", "reports/", "reports/files/", "reports/read/?report=budgets&whole=1", "reports/months/", "reports/reconciliations/",
        "rules/", f"rules/?q={CANARY}", "tiers/", "presets/", "models/", f"models/?q={CANARY}", "models/?priced=no",
        f"models/?sel={foreign.model.pk}", "providers/", f"providers/?sel={foreign.connection.pk}", "playground/", "keys/", "views/",
        "savings/", "savings/quality/", "users/", f"users/?q={CANARY[:5]}", f"users/?sel={foreign.end_user.pk}",
        "what-if/?replay=1&days=28&budgets-0-scope=end_user&budgets-0-limit=0&budgets-0-period=daily&budgets-0-action=block",
    ):  # fmt: skip
        answer = client.get(f"/o/acme/{path}", follow=True)
        assert answer.status_code == 200, path
        assert b"budget canary" not in answer.content, path
        assert not any(text in answer.content for text in (b"phrase canary", b"own-canary")), path
        assert f"/runs/{foreign.run.pk}/".encode() not in answer.content, path


def test_bulk_changes_leave_out_rows_of_others(cast: Cast, own: Things, foreign: Things) -> None:
    client = logged_in(person_of(cast, "owner"))
    page = client.post("/o/acme/budgets/bulk/", {"action": "pause", "id": [str(foreign.budget.pk)]}, follow=True)
    assert b"No budget was chosen" in page.content


def test_a_stranger_is_sent_to_the_login(cast: Cast, own: Things) -> None:
    for pattern in ROUTES:
        answer = Client().get(address(pattern, "acme", own))
        assert answer.status_code == 302, pattern.name
        assert answer["location"].startswith("/login/?next="), pattern.name


RANGES = ("?range=24h", "?range=90d&compare=year", "?group=end_user")
"""Ways to look at the pages of numbers."""


def ways_to_look(pattern: URLPattern, own: Things) -> Iterator[str]:
    yield address(pattern, "acme", own) + f"?sel={own.id_for(str(pattern.name))}"
    if pattern.name in ("overview", "costs", "anomalies", "budgets"):
        yield from (address(pattern, "acme", own) + query for query in RANGES)


def test_a_page_asks_the_database_at_most_twelve_questions(cast: Cast, own: Things) -> None:
    client, asked = logged_in(person_of(cast, "owner")), {}
    for pattern in ROUTES:
        for url in ways_to_look(pattern, own) if needed(pattern).see else ():
            with CaptureQueriesContext(connection) as captured:
                client.get(url)
            statements = [query["sql"] for query in captured if not BOOKKEEPING.match(query["sql"])]
            asked |= {url: statements} if len(statements) > MOST_QUERIES else {}
    assert not asked, "\n".join(f"{url} asks {len(statements)}" for url, statements in asked.items())


HOSTILE = ("'", '"><script>', "%00", "\x00", "9" * 400, "-1", "[]", "{}", "${7*7}", "../../etc", "\u202e", "null", "eyJh")
"""As a person, or a scanner, may write into any address."""
PARAMETERS = (
    "range", "compare", "back", "from", "to", "group", "sub", "metric", "limit", "f", "x", "dim", "value", "q", "after", "sel", "tab", "id",
    "status", "size", "channel", "result", "day", "user", "tier", "model", "domain", "key", "cost", "ms", "escalated", "scope", "state", "do",
    "period", "action", "kind", "door", "what", "thing", "since", "until", "report", "month", "by", "complexity", "prompt_bytes",
    "left", "old", "new", "phrase", "weight", "days", "replay", "thresholds-0-score",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_stands_in_the_address_a_page_answers(cast: Cast, own: Things, text: str) -> None:
    client = logged_in(person_of(cast, "owner"))
    said = {name: f"model:{text}" if name in ("f", "x") else text for name in PARAMETERS}
    for pattern in ROUTES:
        if not needed(pattern).see:
            continue
        answer = client.get(address(pattern, "acme", own), said)
        assert answer.status_code in (200, 302, 422), (pattern.name, answer.status_code)
        assert b'"><script>' not in answer.content, pattern.name


@pytest.mark.parametrize("name", PARAMETERS)
def test_each_parameter_alone_may_be_nonsense(cast: Cast, own: Things, name: str) -> None:
    client = logged_in(person_of(cast, "owner"))
    for path in (
        "", "costs/", "runs/", "budgets/", "audit/", "reports/", "reports/read/", "rules/", "tiers/", "presets/", "models/", "providers/", "users/",
    ):  # fmt: skip
        assert client.get(f"/o/acme/{path}", {name: "model:\x00'%00"}).status_code in (200, 302)


def test_a_budget_of_ones_own_is_found_where_anothers_is_not(cast: Cast) -> None:
    mine = budget_of(cast, name="ours")
    assert b"ours" in logged_in(person_of(cast, "viewer")).get("/o/acme/palette/?q=our").content
    assert mine.name == "ours"
