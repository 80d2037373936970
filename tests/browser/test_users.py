"""An end user in the browser: found, moved to a tier, and told why their calls are refused."""

from collections.abc import Callable

from tenants.models import EndUser, Tier
from tenants.scoping import tenant_scope
from tests.browser.conftest import Visit
from tests.stage import Stage

Opened = Callable[..., Visit]


def test_a_page_is_selected_with_the_keyboard_moved_to_a_tier_and_back(visit: Opened, live_cast: Stage) -> None:
    page = visit("operator").go("users/")
    box = page.get_by_label("Select page")
    box.focus()
    page.keyboard.press("Space")
    page.get_by_text("2 ticked:").wait_for()
    page.get_by_label("Select ann").uncheck()
    page.get_by_text("1 ticked:").wait_for()
    assert box.evaluate("box => box.indeterminate")
    box.check()
    page.get_by_role("button", name="Move tier…").click()
    page.get_by_label("Tier").select_option(label="enterprise")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("cell", name="enterprise").first.wait_for()
    page.get_by_role("button", name="Change 2").click()
    page.get_by_text("Move tier: 2 changed.").wait_for()
    assert tiers(live_cast) == {"ann": "enterprise", "ben": "enterprise"}
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Taken back: 2.").wait_for()
    assert tiers(live_cast) == {"ann": "free", "ben": "pro"}


def test_the_panel_says_why_calls_are_refused_and_a_block_holds_at_once(visit: Opened, live_cast: Stage) -> None:
    live_cast.add_budget("0.000000001", name="Nothing for ann", scope="end_user", subject="ann")
    page = visit("operator").go("users/")
    page.get_by_role("link", name="ann").click()
    page.get_by_role("region", name="Budgets that apply").get_by_role("link", name="Nothing for ann").wait_for()
    page.get_by_text("refused", exact=True).wait_for()
    page.goto(page.url.partition("?")[0] + "?q=be")
    page.get_by_role("link", name="ben").click()
    page.get_by_role("button", name="Block", exact=True).last.click()
    page.get_by_text("Blocked: their calls are refused now.").wait_for()
    page.get_by_text("The end user is blocked").wait_for()
    assert live_cast.refused(user="ben").status_code == 403


def test_without_a_script_there_is_no_box_for_the_page(visit: Opened, live_cast: Stage) -> None:
    page = visit("operator").page
    page.route("**/console.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(f"{live_cast.site.url}/o/{live_cast.cast.acme.slug}/users/")
    assert page.get_by_label("Select ann").is_visible()
    assert not page.locator("[data-select-page]").is_visible()


def tiers(stage: Stage) -> dict[str, str]:
    with tenant_scope(stage.cast.acme.id):
        names = dict(Tier.objects.values_list("pk", "name"))
        return {user.external_id: names.get(user.tier_id, "") for user in EndUser.objects.filter(external_id__in=["ann", "ben"])}
