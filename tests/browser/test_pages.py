"""Every page in a real browser: nothing that axe finds, no error, no request to another origin, in both themes and on a phone."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from billing.models import ModelPrice
from billing.quarters import sum_quarters
from cascade.engine.presets import PRESET_MEDICAL_AI
from cascade.models import CatalogModel, DomainRule
from cascade.publishing import definition_of
from dashboards.access import Needs
from tenants.models import ApiKey, Tier
from tenants.scoping import tenant_scope
from tests.browser.conftest import AXE, Visit
from tests.dashboards.scene import console_patterns
from tests.stage import Stage

Opened = Callable[..., Visit]


@pytest.fixture
def called(live_cast: Stage) -> Stage:
    """There were calls, and there is a budget."""
    live_cast.add_budget("5", period="monthly", name="All of it")
    for user in ("ann", "ben"):
        live_cast.ask("production_ready", content="What is 17 + 25?", user=user)
    live_cast.wait_until_closed(holds=2)
    live_cast.run(live_cast.holds()[0].id)
    live_cast.add_rule("legal", "deposit")
    live_cast.add_definition("ours", definition_of(PRESET_MEDICAL_AI))
    sum_quarters(now=datetime.now(UTC))
    return live_cast


def paths(stage: Stage) -> Iterator[str]:
    """Every page that can be looked at, from the URL conf, and some ways to look."""
    run, budget = stage.holds()[0].id, stage.windows()[0].budget_id
    with tenant_scope(stage.cast.acme.id):
        tier, rule = Tier.objects.get(name="free").pk, DomainRule.objects.get().pk
        model, price = CatalogModel.objects.get(name="scripted"), ModelPrice.objects.get(model="scripted").pk
        key = ApiKey.objects.first()
    for pattern in console_patterns():
        needs: Needs = pattern.callback.needs  # type: ignore[attr-defined]
        route = str(pattern.pattern).removeprefix("o/<slug:tenant_slug>/")
        if needs.see and not re.search(r"preview|palette|values|first|bulk|ahead|rollout|file|/data", route):
            ids = {"runs": run, "tiers": tier, "users": stage.cast.ann.pk, "rules": rule, "models": model.pk, "providers": model.connection_id}
            row = price if pattern.name == "models_reprice" else ids.get(str(pattern.name).partition("_")[0], budget)
            yield route.replace("<uuid:pk>", str(row)).replace("<slug:preset>", "ours")
    yield from (
        f"runs/{run}/?tab=ledger", f"runs/{run}/?tab=facts", f"budgets/?sel={budget}", "?range=24h",
        "costs/?group=domain&sub=tier&f=tier:free&whole=1",
        "costs/?metric=accepted", "runs/?domain=nowhere", "no-such-page/",
        "presets/medical_ai/", "reports/read/?report=chargeback&by=tier&whole=1", "reports/read/?report=budgets&whole=1", "members/",
        f"users/?sel={stage.cast.ann.pk}",
        f"models/?sel={model.pk}", f"providers/?sel={model.connection_id}", f"keys/?sel={key.pk if key else budget}",
    )  # fmt: skip


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_every_page_is_whole_and_open_to_everybody(visit: Opened, called: Stage, theme: str, width: int) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: `make test` installs it (clients/package-lock.json).")
    somebody = visit(theme=theme, width=width)
    for path in paths(called):
        page = somebody.go(path)
        somebody.draw_charts()
        assert page.locator("html").get_attribute("data-theme") == theme
        assert somebody.violations() == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"


def test_a_chart_is_read_with_the_arrow_keys_and_drawn_anew_when_the_theme_changes(visit: Opened, called: Stage) -> None:
    somebody = visit()
    page = somebody.go()
    somebody.draw_charts()
    page.locator(".cf-chart").first.focus()
    page.keyboard.press("ArrowLeft")
    page.get_by_text(re.compile("so far: ")).first.wait_for()
    assert page.locator("[data-live]").first.text_content().startswith(page.locator(".readout").first.text_content())
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_day_of_the_chart_opens_the_explorer_and_keys_step_and_compare(visit: Opened, called: Stage) -> None:
    somebody = visit()
    page = somebody.go("?range=7d")
    somebody.draw_charts()
    page.locator(".cf-chart").first.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/costs/\?range=custom&from=(\d{4}-\d\d-\d\d)&to=\1&group=model$"))
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile("range=custom&compare=weekday&from="))  # so far the address had no comparison
    page = somebody.go("costs/?range=7d")
    page.keyboard.press("x")
    page.wait_for_url(re.compile("compare=off"))
    page.keyboard.press("x")
    page.wait_for_url(re.compile("compare=weekday"))
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile("back=1"))
    page.goto(page.url.partition("?")[0])
    assert "range=7d" in page.url, "the range that was looked at last"


def test_days_are_compared_with_days_of_choice_and_values_are_offered_to_a_filter(visit: Opened, called: Stage) -> None:
    page = visit().go("costs/?range=7d")
    page.get_by_text("Compare with…").click()
    page.locator("[name=against]").fill("2026-01-05")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url(re.compile("compare=custom"))
    assert page.url.count("compare=") == 1
    page.get_by_text("Compared with 5 Jan 2026 to 11 Jan 2026.").wait_for()
    page.get_by_text("+ Filter").click()
    page.locator("[name=dim]").select_option("end_user")
    page.locator("[name=value]").fill("be")
    page.locator("#values option[value=ben]").wait_for(state="attached")


def test_the_palette_finds_a_run_by_its_id(visit: Opened, called: Stage) -> None:
    page, run = visit().go(), called.holds()[0].id
    page.keyboard.press("Control+k")
    page.keyboard.type(str(run))
    page.locator("#hits a", has_text=str(run)).wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{run}/")


def test_single_keys_lead_to_pages_until_they_are_switched_off(visit: Opened, called: Stage) -> None:
    page = visit().go()
    page.keyboard.press("g")
    page.keyboard.press("b")
    page.wait_for_url("**/budgets/")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.closest('[data-row]') !== null")
    page.keyboard.press("?")
    page.get_by_role("button", name="Switch single keys off").click()
    page.wait_for_load_state()
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_timeout(300)
    assert page.url.endswith("/budgets/")
