"""The book of costs over REST: read, filtered, never written."""

import uuid

import pytest

from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.rest import Rest, book


@pytest.fixture
def acme(cast: Cast) -> Rest:
    return Rest(cast.acme_admin_key)


@pytest.fixture
def runs(cast: Cast) -> list[uuid.UUID]:
    with tenant_scope(cast.acme.id):
        return [
            book(cast.acme, end_user=cast.ann.pk),
            book(cast.acme, end_user=cast.ben.pk, model="gpt-max", amount_nusd=1_500_000_000, domain="code", tier="pro"),
        ]


def test_amounts_are_usd_and_integers_beside_them(acme: Rest, runs: list[uuid.UUID]) -> None:
    newest, oldest = acme.get("cost-entries/").json()["results"]
    assert (oldest["amount"], oldest["amount_nusd"], oldest["reservation_id"]) == ("0.0000963", 96_300, str(runs[0]))
    assert (newest["amount"], newest["kind"], newest["step"], newest["model"]) == ("1.5", "settled", "draft", "gpt-max")
    assert acme.get(f"cost-entries/{newest['id']}/").json() == newest


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"model": "gpt-max"}, 1), ({"domain": "code"}, 1), ({"domain": "law"}, 0), ({"tier": "free"}, 1), ({"kind": "settled"}, 2),
        ({"kind": "voided"}, 0),
        ({"end_user": "ann"}, 1), ({"end_user": "gus"}, 0), ({"end_user": "ann", "model": "gpt-max"}, 0),
        ({"booked_after": "2020-01-01T00:00:00Z"}, 2),
        ({"booked_before": "2020-01-01T00:00:00Z"}, 0), ({"reservation_id": str(uuid.uuid4())}, 0), ({"end_user_id": str(uuid.uuid4())}, 0),
        ({"booked_after": "2020-01-01"}, 2), ({"model": "'; DROP TABLE billing_costentry; --"}, 0),
    ],
)
def test_filters(acme: Rest, runs: list[uuid.UUID], filters: dict[str, str], found: int) -> None:
    assert len(acme.get("cost-entries/", filters).json()["results"]) == found


def test_a_runs_entries_are_found_by_its_id(acme: Rest, runs: list[uuid.UUID]) -> None:
    (entry,) = acme.get("cost-entries/", {"reservation_id": str(runs[1])}).json()["results"]
    assert entry["reservation_id"] == str(runs[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "stolen"), ("reservation_id", "7"), ("end_user_id", "ann"), ("booked_after", "yesterday"), ("booked_after", "9" * 40),
        ("model", "a\x00"),
        ("end_user", "a\x00"), ("amount", "1"),
    ],
)
def test_filters_that_make_no_sense_are_told_so(acme: Rest, runs: list[uuid.UUID], name: str, value: str) -> None:
    answer = acme.get("cost-entries/", {name: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [name])


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_times_at_the_ends_of_the_calendar_are_no_error_of_ours(acme: Rest, runs: list[uuid.UUID], instant: str) -> None:
    for name in ("booked_before", "booked_after"):
        assert acme.get("cost-entries/", {name: instant}).status_code in (200, 400)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_is_written_here(acme: Rest, runs: list[uuid.UUID], method: str) -> None:
    entry = acme.get("cost-entries/").json()["results"][0]
    for path in ("cost-entries/", f"cost-entries/{entry['id']}/"):
        assert acme.send(method, path, {}).status_code == 405
