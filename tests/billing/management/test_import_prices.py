"""manage.py import_prices: shows what changes, asks, and writes all of it or nothing."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from billing.models import PlatformPrice
from billing.price_import import PriceMap, apply_import, compare_prices, plan_import
from tenants.models import Tenant
from tenants.scoping import platform_scope, tenant_scope
from tests.cast import Cast

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def entry(usd_in: str, usd_out: str, **fields: Any) -> dict[str, Any]:
    rates = {"input_cost_per_token": Decimal(usd_in) / 10**6, "output_cost_per_token": Decimal(usd_out) / 10**6}
    return {"litellm_provider": "openai", "mode": "chat", **rates, "cache_read_input_token_cost": Decimal(usd_in) / 2 / 10**6, **fields}


ENTRIES = {
    "gpt-mini": entry("0.15", "0.60"), "gpt-max": entry("2.50", "10"), "gpt-odd": entry("1", "0"),
    "groq/qwen": entry("1", "2", litellm_provider="groq"),
}  # fmt: skip


@pytest.fixture
def price_map(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The map, small; what a test changes in it is what the next import finds."""
    entries = {name: dict(values) for name, values in ENTRIES.items()}
    monkeypatch.setattr("billing.management.commands.import_prices.read_bundled_map", lambda: PriceMap(version="1.2.3", entries=entries))
    return entries


def run(*arguments: str, at: datetime = NOON) -> list[str]:
    out = io.StringIO()
    with time_machine.travel(at, tick=False):
        call_command("import_prices", *arguments, stdout=out)
    return out.getvalue().splitlines()


def say(answer: str | None) -> str:
    if answer is None:
        raise EOFError
    return answer


def versions(model: str) -> list[tuple[int, datetime, datetime | None]]:
    rows = PlatformPrice.objects.filter(model=model).order_by("valid_from", "created_at")
    return [(row.input_nusd, row.valid_from, row.valid_to) for row in rows]


def test_the_nightly_comparison_says_what_differs_and_changes_nothing(price_map: dict[str, Any]) -> None:
    listed = PriceMap(version="1.2.3", entries=price_map)
    with platform_scope():
        before = PlatformPrice.objects.count()
        assert compare_prices(listed, now=NOON).startswith("0 prices differ from litellm 1.2.3, 3 models are new: manage.py import_prices")
        assert PlatformPrice.objects.count() == before
    run("--yes")
    with platform_scope():
        assert compare_prices(listed, now=NOON) == "the price book is as litellm 1.2.3 has it"
    price_map["gpt-mini"] = entry("0.10", "0.60")
    with platform_scope():
        assert compare_prices(PriceMap(version="1.3", entries=price_map), now=NOON).startswith("1 prices differ from litellm 1.3, 0 models are new")


def test_it_shows_what_is_new_and_why_something_is_skipped_and_writes_it_with_its_source(price_map: dict[str, Any]) -> None:
    lines = run("--yes")
    assert lines[0] == "+ openai gpt-mini: input 0.15, output 0.6, cached input 0.075"
    assert "! openai gpt-odd: skipped, its price is 0, which a hosted model's hardly is: give your own if it is" in lines
    assert lines[-2] == "litellm 1.2.3, USD per million tokens: 3 new, 0 changed (0 drop by more than 20 %), 0 unchanged, 1 skipped"
    assert lines[-1].startswith("Applied 3 changes.")
    row = PlatformPrice.objects.get(model="gpt-mini")
    assert (row.provider, row.input_nusd, row.cached_input_nusd) == ("openai", 150_000_000, 75_000_000)
    assert (row.source, row.valid_from) == ("litellm 1.2.3", NOON)
    assert run("--yes")[-1] == "= nothing to change"


