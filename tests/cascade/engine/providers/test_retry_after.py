"""When a provider wants to be asked again, in each way that providers say it."""

from typing import Any

import pytest
from multidict import CIMultiDict

from cascade.engine.providers.retry_after import retry_after_s

DATE = "Wed, 25 Nov 2026 10:00:00 GMT"
NOTHING: dict[str, str] = {}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": " 3 "}, 3.0),
        ({"Retry-After": "5", "Retry-After-Ms": "250"}, 0.25),
        ({"Retry-After": "Wed, 25 Nov 2026 10:00:09 GMT", "Date": DATE}, 9.0),
        ({"Retry-After": "Wed, 25 Nov 2026 09:59:00 GMT", "Date": DATE}, 0.0),
        ({"Retry-After": "Wed, 25 Nov 2026 10:00:09 GMT"}, None),
        ({"Retry-After": "Wed, 25 Nov 2026 10:00:09 GMT", "Date": "today"}, None),
        ({"Retry-After": "Wed, 25 Nov 2026 10:00:09", "Date": DATE}, None),
        ({"Retry-After": "Wed, 25 Nov 9026 10:00:09 GMT", "Date": DATE}, None),
        ({"Retry-After": "soon"}, None), ({"Retry-After": "-1"}, None), ({"Retry-After": "nan"}, None), ({"Retry-After": "1e3"}, None),
        ({"Retry-After": "٣"}, None), ({"Retry-After": "9" * 400}, None), ({"Retry-After": "999999"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-reset-requests": "1s"}, 360.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s", "x-ratelimit-remaining-tokens": "0",
          "x-ratelimit-reset-tokens": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "1s"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s junk"}, None),
        ({"x-ratelimit-reset": "4"}, 4.0),
    ],
)  # fmt: skip
def test_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(CIMultiDict(headers)) == seconds


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        ({"details": [{"reason": "x"}, {"retryDelay": "34.074824224s"}]}, 34.074824224), ({"details": [{"retryDelay": "junk"}]}, None),
        ({"details": [{"retryDelay": 5}]}, None),
        ({"details": "5s"}, None), ({"details": ["5s", None]}, None), ("5s", None), (None, None), ([], None),
    ],
)  # fmt: skip
def test_googles_word_in_the_body(error: Any, seconds: float | None) -> None:
    assert retry_after_s(NOTHING, error=error) == seconds
