"""What was saved, in the console: parts that add up as they are shown, the quality beside them, and the saving that is measured."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from cascade.models import CatalogModel, PresetRollout, ProviderConnection
from cascade.run_reports import RunSums
from dashboards.screens.savings import statement_of
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import add_run, logged_in, person_of

USD = 10**9


def page(client: Client, path: str = "", **said: str) -> str:
    answer = client.get(f"/o/acme/savings/{path}", said)
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.fixture
def saved(cast: Cast) -> Cast:
    """10 USD of baseline and 3 spent: half a dollar by the cache, one by prices, two by a budget, and 3.50 by routing."""
    with tenant_scope(cast.acme.id):
        row = ProviderConnection.objects.create(name="up", provider="simulated")
        CatalogModel.objects.create(name="large", connection=row, part="strong")
        add_run(cast, cost_nusd=2 * USD, baseline_nusd=7 * USD, saved_by_cache_nusd=USD // 2, saved_by_price_nusd=USD, score=0.9)
        add_run(cast, cost_nusd=USD, baseline_nusd=3 * USD, status="degraded", draft_accepted=False, score=0.7)
        add_run(cast, cost_nusd=USD, baseline_nusd=None, preset="", draft_accepted=None, policy_version="direct:large")
    return cast


def test_a_saving_is_told_with_its_parts_its_baseline_and_its_quality(saved: Cast) -> None:
    text = page(logged_in(saved.finn))
    for told in ("$10.00 less $3.00 are $7.00 saved.", "$3.50", "$2.00", "$0.50", "$1.00", "70.0 % of $10.00", "<b>large</b>", "50.0 %",
                 "$1.00 were spent by runs without a priced baseline", "one model by name", "Nobody is held back"):  # fmt: skip
        assert told in text, told
    scores = page(logged_in(saved.finn), "quality/")
    assert "0.800" in scores
    assert "production_ready" in scores


def test_what_cost_more_than_its_baseline_says_so_in_words(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        add_run(cast, cost_nusd=5 * USD, baseline_nusd=3 * USD, saved_by_cache_nusd=USD)
    text = page(logged_in(cast.finn))
    for told in ("More spent than the baseline", "−$2.00", "Nothing was saved: the cascade cost more", "−$3.00", "cost more</span>"):
        assert told in text, told


@pytest.mark.parametrize(
    ("amounts", "told"),
    [
        ((10_004_000_000, 3_004_000_000, 499_000_000, 998_000_000, -1_000_000), "$10.00 $3.00 $7.00: $5.50 $0.00 $0.50 $1.00"),
        ((2_005_000_000, 1_004_999_999, 333_333_333, 333_333_334, 0), "$2.00 $1.00 $1.00: $0.34 $0.00 $0.33 $0.33"),
        ((1_000_000_000, 2_500_000_000, 0, 5_000_000, -5_000_000), "$1.00 $2.50 −$1.50: −$1.50 $0.00 $0.00 $0.00"),
        ((20_000, 15_001, 0, 1, 0), "$0.00002 $0.000015001 $0.000004999: $0.000004998 $0 $0 $0.000000001"),
    ],
)
def test_the_lines_add_up_as_they_are_shown(amounts: tuple[int, ...], told: str) -> None:
    names = ("baseline_nusd", "compared_nusd", "by_cache_nusd", "by_price_nusd", "by_degrade_nusd")
    found = statement_of(RunSums(**dict(zip(names, amounts, strict=True))))
    assert f"{found.baseline} {found.spent} {found.saved}: {' '.join(part.told for part in found.parts)}" == told


def test_holding_users_back_measures_the_saving_and_the_quality(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        PresetRollout.objects.create(preset="production_ready", share=50)
    client = logged_in(cast.finn)
    assert "Nothing is measured: the cascade has served nobody." in page(client, "holdback/production_ready/")
    with tenant_scope(cast.acme.id):
        for user in range(80):
            is_held = user % 2 == 0
            arm = {"arm": "baseline", "draft_accepted": None, "cost_nusd": 4 * USD + user} if is_held else {"arm": "cascade", "cost_nusd": USD + user}
            add_run(cast, end_user_id=f"00000000-0000-0000-0000-{user:012}", baseline_nusd=4 * USD, score=0.9 if is_held else 0.88, **arm)
    assert "holdback/production_ready/" in page(client)
    text = page(client, "holdback/production_ready/")
    for told in ("75.0 %</td>", "75.0 to 75.0 %", "−0.020", "modelled", "Saved a run, measured", "40</td>"):
        assert told in text, told
    assert "not to go by yet" not in text
    assert "$200.00" in client.get("/o/acme/presets/production_ready/").content.decode()
    assert "75.0 % cheaper" in client.get("/o/acme/presets/production_ready/rollout/").content.decode()


def test_a_cascade_that_is_dearer_says_so_without_a_second_minus(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        PresetRollout.objects.create(preset="production_ready", share=50)
        for user in range(80):
            arm = {"arm": "baseline", "cost_nusd": USD} if user % 2 else {"arm": "cascade", "cost_nusd": 2 * USD}
            add_run(cast, end_user_id=f"00000000-0000-0000-0000-{user:012}", baseline_nusd=USD, **arm)
    assert "dearer than one of the baseline by 100.0 %" in logged_in(cast.finn).get("/o/acme/presets/production_ready/rollout/").content.decode()


def test_days_without_runs_and_runs_without_a_baseline_say_so(cast: Cast) -> None:
    client = logged_in(cast.finn)
    assert "No run in these days." in page(client)
    with tenant_scope(cast.acme.id):
        add_run(cast, baseline_nusd=None)
    assert "No run of these days has a baseline." in page(client)
    assert "No run in these days." in page(client, range="custom", **{"from": "2020-01-01", "to": "2020-01-31"})


@pytest.mark.parametrize("range_", ["24h", "7d", "12m", "'", "\x00", "custom", "9" * 400])
def test_any_range_is_answered(saved: Cast, range_: str) -> None:
    for path in ("", "quality/", "holdback/production_ready/"):
        assert "This failed" not in page(logged_in(saved.olga), path, range=range_, **{"from": "2020-01-01", "to": f"{datetime.now(UTC):%Y-%m-%d}"})


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("operator", 200), ("finance", 200), ("viewer", 200), ("developer", 403)])
def test_whoever_sees_all_costs_sees_what_was_saved(cast: Cast, role: str, status: int) -> None:
    client = logged_in(person_of(cast, role))
    assert {client.get(f"/o/acme/savings/{path}").status_code for path in ("", "quality/", "holdback/medical_ai/")} == {status}


def test_the_preset_of_nobody_is_not_found_and_the_overview_leads_here(saved: Cast) -> None:
    client = logged_in(saved.finn)
    assert client.get("/o/acme/savings/holdback/nobody/").status_code == 404
    assert client.get("/o/globex/savings/").status_code == 404
    with tenant_scope(saved.globex.id):
        add_run(saved, baseline_nusd=77 * USD, end_user_id=saved.gus.id)
    assert "$77" not in page(client)


def test_the_statement_of_a_month_has_the_parts_as_a_table_and_as_a_file(saved: Cast) -> None:
    query = f"/o/acme/reports/read/?report=savings&month={datetime.now(ZoneInfo(saved.acme.time_zone)):%Y-%m}"
    text = logged_in(saved.finn).get(f"{query}&whole=1").content.decode()
    assert "2 runs with a baseline, 1 without one" in text
    lines = logged_in(saved.finn).get(f"{query}&format=csv").content.decode("utf-8-sig").splitlines()
    assert lines == ['Saved by,"Amount, USD"', "Routing,3.5", "Degrading,2", "Caching,0.5", "Own prices,1"]
