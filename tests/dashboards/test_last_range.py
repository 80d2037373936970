from urllib.parse import parse_qs, urlsplit

import pytest

from dashboards.last_range import RANGE_COOKIE
from tests.cast import Cast
from tests.dashboards.scene import logged_in


def test_a_page_opens_with_the_range_that_was_looked_at_last_and_says_so_in_its_address(cast: Cast) -> None:
    client = logged_in(cast.finn)
    assert client.get("/o/acme/").status_code == 200, "whoever chose nothing is sent nowhere"
    client.get("/o/acme/?range=7d&compare=previous&group=tier")
    led = client.get("/o/acme/costs/?group=domain&f=tier:pro&f=tier:free")
    assert led.status_code == 302
    assert urlsplit(led["location"]).path == "/o/acme/costs/"
    assert parse_qs(urlsplit(led["location"]).query) == {
        "range": ["7d"], "compare": ["previous"], "group": ["domain"], "f": ["tier:pro", "tier:free"],
    }  # fmt: skip
    assert client.get(led["location"]).status_code == 200


def test_an_address_with_a_range_is_answered_as_it_stands_and_is_the_last_one_then(cast: Cast) -> None:
    client = logged_in(cast.finn)
    client.get("/o/acme/?range=7d")
    page = client.get("/o/acme/savings/?range=28d")
    assert page.status_code == 200
    assert client.get("/o/acme/").status_code == 200


def test_days_of_a_calendar_are_not_kept(cast: Cast) -> None:
    client = logged_in(cast.finn)
    client.get("/o/acme/?range=custom&from=2026-01-01&to=2026-01-31")
    assert RANGE_COOKIE not in client.cookies
    client.get("/o/acme/?range=7d&compare=custom&against=2026-01-01")
    assert client.cookies[RANGE_COOKIE].value == "7d.weekday"


@pytest.mark.parametrize("value", ["", "x", "7d", "7d.custom", "custom.off", "7d.x", ".", "7d.off.x", "9" * 3000])
def test_a_cookie_of_nonsense_counts_as_none(cast: Cast, value: str) -> None:
    client = logged_in(cast.finn)
    client.cookies[RANGE_COOKIE] = value
    assert client.get("/o/acme/").status_code == 200
