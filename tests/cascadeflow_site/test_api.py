"""What holds for every operation of the REST API. The tables come from the router, so no route can be forgotten."""

import uuid
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import reverse
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema
from rest_framework.serializers import ModelSerializer

from billing.alerting import ProviderDown, raise_alert
from billing.closing import close_month
from billing.models import (
    AlertChannel,
    AlertRule,
    Anomaly,
    Budget,
    BudgetMark,
    CostEntry,
    ExportJob,
    ModelPrice,
    QuarantinedModel,
    Reconciliation,
    ReportSchedule,
)
from cascade.models import CascadeRun, CatalogModel, DomainRule, EnforcementHook, ProviderConnection, TierPolicy
from cascade.publishing import create_preset
from cascade.reporting import create_schedule
from tenants.api.base import ScopedViewMixin, TenantModelSerializer
from tenants.models import ApiKey, AuditEntry, EndUser, Erasure, Scope, Tenant, Tier
from tenants.scoping import tenant_scope
from tests.cast import Cast, make_key
from tests.rest import REQUEST_ID, Operation, Rest, book, operations

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
DOCUMENT = Path(__file__).parent / "openapi.yaml"
OPERATIONS = list(operations())
WITH_ID = [operation for operation in OPERATIONS if operation.takes_id]
EXCEPTIONS = {
    "post runs/": Scope.INVOKE, "post budgets/check/": Scope.INVOKE,
    "post policy-replays/": Scope.READ, "post exports/": Scope.READ, "post exports/{id}/cancel/": Scope.READ, "post exports/{id}/link/": Scope.READ,
}  # fmt: skip
"""Operations that need another scope than reading for GET and administration for the rest."""
ANOMALY = {
    "lane": "fast", "kind": "spike", "dimension": "all", "severity": "warning", "started_at": "2026-11-01T10:00:00Z",
    "ended_at": "2026-11-01T10:15:00Z", "found_at": "2026-11-01T10:12:00Z", "expected_nusd": 1, "low_nusd": 0, "high_nusd": 2, "actual_nusd": 9,
    "excess_nusd": 8, "score": 2.0, "facts": {},
}  # fmt: skip
DEFINITION = {"strategies": [{"domain": "general", "steps": [{"name": "draft", "models": ["@draft"]}]}]}


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def one_of_each(tenant: Tenant) -> dict[str, Any]:
    """The id of one row of the tenant for each resource of the router."""
    with tenant_scope(tenant.id):
        connection = ProviderConnection.objects.create(name="theirs", provider="simulated")
        budget = Budget.objects.create(scope="tenant", period="daily", limit_nusd=1, action="warn")
        run = book(tenant, overrun_nusd=1)
        CascadeRun.objects.create(
            id=run, status="served", preset="production_ready", policy_version="production_ready@builtin-1", domain="general",
            domain_confidence=0.9, complexity="simple", latency_ms=12.5, started_at="2026-11-01T10:00:00Z",
        )
        channel = AlertChannel.objects.create(name="theirs", kind="webhook", address="https://globex.example/alerts", secret="whsec_x")
        return {
            "alert": raise_alert(event=ProviderDown(connection="theirs", seen_at=NOON, failures=9, calls=9, minutes=5), now=NOON).pk,
            "alert-channel": channel.pk,
            "alert-rule": AlertRule.objects.create(channel=channel).pk,
            "api-key": ApiKey.objects.order_by("id")[0].pk,
            "end-user": EndUser.objects.get().pk,
            "erasure": Erasure.objects.create(end_user_id=uuid.uuid4(), erased_at="2026-11-01T10:00:00Z", actor="test").pk,
            "audit-entry": AuditEntry.objects.first().pk,  # type: ignore[union-attr]
            "tier": Tier.objects.get().pk,
            "tier-policy": TierPolicy.objects.create(tier=Tier.objects.get()).pk,
            "preset": create_preset(name="theirs", title="", definition=DEFINITION).preset.name,
            "enforcement-hook": EnforcementHook.objects.create(name="theirs", url="https://globex.example/check", secret="whsec_x").pk,
            "domain-rule": DomainRule.objects.create(domain="law", phrase="tort").pk,
            "provider": connection.pk,
            "model": CatalogModel.objects.create(name="theirs", connection=connection).pk,
            "price": ModelPrice.objects.create(model="theirs", input_nusd=1, output_nusd=1, source="test").pk,
            "budget": budget.pk,
            "budget-mark": BudgetMark.objects.first().pk,  # type: ignore[union-attr]
            "hold": run,
            "end-user-summary": EndUser.objects.get().pk,
            "end-user-standing": EndUser.objects.get().pk,
            "reconciliation": Reconciliation.objects.create(
                provider="theirs", file_digest="0" * 64, first_day="2026-11-01", last_day="2026-11-02", provider_nusd=1, booked_nusd=1,
                created_by="x",
            ).pk,
            "month-close": close_month(month=date(2026, 9, 1), actor="x", now=datetime.now(UTC)).pk,
            "quarantined-model": QuarantinedModel.objects.get().pk,
            "anomaly": Anomaly.objects.create(**ANOMALY).pk,
            "cost-entry": CostEntry.objects.filter(kind="settled").get().pk,
            "export": ExportJob.objects.create(
                what="cost_entries", format="csv", file_name="x.csv", state="waiting", created_by="x", created_at="2026-11-01T10:00:00Z",
                expires_at="2026-12-01T10:00:00Z", wanted={"wanted": {}, "catalog": {}},
            ).pk,
            "report-schedule": create_schedule(
                schedule=ReportSchedule(name="theirs", wanted={"what": "focus"}, recipients=["finn@example.com"], created_by="x"), now=NOON
            ).pk,
            "run": run,
        }


