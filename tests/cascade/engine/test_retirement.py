"""What is said of a model's retirement, and when."""

from datetime import date

import pytest

from cascade.engine.providers.aliases import replacement_of
from cascade.engine.retirement import retirement_notice, warned_from

LAST = date(2026, 12, 31)


@pytest.mark.parametrize(
    ("today", "said"),
    [
        (date(2026, 11, 30), ""),
        (date(2026, 12, 1), "'gpt-4o' retires on 2026-12-31 and is left out from then on: use 'best'."),
        (date(2026, 12, 30), "'gpt-4o' retires on 2026-12-31 and is left out from then on: use 'best'."),
        (LAST, "'gpt-4o' was retired on 2026-12-31 and is left out: use 'best'."),
        (date(2027, 12, 31), "'gpt-4o' was retired on 2026-12-31 and is left out: use 'best'."),
    ],
)
def test_it_is_said_from_thirty_days_before_the_day(today: date, said: str) -> None:
    assert retirement_notice(name="gpt-4o", retired_on=LAST, today=today, replacement="best") == said


def test_where_no_replacement_is_known_one_is_asked_for() -> None:
    assert retirement_notice(name="x", retired_on=LAST, today=LAST).endswith(": name another model.")


def test_the_warning_may_be_longer_than_the_calendar() -> None:
    assert warned_from(date(1, 1, 5)) == date(1, 1, 1)
    assert warned_from(LAST, warning_days=0) == LAST


@pytest.mark.parametrize(
    ("name", "upstream", "places", "replacement"),
    [
        ("gpt-4o", "gpt-4o", [("best", "gpt-5.6-terra")], "best"),
        ("ours", "gpt-4o", [("gpt-5.6-terra", "gpt-5.6-terra")], "gpt-5.6-terra"),
        ("ours", "gpt-4o", [("ours", "gpt-4o")], "gpt-5.6-terra"),
        ("claude-3-opus", "opus-at-our-proxy", [], "claude-sonnet-5-5"),
        ("ours", "llama-of-our-own", [("best", "gpt-5.6-terra")], ""),
    ],
)
def test_the_replacement_is_the_tenants_own_model_where_it_has_one(name: str, upstream: str, places: list[tuple[str, str]], replacement: str) -> None:
    assert replacement_of(name, upstream, places=places) == replacement
