"""Each write operation of REST, each admin page and provisioning leave their mark in the audit log. The list comes from the router."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps

from billing.models import Anomaly, Budget
from cascade.models import EnforcementHook, Preset, PresetDraft, ProviderConnection
from cascade.provisioning import provision
from cascade.publishing import publish_version
from tenants.models import ApiKey, AuditEntry, Membership, Tenant, Tier, User
from tenants.scoping import Audited, TenantOwnedModel, platform_scope, tenant_scope
from tests.cascadeflow_site.test_api import DEFINITION, one_of_each
from tests.cast import Cast
from tests.rest import REQUEST_ID, Operation, Rest, operations
from tests.tenants.test_admin import Staff, page

CANARY = "sk-CANARY-1234567890"
SECRET = "whsec_" + "Q0FOQVJZ" * 4
WRITES = [operation for operation in operations() if operation.method not in ("get", "head")]
CHANGES_NOTHING = {
    "post alert-channels/{id}/replay/", "post alert-channels/{id}/test/", "post budgets/check/", "post enforcement-hooks/{id}/test/",
    "post providers/{id}/check/", "post runs/", "post exports/{id}/link/",
    "post policy-replays/", "post month-closes/verify/",
}
"""Questions, and calls, which the book has."""
BOOKED_BESIDE = {"post prices/{id}/repricing/", "post reconciliations/{id}/approve/"}
"""They post over a connection of their own and need calls that were booked: tests/billing/test_repricing.py, tests/cascade/api/."""
CSV = "date,model,user,requests,prompt_tokens,completion_tokens\n2026-11-01,mini,,1,1,1\n"
BODIES: dict[str, Any] = {
    "post api-keys/": {"name": "shop"}, "patch api-keys/{id}/": {"name": "renamed"}, "post api-keys/{id}/roll/": {"overlap": "1h"},
    "patch end-users/{id}/": {"is_blocked": True}, "put end-users/lookup/": {"is_blocked": True},
    "patch tenant/settings/": {"new_end_users_per_hour": 7},
    "post tiers/": {"name": "gold"}, "patch tiers/{id}/": {"title": "Other"}, "patch tier-policies/{id}/": {"max_steps": 2},
    "post presets/": {"name": "mine", "definition": DEFINITION}, "patch presets/{id}/": {"title": "Other"},
    "post presets/{id}/discard/": {"revision": 1}, "patch presets/{id}/draft/": {"revision": 0, "definition": DEFINITION},
    "post presets/{id}/publish/": {"revision": 1}, "post presets/{id}/rollback/": {"to": 1}, "patch presets/{id}/rollout/": {"share": 50},
    "post presets/{id}/versions/": {"definition": DEFINITION},
    "post enforcement-hooks/": {"name": "mine", "url": "https://acme.example/check", "secret": SECRET},
    "patch enforcement-hooks/{id}/": {"timeout_ms": 500}, "post enforcement-hooks/{id}/roll/": {"overlap": "1h"},
    "post domain-rules/": {"domain": "law", "phrase": "estoppel"}, "patch domain-rules/{id}/": {"weight": 2.0},
    "post providers/": {"name": "mine", "provider": "openai", "credential": CANARY}, "patch providers/{id}/": {"credential": CANARY},
    "patch models/{id}/": {"context_tokens": 1000}, "patch budgets/{id}/": {"limit": "3"},
    "post budgets/{id}/override/": {"limit": "9", "hours": 1},
    "post prices/": {"model": "mini", "input": "1", "output": "2", "source": "test"},
    "post anomalies/{id}/resolve/": {"resolution": "fixed"}, "post anomalies/{id}/snooze/": {"hours": 2},
    "post anomalies/{id}/note/": {"note": "asked the vendor"},
    "post anomalies/{id}/reopen/": {}, "post alerts/{id}/acknowledge/": {"note": "seen"}, "post alerts/{id}/resolve/": {"note": "done"},
    "post alert-channels/": {"name": "mine", "kind": "webhook", "address": "https://acme.example/alerts"},
    "patch alert-channels/{id}/": {"name": "renamed"}, "post alert-channels/{id}/roll/": {"overlap": "1h"},
    "patch alert-rules/{id}/": {"min_severity": "info"},
    "post exports/": {"what": "budgets", "format": "csv", "first": "2026-11-01", "last": "2026-11-30"},
    "post month-closes/": {"month": "2026-10"}, "post month-closes/{id}/reopen/": {"reason": "a bill came late"},
    "post report-schedules/": {"name": "mine", "wanted": {"what": "focus"}, "recipients": ["finn@example.com"]},
    "patch report-schedules/{id}/": {"hour": 7},
    "post budgets/": {"scope": "tier", "subject": "free", "period": "daily", "limit": "5"},
}  # fmt: skip


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def prepare(name: str, tenant: Tenant, ids: dict[str, Any]) -> Any:
    """Put there what the operation needs, and return its body."""
    with tenant_scope(tenant.id):
        if "discard" in name or "publish" in name:
            PresetDraft.objects.create(preset=Preset.objects.get(), base=1, revision=1, definition=DEFINITION)
        if "rollback" in name:
            publish_version(preset=Preset.objects.get(), definition={**DEFINITION, "baseline": "other"})
        if name == "delete budgets/{id}/override/":
            Budget.objects.filter(pk=ids["budget"]).update(override_limit_nusd=5, override_until="2027-01-01T00:00:00Z")
        if name == "delete providers/{id}/":
            ProviderConnection.objects.get().models.all().delete()
        if name == "post month-closes/{id}/reopen/":  # a key may do what the person may who made it
            owner = User.objects.create(email="owner@globex.example")
            Membership.objects.create(user=owner, role="owner")
            ApiKey.objects.update(created_by=owner)
        if name == "delete tiers/{id}/":
            ids["tier"] = Tier.objects.create(name="gone").pk
        if name == "post tier-policies/":
            return {"tier": str(Tier.objects.create(name="new").name)}
        if name == "post anomalies/{id}/reopen/":
            Anomaly.objects.update(state="snoozed")
        if name == "post alert-rules/":
            return {"channel": str(ids["alert-channel"])}
        if name == "post models/":
            return {"name": "mine", "connection": str(ids["provider"])}
    return BODIES.get(name, {})


@pytest.mark.parametrize("operation", [each for each in WRITES if name_of(each) not in CHANGES_NOTHING | BOOKED_BESIDE], ids=name_of)
def test_each_write_over_rest_leaves_an_entry_of_its_key_and_no_secret(cast: Cast, operation: Operation) -> None:
    with tenant_scope(cast.globex.id):
        if operation.basename == "enforcement-hook":
            EnforcementHook.objects.all().delete()
    ids = one_of_each(cast.globex)
    body = prepare(name_of(operation), cast.globex, ids)
    address = operation.at(str(ids.get(operation.basename, "")))
    with tenant_scope(cast.globex.id):
        before = set(AuditEntry.objects.values_list("id", flat=True))
        key = ApiKey.objects.get(scopes__contains=["admin"])
    client = Rest(cast.globex_admin_key)
    if name_of(operation) == "post reconciliations/":
        answer = client.generic("POST", f"{address}?provider=theirs", CSV, content_type="text/csv")
    else:
        answer = client.send(operation.method, f"{address}?external_id=gus" if "lookup" in address else address, body)
    assert answer.status_code < 300, answer.content
    with tenant_scope(cast.globex.id):
        made = list(AuditEntry.objects.exclude(id__in=before))
    assert made, "nothing was logged"
    digests = bytes(key.digest).hex()
    for entry in made:
        assert (entry.actor_kind, entry.actor_id, entry.door) == ("api_key", key.pk, "api")
        assert entry.actor_name == f"API key {key.name} ({key.prefix}…{key.last4})"
        assert entry.request_id == REQUEST_ID
        assert entry.operation.startswith(operation.basename)
        assert entry.ip == "127.0.0.0/24"
        told = json.dumps([entry.changes, entry.object_name, entry.reason])
        assert not [secret for secret in (CANARY, SECRET, digests, answer.json().get("key", "-no-") if answer.content else "-no-") if secret in told]


def test_a_write_that_is_refused_leaves_no_entry(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        before = AuditEntry.objects.count()
    assert Rest(cast.acme_admin_key).send("post", "tiers/", {"name": "Not A Slug"}).status_code == 400
    assert Rest(cast.acme_admin_key).send("post", "tiers/", {"name": "pro"}).status_code in (400, 409)
    with tenant_scope(cast.acme.id):
        assert AuditEntry.objects.count() == before


def test_every_table_that_people_change_is_logged_and_the_rest_says_so() -> None:
    unlogged = {model._meta.label for model in apps.get_models() if issubclass(model, TenantOwnedModel) and model.audited != Audited.ALWAYS}
    assert unlogged == {
        "tenants.AuditEntry", "tenants.EndUser", "tenants.RateBucket", "billing.Alert", "billing.AlertChannel", "billing.AlertDelivery",
        "billing.AlertMessage", "billing.Anomaly", "billing.BudgetMark", "billing.BudgetWindow", "billing.CostEntry", "billing.DayRollup",
        "billing.ExportJob", "billing.Forecast", "billing.IdempotencyKey", "billing.QuarantinedModel", "billing.QuarterRollup",
        "billing.Reservation", "billing.SealedBlock", "cascade.CascadeRun", "cascade.RunDay",
    }  # fmt: skip


def test_the_log_is_read_and_searched_over_rest(cast: Cast) -> None:
    acme = Rest(cast.acme_admin_key)
    tier = acme.make("tiers/", name="gold")
    (entry,) = acme.get(f"audit-entries/?object_type=tier&object_id={tier['id']}").json()["results"]
    assert (entry["action"], entry["object_name"], entry["changes"]["name"]) == ("created", "gold", {"before": None, "after": "gold"})
    assert acme.get(f"audit-entries/?actor_id={entry['actor_id']}&door=api&action=created&since=2026-01-01T00:00:00Z").json()["results"] == [entry]
    assert acme.get("audit-entries/?actor_kind=job").json()["results"] == []
    assert acme.get("audit-entries/?actor_kind=nonsense").status_code == 400
    assert acme.get("audit-entries/?actor=x").status_code == 400
    assert Rest(cast.globex_admin_key).get(f"audit-entries/{entry['id']}/").status_code == 404
    for method in ("post", "patch", "delete"):
        assert acme.send(method, f"audit-entries/{entry['id']}/", {}).status_code == 405


def test_what_staff_change_in_the_admin_is_told_to_the_tenant(cast: Cast) -> None:
    root = Staff(cast.root)
    with tenant_scope(cast.acme.id):
        key = ApiKey.objects.order_by("id")[0]
    assert root.post(page("tenants_apikey_changelist"), {"action": "revoke", "_selected_action": [str(key.pk)]}).status_code == 302
    with tenant_scope(cast.acme.id):
        entry = AuditEntry.objects.all()[0]
    assert (entry.actor_kind, entry.actor_name, entry.door) == ("staff", "root@example.com", "staff_admin")
    assert (entry.object_type, entry.operation, list(entry.changes)) == ("api_key", "tenants_apikey_changelist", ["revoked_at"])
    text = root.get(page("tenants_auditentry_changelist")).content.decode()
    assert "root@example.com" in text
    assert root.post(page("tenants_auditentry_delete", entry.pk), {"post": "yes"}).status_code == 403


def test_provisioning_is_told_as_an_import_and_a_dry_run_not_at_all(cast: Cast) -> None:
    text = "tenants:\n  - slug: acme\n    name: Acme Incorporated\n    tiers:\n      - name: gold\n"
    with platform_scope():
        before = AuditEntry.objects.count()
    provision(text=text, environment={}, now=datetime.now(UTC), dry_run=True)
    with platform_scope():
        assert AuditEntry.objects.count() == before
    assert provision(text=text, environment={}, now=datetime.now(UTC))
    with tenant_scope(cast.acme.id):
        newest = AuditEntry.objects.all()[:2]
        assert {(entry.actor_kind, entry.door, entry.actor_name) for entry in newest} == {("import", "provisioning", "provisioning file")}
        assert {entry.object_type for entry in newest} == {"tenant", "tier"}