def test_a_changed_price_is_shown_old_to_new_and_a_big_drop_is_flagged(price_map: dict[str, Any]) -> None:
    run("--yes")
    price_map["gpt-mini"] = entry("0.12", "0.66")
    price_map["gpt-max"] = entry("1.99", "10")
    later = NOON + timedelta(days=1)
    lines = run("--yes", at=later)
    assert lines[0] == "~ openai gpt-mini: input 0.15 -> 0.12 (-20 %), output 0.6 -> 0.66 (+10 %), cached input 0.075 -> 0.06 (-20 %)"
    assert lines[1] == (
        "~ openai gpt-max: input 2.5 -> 1.99 (-21 %), cached input 1.25 -> 0.995 (-21 %)  (drops by more than 20 %: look at it twice)"
    )
    assert "0 new, 2 changed (1 drop by more than 20 %), 1 unchanged, 1 skipped" in lines[-2]
    assert versions("gpt-mini") == [(150_000_000, NOON, later), (120_000_000, later, None)]


def test_nothing_is_written_on_a_dry_run_without_a_yes_and_where_nobody_can_be_asked(
    price_map: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("--dry-run")[-1] == "This was a dry run: nothing was changed."
    for answer in ("", "n", "maybe", None):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: say(answer))
        with pytest.raises(CommandError, match="Nothing was changed"):
            run()
    assert PlatformPrice.objects.count() == 0


def test_a_yes_at_the_terminal_applies_it(price_map: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "y")
    run("--model", "gpt-mini")
    assert asked == ["Apply 1 changes from 2026-11-25 12:00 UTC on? [y/N] "]
    assert [row.model for row in PlatformPrice.objects.all()] == ["gpt-mini"]


def test_providers_and_models_can_be_chosen(price_map: dict[str, Any]) -> None:
    run("--yes", "--provider", "groq")
    assert [(row.provider, row.model) for row in PlatformPrice.objects.all()] == [("groq", "qwen")]
    with pytest.raises(CommandError, match=r"no provider is called 'azure'. Providers: openai, anthropic"):
        run("--provider", "azure")
    with pytest.raises(CommandError, match="the map has no chat model 'gpt-mni'"):
        run("--model", "gpt-mni")
    with pytest.raises(CommandError, match="'soon' is not a date"):
        run("--valid-from", "soon")


def test_a_price_from_a_past_day_on_ends_the_one_before_there_and_says_that_nothing_is_repriced(price_map: dict[str, Any]) -> None:
    run("--yes", "--model", "gpt-mini", "--valid-from", "2026-10-01")
    price_map["gpt-mini"] = entry("0.30", "0.60")
    lines = run("--yes", "--model", "gpt-mini", "--valid-from", "2026-11-01")
    start, changed = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    assert versions("gpt-mini") == [(150_000_000, start, changed), (300_000_000, changed, None)]
    assert "manage.py reprice" in lines[-1]


def test_a_model_that_left_the_map_keeps_its_price_and_is_named(price_map: dict[str, Any]) -> None:
    run("--yes")
    del price_map["gpt-max"]
    assert "? openai gpt-max: not in the map any more; its price stays" in run("--yes")
    assert versions("gpt-max")[0][2] is None


def test_what_was_changed_while_somebody_looked_is_not_overwritten(price_map: dict[str, Any]) -> None:
    plan = plan_import(PriceMap(version="1", entries=price_map), valid_from=NOON, today="2026-11-25")
    run("--yes", "--model", "gpt-mini")
    assert not apply_import(plan, valid_from=NOON)
    assert PlatformPrice.objects.count() == 1


def test_every_tenant_reads_its_configuration_again_once(cast: Cast, price_map: dict[str, Any]) -> None:
    with platform_scope():
        before = dict(Tenant.objects.values_list("slug", "config_version"))
    run("--yes")
    with platform_scope():
        after = dict(Tenant.objects.values_list("slug", "config_version"))
    assert after == {slug: number + 1 for slug, number in before.items()}
    with tenant_scope(cast.acme.id):
        assert PlatformPrice.objects.count() == 3, "a platform's price is everybody's to read"


def test_the_bundled_map_is_imported_whole() -> None:
    lines = run("--yes")
    assert PlatformPrice.objects.count() > 400
    luna = "+ openai gpt-5.6-luna: input 0.2, output 1.2, cached input 0.02, cache write 0.25, long after tokens 272,000, long input 0.4"
    assert any(line.startswith(luna) for line in lines)
    assert run("--yes")[-1] == "= nothing to change"
