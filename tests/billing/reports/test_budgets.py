"""How budgets stand, how they were spent, and whom one would have hit."""

from datetime import timedelta

import pytest

from billing import reports
from billing.quarters import sum_quarters
from tenants.scoping import tenant_scope
from tests.history import history
from tests.shop import Shop


def test_the_riskiest_budget_comes_first_and_a_paused_one_last(shop: Shop) -> None:
    kinds = (("total", "block", 100_000, False), ("total", "warn", 8_000, False), ("monthly", "warn", 1, True))
    rows = [shop.budget(limit, period=period, action=action, is_paused=paused) for period, action, limit, paused in kinds]
    shop.call(amount=6_000)
    with tenant_scope(shop.tenant.id):
        found = list(reports.budgets_by_risk(now=shop.now + timedelta(seconds=5)).order_by("-risk"))
        assert [(row.pk, row.used_permille) for row in found] == [(rows[1].pk, 750), (rows[0].pk, 60), (rows[2].pk, -1)]
        standings = reports.with_standing(found)
    assert [(standing.spent_nusd, standing.limit_nusd) for standing in standings] == [(6_000, 8_000), (6_000, 100_000), (0, 1)]


def test_an_override_counts_as_the_limit_while_it_lasts(shop: Shop) -> None:
    shop.budget(1_000, action="warn", override_limit_nusd=60_000, override_until=shop.now + timedelta(hours=1))
    shop.call(amount=6_000)
    with tenant_scope(shop.tenant.id):
        assert reports.budgets_by_risk(now=shop.now + timedelta(seconds=5)).get().used_permille == 100
        assert reports.budgets_by_risk(now=shop.now + timedelta(hours=2)).get().used_permille == 6000


def test_a_curve_adds_up_to_what_the_window_says(shop: Shop) -> None:
    budget = shop.budget(10**9, period="monthly", action="warn")
    daily = shop.budget(10**9, period="daily", action="warn")
    for amount in (3, 4):
        shop.call(amount=amount)
    sum_quarters(now=shop.now)
    with tenant_scope(shop.tenant.id):
        later = shop.now + timedelta(seconds=5)
        found = reports.burn_of(budget=budget, tenant=shop.tenant, limit_nusd=10**9, now=later)
        by_hour = reports.burn_of(budget=daily, tenant=shop.tenant, limit_nusd=10**9, now=later)
    assert found is not None
    assert found.spent_nusd[-1] == 7
    assert by_hour is not None
    assert by_hour.spent_nusd[-1] == 7


def test_a_run_tells_which_windows_it_was_held_in(shop: Shop) -> None:
    budget = shop.budget(10**9)
    run = shop.call(amount=6, held=9)
    with tenant_scope(shop.tenant.id):
        (touched,) = reports.touched_by(run_id=run)
    assert (touched.budget, touched.held_for_run_nusd, touched.spent_by_run_nusd, touched.spent_nusd) == (budget, 9, 6, 6)
    with tenant_scope(shop.cast.globex.id):
        assert reports.touched_by(run_id=run) == []


@pytest.mark.parametrize(
    ("scope", "subject", "hit", "subjects", "beyond"),
    [("tenant", "", 1, 1, 40), ("end_user", "", 1, 2, 10), ("end_user", "ann", 1, 1, 10), ("end_user", "ben", 0, 1, 0), ("tier", "free", 1, 1, 10)],
)
def test_a_limit_is_replayed_over_the_sums_of_days(shop: Shop, scope: str, subject: str, hit: int, subjects: int, beyond: int) -> None:
    for user, amount in ((shop.cast.ann, 30), (shop.cast.ann, 20), (shop.cast.ben, 30)):
        shop.call(amount=amount, user=user.id)
    with tenant_scope(shop.tenant.id):
        today = reports.today_of(time_zone=shop.tenant.time_zone, now=shop.now)
        found = reports.replay(scope=scope, subject=subject, period="daily", limit_nusd=40, tenant=shop.tenant, today=today)
    assert (found.subjects, found.subjects_hit, found.windows_hit, found.beyond_nusd) == (subjects, hit, hit, beyond)


@pytest.mark.parametrize(
    ("scope", "subject", "runs", "beyond"),
    [
        ("tenant", "", 3, 2), ("end_user", "", 3, 1), ("end_user", "ann", 2, 1), ("end_user", "ben", 1, 0), ("tier", "free", 2, 1),
        ("tag", "none", 0, 0),
    ],
)
def test_a_limit_is_replayed_over_the_runs_of_last_week_in_their_order(shop: Shop, scope: str, subject: str, runs: int, beyond: int) -> None:
    for minutes, user, amount in ((3, shop.cast.ann, 30), (2, shop.cast.ben, 20), (1, shop.cast.ann, 20)):
        shop.call(amount=amount, user=user.id, at=shop.now - timedelta(minutes=minutes))
    with tenant_scope(shop.tenant.id):
        today = reports.today_of(time_zone=shop.tenant.time_zone, now=shop.now)
        found = reports.replay_runs(scope=scope, subject=subject, period="monthly", limit_nusd=40, tenant=shop.tenant, today=today)
        of_all_time = reports.replay_runs(scope=scope, subject=subject, period="total", limit_nusd=40, tenant=shop.tenant, today=today)
    assert of_all_time is None, "what it had spent before is in no seven days"
    assert found is not None
    assert (found.runs, found.runs_beyond) == (runs, beyond)


def test_what_a_month_had_spent_before_last_week_counts_against_its_runs(shop: Shop) -> None:
    shop.call(amount=30, user=shop.cast.ann.id)
    with tenant_scope(shop.tenant.id):
        (entry,) = shop.entries()
        today = entry.occurred_on
    with history() as past:
        past.days(shop.tenant.id, {today - timedelta(days=7): 15})
        with tenant_scope(shop.tenant.id):
            asked = {"scope": "tenant", "subject": "", "limit_nusd": 40, "tenant": shop.tenant, "today": today}
            found = {period: reports.replay_runs(period=period, **asked) for period in ("daily", "monthly")}
    is_same_month = (today - timedelta(days=7)).month == today.month
    assert [(each.runs, each.runs_beyond) for each in found.values() if each] == [(1, 0), (1, int(is_same_month and today.day > 7))]


def test_models_without_a_price_are_told(shop: Shop) -> None:
    shop.call(model="unpriced-mini")
    with tenant_scope(shop.tenant.id):
        (found,) = reports.troubled_models(now=shop.now)
    assert (found.kind, found.model, found.calls) == ("unpriced", "unpriced-mini", 1)


def test_a_day_is_as_long_as_the_clocks_make_it() -> None:
    start, end = reports.instants_of_day("2026-10-25", zone="Europe/Berlin") or (None, None)
    assert start is not None
    assert end is not None
    assert end - start == timedelta(hours=25)
    assert reports.instants_of_day("2026-02-30", zone="UTC") is None
    assert (reports.instants_of_day("2026-11-26", zone="Pacific/Apia") or (None,))[0].isoformat() == "2026-11-25T11:00:00+00:00"  # type: ignore[union-attr]