def never_given(basename: str) -> str:
    return "never-made" if basename == "preset" else str(uuid.uuid4())


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_every_operation_needs_its_scope_and_answers_nobody_else(cast: Cast, operation: Operation) -> None:
    needed = EXCEPTIONS.get(name_of(operation), Scope.READ if operation.method == "get" else Scope.ADMIN)
    path = operation.at(never_given(operation.basename))
    assert Rest().send(operation.method, path, {}).status_code == 401
    with tenant_scope(cast.acme.id):
        keys = {scope: make_key(scope) for scope in Scope}
    for scope, key in keys.items():
        answer = Rest(key).send(operation.method, path, {})
        if scope == needed:
            assert answer.status_code not in (401, 403, 405, 500)
        else:
            assert answer.status_code == 403, f"{scope} was let in"
            assert needed in answer.json()["detail"]


@pytest.mark.parametrize("operation", WITH_ID, ids=name_of)
def test_another_tenants_id_answers_exactly_as_one_that_was_never_given(cast: Cast, operation: Operation) -> None:
    theirs = one_of_each(cast.globex)[operation.basename]
    acme = Rest(cast.acme_admin_key)
    body = None if operation.method == "get" else {"overlap": "0s"} if operation.path.endswith("roll/") else {}
    if operation.path.endswith("versions/") and body is not None:
        body = {"definition": DEFINITION}
    foreign = acme.send(operation.method, operation.at(str(theirs)), body)
    random = acme.send(operation.method, operation.at(never_given(operation.basename)), body)
    assert foreign.status_code == random.status_code == 404
    assert foreign.content == random.content
    assert sorted(foreign.headers.items()) == sorted(random.headers.items())
    own = Rest(cast.globex_admin_key).send("get", f"/api/v1/{operation.path.partition('{')[0]}{theirs}/")
    assert own.status_code == 200, "the id must be a real one for this test to mean something"


@pytest.mark.parametrize("operation", [operation for operation in OPERATIONS if not operation.takes_id and operation.method == "get"], ids=name_of)
def test_lists_show_nothing_of_another_tenant(cast: Cast, operation: Operation) -> None:
    ids = {str(identity) for identity in one_of_each(cast.globex).values()}
    text = Rest(cast.acme_admin_key).send("get", operation.at("")).content.decode()
    assert not [identity for identity in ids if identity in text]


def test_every_view_and_serializer_stands_on_the_scoped_base() -> None:
    for operation in OPERATIONS:
        assert issubclass(operation.view, ScopedViewMixin)
        assert "required_scopes" in vars(operation.view), f"{operation.view.__name__} does not say its scopes"
        serializer = getattr(operation.view, "serializer_class", None)
        assert serializer is None or not issubclass(serializer, ModelSerializer) or issubclass(serializer, TenantModelSerializer)


