"""Chromium on the live site, as one person sees it. Whatever it does: no error in its console, and no request to another origin."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tenants.models import Role
from tests.dashboards.scene import session_of
from tests.stage import Stage

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(__file__).parents[2] / "clients/node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="session", autouse=True)
def rows_beside_playwright() -> Iterator[None]:
    """Playwright keeps an event loop in this thread; the tests look up rows beside it, one after the other."""
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    yield
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE") if before is None else None


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed: sh requirements/debian.sh installs it.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """One person's browser, in acme's console."""

    def __init__(self, context: Any, stage: Stage) -> None:
        self.stage, self.page = stage, context.new_page()
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", lambda message: self._hear(message))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        context.on("request", lambda request: self._note(request.url))

    def _hear(self, message: Any) -> None:
        """A page that is refused, or not found, is no error of the page."""
        if message.type == "error" and not (message.location["url"] == self.page.url and "status of 4" in message.text):
            self.errors.append(f"{message.text} ({message.location['url']})")

    def _note(self, url: str) -> None:
        if not url.startswith((f"{self.stage.site.url}/", "data:", "blob:")):
            self.foreign.append(url)

    def go(self, path: str = "") -> Any:
        self.page.goto(f"{self.stage.site.url}/o/{self.stage.cast.acme.slug}/{path}")
        return self.page

    def draw_charts(self) -> None:
        for number, chart in enumerate(self.page.locator("[data-figure]").all()):
            chart.scroll_into_view_if_needed()
            self.page.locator("[data-drawn]").nth(number).wait_for(timeout=30_000)

    def violations(self) -> list[str]:
        """What axe finds, with best practice."""
        found: list[str] = self.page.evaluate(
            "async () => (await axe.run(document)).violations.map(one =>"
            " one.id + ': ' + one.nodes.map(node => node.target + ' ' + node.failureSummary).join(' | '))"
        )
        return found


@pytest.fixture
def visit(chromium: Any, live_cast: Stage) -> Iterator[Callable[..., Visit]]:
    """Opens acme's console as somebody with a role, in a theme."""
    contexts, visits = [], []

    def opened(role: str = Role.OWNER, *, theme: str = "light", width: int = 1280) -> Visit:
        context = chromium.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce", permissions=["clipboard-write"])
        context.set_default_timeout(20_000)
        if AXE.exists():
            context.add_init_script(path=AXE)
        pairs = (("sessionid", session_of(live_cast, role)), ("theme", theme))
        context.add_cookies([{"name": name, "value": value, "url": live_cast.site.url} for name, value in pairs])
        contexts.append(context)
        visits.append(Visit(context, live_cast))
        return visits[-1]

    yield opened
    for context in contexts:
        context.close()
    for one in visits:
        assert one.errors == []
        assert one.foreign == []
