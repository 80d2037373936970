"""How many labels there may be, whoever makes them up."""

from cascade.telemetry.labels import MOST_SERIES, MOST_SERIES_OF_A_TENANT, MOST_TENANTS, MOST_VALUES, LabelBounds
from cascade.telemetry.metrics import CALLS, COST, LEDGER, REFUSALS, RUNS, Measure


def run(tenant: str = "acme", tier: str = "free", domain: str = "code", preset: str = "house") -> Measure:
    return Measure(RUNS, 1, (tenant, tier, domain, preset, "served", ""))


def test_what_came_while_there_was_room_keeps_its_name_and_what_comes_later_is_other() -> None:
    bounds = LabelBounds()
    domains = [bounds.bound(run(domain=f"made-up-{number}")).labels[2] for number in range(MOST_VALUES + 3)]
    assert domains == [*(f"made-up-{number}" for number in range(MOST_VALUES)), "other", "other", "other"]
    assert bounds.bound(run(domain="made-up-0")).labels == ("acme", "free", "made-up-0", "house", "served", "")


def test_one_tenant_takes_no_names_from_another() -> None:
    bounds = LabelBounds()
    for number in range(1000):
        bounds.bound(run(domain=f"a{number % 40}", preset=f"p{number // 40}"))
    assert bounds.bound(run("globex", domain="law")).labels == ("globex", "free", "law", "house", "served", "")


def test_no_metric_has_more_series_than_it_may() -> None:
    bounds, seen = LabelBounds(), set()
    for number in range(30_000):
        labels = bounds.bound(run(f"tenant-{number % 500}", domain=f"d{number % 49}", preset=f"p{number % 47}")).labels
        seen.add(labels)
    by_tenant = {name: sum(labels[0] == name for labels in seen) for name in {labels[0] for labels in seen}}
    assert len(by_tenant) == MOST_TENANTS + 1
    assert "other" in by_tenant
    assert max(by_tenant.values()) <= MOST_SERIES_OF_A_TENANT + 1
    assert len(seen) <= MOST_SERIES + MOST_TENANTS + 1


def test_labels_of_our_own_stay_whatever_happens() -> None:
    bounds = LabelBounds()
    for number in range(2000):
        bounds.bound(Measure(CALLS, 1, ("acme", f"p{number}", f"m{number}", "answered")))
    assert bounds.bound(Measure(CALLS, 1, ("acme", "new", "new", "provider_failed"))).labels == ("acme", "other", "other", "provider_failed")
    assert bounds.bound(Measure(REFUSALS, 1, ("acme", "free", "budget_exhausted", "402"))).labels[2:] == ("budget_exhausted", "402")
    assert bounds.bound(Measure(LEDGER, 0.1, ("hold",))).labels == ("hold",)


def test_what_a_provider_calls_a_model_is_bounded_as_its_name_is() -> None:
    bounds = LabelBounds()
    for number in range(60):
        last = bounds.bound(Measure(COST, 1, ("acme", "", "code", "", "up", f"m{number}", "openai", f"theirs-{number}")))
    assert last.labels == ("acme", "", "code", "", "up", "other", "openai", "other")


def test_memory_does_not_grow_with_names_that_are_turned_away() -> None:
    bounds = LabelBounds()
    for number in range(20_000):
        bounds.bound(run(domain=f"made-up-{number}"))
    assert len(bounds._series[RUNS]["acme"]) <= MOST_SERIES_OF_A_TENANT + 1
    assert sum(map(len, bounds._values.values())) <= 3 * MOST_VALUES