def test_addresses_work_without_the_last_slash(cast: Cast) -> None:
    acme = Rest(cast.acme_admin_key)
    assert acme.get("tiers").json() == acme.get("tiers/").json()
    assert acme.send("post", "tiers", {"name": "gold"}).status_code == 201


class TestProblems:
    def test_a_problem_says_what_why_and_under_which_request_id(self, cast: Cast) -> None:
        answer = Rest(cast.acme_admin_key).send("post", "tiers/", {"name": "Not A Slug"})
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-request-id"] == REQUEST_ID
        assert answer.json() == {
            "type": "urn:cascadeflow:problem:invalid_request", "title": "Bad Request", "status": 400, "code": "invalid_request",
            "detail": "name: Use 1 to 64 lower-case letters, digits, '-' and '_'.", "request_id": REQUEST_ID,
            "errors": {"name": ["Use 1 to 64 lower-case letters, digits, '-' and '_'."]},
        }

    @pytest.mark.parametrize("token", ["", "short", "x" * 129, "line\tbreak1", "<script>alert(1)</script>"])
    def test_a_request_id_that_is_no_sane_token_is_replaced(self, cast: Cast, token: str) -> None:
        answer = Rest().get("tiers/", HTTP_X_REQUEST_ID=token)
        assert answer.headers["x-request-id"] == answer.json()["request_id"] != token

    def test_no_key_a_broken_key_and_a_key_in_a_cookie_are_told_what_to_send(self, cast: Cast) -> None:
        nobody = Rest().get("tiers/")
        assert (nobody.status_code, nobody.json()["code"]) == (401, "missing_api_key")
        assert nobody.headers["www-authenticate"].startswith("Bearer")
        broken = Rest("cfk_live_mistyped").get("tiers/")
        assert (broken.status_code, broken.json()["code"]) == (401, "invalid_api_key")
        assert "mistyped" not in broken.content.decode()

    def test_an_address_that_is_none_and_a_method_that_is_none_are_problems_too(self, cast: Cast) -> None:
        acme = Rest(cast.acme_admin_key)
        assert acme.get("no-such-thing/").json()["code"] == "not_found"
        assert acme.send("put", f"tiers/{uuid.uuid4()}/", {}).json()["code"] == "method_not_allowed"
        assert acme.send("options", "tiers/").status_code == 405

    def test_what_nobody_expected_is_a_problem_without_details(
        self, cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError("secret detail")

        monkeypatch.setattr("tenants.api.views.TierViewSet.get_queryset", fail)
        answer = Rest(cast.acme_admin_key).get("tiers/")
        assert answer.status_code == 500
        assert "secret detail" not in answer.content.decode()
        assert REQUEST_ID in caplog.text

    def test_accepting_html_alone_gets_a_problem_in_json(self, cast: Cast) -> None:
        answer = Rest(cast.acme_admin_key).get("tiers/", HTTP_ACCEPT="text/html")
        assert (answer.status_code, answer.headers["content-type"]) == (406, "application/problem+json")


class TestDocument:
    def test_the_openapi_document_is_the_one_that_was_reviewed(self) -> None:
        assert rendered() == DOCUMENT.read_text(), (
            "The REST API changed. If that is meant, renew the snapshot and review its diff: "
            "python manage.py spectacular --validate --fail-on-warn --file tests/cascadeflow_site/openapi.yaml"
        )

    def test_it_is_valid_and_its_making_warns_of_nothing(self) -> None:
        document = yaml.safe_load(rendered())
        validate_schema(document)
        assert document["openapi"].startswith("3.1")
        assert not GENERATOR_STATS

    def test_it_is_served_and_its_page_needs_nothing_that_the_policy_forbids(self, cast: Cast) -> None:
        client = Rest()
        assert yaml.safe_load(client.get(reverse("schema")).content)["info"]["title"] == "CascadeFlow API"
        page = client.get(reverse("docs"))
        assert page.status_code == 200
        text = page.content.decode()
        assert "<style" not in text
        assert " style=" not in text
        assert text.count("<script") == text.count("<script src=") == 3
        script = client.get(f"{reverse('docs')}?script=")
        assert script.headers["content-type"] == "application/javascript"
        for response in (page, script):
            assert "'unsafe" not in response.headers["content-security-policy"]


def rendered() -> str:
    GENERATOR_STATS.reset()
    text: bytes = OpenApiYamlRenderer().render(SchemaGenerator().get_schema(request=None, public=True), renderer_context={})
    return text.decode()
