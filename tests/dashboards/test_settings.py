"""Settings of an organisation, and its members in the console's menu."""

from typing import Any

import pytest

from tenants.models import AuditEntry, Tenant
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import logged_in, person_of
from tests.rest import book

SAID = {
    "name": "Acme Ltd.", "time_zone": "Asia/Kolkata", "default_tier": "pro", "budget_refusal_status": "429", "new_end_users_per_hour": "50",
    "open_calls_per_end_user": "", "anomaly_minimum_nusd": "5", "anomaly_minimum_percent": "30",
}  # fmt: skip


def stored(cast: Cast) -> Tenant:
    with tenant_scope(cast.acme.id):
        return Tenant.objects.get(pk=cast.acme.id)


def send(cast: Cast, **changes: str) -> Any:
    client = logged_in(person_of(cast, "owner"))
    return client.post("/o/acme/settings/", {"seen": client.get("/o/acme/settings/").context["seen"], **SAID, **changes}, follow=True)


def test_an_owner_changes_them_and_sees_the_change_beside_the_form(cast: Cast) -> None:
    text = send(cast).content.decode()
    assert "Saved: Name Acme Inc. → Acme Ltd." in text
    assert "owner@example.com</b> changed it" in text
    tenant = stored(cast)
    assert (tenant.name, tenant.time_zone, tenant.default_tier, tenant.budget_refusal_status) == ("Acme Ltd.", "Asia/Kolkata", "pro", 429)
    assert (tenant.new_end_users_per_hour, tenant.open_calls_per_end_user) == (50, None)
    with tenant_scope(cast.acme.id):
        assert AuditEntry.objects.filter(object_type="tenant", action="changed", actor_name="owner@example.com").exists()


def test_a_currency_is_shown_beside_dollars_at_its_rate(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        book(cast.acme, amount_nusd=73_480_000_000)
    assert "≈" not in logged_in(cast.finn).get("/o/acme/").content.decode()
    told = send(cast, display_currency="eur", display_rate="0.92", display_rate_on="2026-11-01").content.decode()
    assert "nothing → EUR at 0.92 of 2026-11-01" in told
    page = logged_in(cast.finn).get("/o/acme/").content.decode()
    assert '<span class="approx" title="A US dollar was 0.92 EUR on 1 Nov 2026">≈ 67.60 EUR</span>' in page
    assert "$73.48" in page


def test_an_owner_says_from_how_much_on_an_anomaly_is_told(cast: Cast) -> None:
    text = send(cast, anomaly_minimum_nusd="12.50", anomaly_minimum_percent="0").content.decode()
    assert "Anomalies are told from $5.00 and 30 % → $12.50 and 0 %" in text
    assert (stored(cast).anomaly_minimum_nusd, stored(cast).anomaly_minimum_percent) == (12_500_000_000, 0)
    with tenant_scope(cast.acme.id):
        entry = AuditEntry.objects.filter(object_type="tenant", action="changed", changes__has_key="anomaly_minimum").get()
    assert entry.changes["anomaly_minimum_percent"] == {"before": 30, "after": 0}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"display_currency": "EUR"}, "say all three, or none"), ({"display_rate": "0.9", "display_rate_on": "2026-11-01"}, "say all three, or none"),
        ({"display_currency": "E1", "display_rate": "1", "display_rate_on": "2026-11-01"}, "three letters"),
        ({"display_currency": "EUR", "display_rate": "0", "display_rate_on": "2026-11-01"}, "greater than or equal"),
        ({"display_currency": "EUR", "display_rate": "NaN", "display_rate_on": "2026-11-01"}, "Enter a number"),
        ({"display_currency": "EUR", "display_rate": "1", "display_rate_on": "soon"}, "valid date"),
    ],
)  # fmt: skip
def test_half_a_currency_is_refused_in_words(cast: Cast, said: dict[str, str], told: str) -> None:
    assert told in send(cast, **said).content.decode()
    assert stored(cast).display_currency == ""


def test_the_time_zone_stays_once_a_call_is_booked_and_the_page_says_why(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        book(cast.acme)
    client = logged_in(person_of(cast, "owner"))
    assert b"It stays: days were booked in it" in client.get("/o/acme/settings/").content
    send(cast)
    tenant = stored(cast)
    assert (tenant.time_zone, tenant.name) == ("Europe/Berlin", "Acme Ltd.")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "x" * 201}, {"time_zone": "Europe/Nowhere"}, {"default_tier": "gold"}, {"budget_refusal_status": "200"},
        {"new_end_users_per_hour": "-1"}, {"open_calls_per_end_user": "9" * 40},
        {"anomaly_minimum_nusd": ""}, {"anomaly_minimum_nusd": "0"}, {"anomaly_minimum_nusd": "-1"}, {"anomaly_minimum_nusd": "9" * 20},
        {"anomaly_minimum_nusd": "much"}, {"anomaly_minimum_percent": "1001"}, {"anomaly_minimum_percent": "-1"}, {"anomaly_minimum_percent": ""},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_and_nothing_is_saved(cast: Cast, wrong: dict[str, str]) -> None:
    assert send(cast, **wrong).status_code == 422
    assert stored(cast).name == "Acme Inc."


def test_members_stand_in_the_consoles_menu(cast: Cast) -> None:
    owner, operator = logged_in(person_of(cast, "owner")), logged_in(person_of(cast, "operator"))
    text = owner.get("/o/acme/members/").content.decode()
    assert 'href="/o/acme/members/" aria-current="page"' in text
    assert 'href="/o/acme/budgets/"' in text
    assert "/o/acme/members/" not in operator.get("/o/acme/budgets/").content.decode()
