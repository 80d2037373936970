"""A key from the browser to the gateway: the old one and the new one work side by side, until the old one is revoked."""

import time
from collections.abc import Callable

from tests.browser.conftest import AXE, Visit
from tests.stage import Stage

Opened = Callable[..., Visit]
FORGOTTEN_WITHIN_S = 15
"""Processes remember a key for seconds."""


def test_a_rolled_key_works_beside_its_successor_and_ends_when_it_is_revoked(visit: Opened, live_cast: Stage) -> None:
    seen = visit("operator")
    page = seen.go("keys/new/")
    page.get_by_label("Name").fill("web shop")
    page.get_by_role("button", name="Make the key").click()
    old = page.locator("code.secret").inner_text()
    assert f"Bearer {old}" in page.locator("pre").inner_text()
    assert not AXE.exists() or seen.violations() == []
    assert live_cast.post(key=old).status_code == 200
    page.get_by_role("link", name="I have stored it").click()
    page.get_by_role("link", name="web shop").click()
    assert not AXE.exists() or seen.violations() == []
    page.get_by_label("The old key ends").select_option("24h")
    page.get_by_role("button", name="Roll this key").click()
    page.get_by_text("goes on working until").wait_for()
    new = page.locator("code.secret").inner_text()
    assert new != old
    assert {live_cast.post(key=key).status_code for key in (old, new)} == {200}
    page.get_by_role("link", name="I have stored it").click()
    page.get_by_role("row").filter(has_text=old[-4:]).get_by_role("link", name="web shop").click()
    page.get_by_text("Revoke…").click()
    page.get_by_role("button", name="Revoke this key").click()
    page.get_by_text("is revoked: calls with it are refused").wait_for()
    assert is_refused(live_cast, old)
    assert live_cast.post(key=new).status_code == 200


def is_refused(stage: Stage, key: str) -> bool:
    until = time.monotonic() + FORGOTTEN_WITHIN_S
    while time.monotonic() < until:
        if stage.post(key=key).status_code == 401:
            return True
        time.sleep(0.5)
    return False
