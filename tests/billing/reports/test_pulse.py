import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.template.loader import render_to_string

from billing import reports
from tenants.scoping import tenant_scope
from tests.cast import Cast


@pytest.mark.parametrize(
    ("after", "is_late", "is_stuck", "told"),
    [(timedelta(minutes=2), False, False, "1 call not booked yet"), (timedelta(minutes=7), True, False, "tag w"),
     (timedelta(minutes=40), True, True, "not booked for 39 min: is the worker running?")],
)  # fmt: skip
def test_a_call_that_is_not_booked_is_told_the_louder_the_longer(cast: Cast, after: timedelta, is_late: bool, is_stuck: bool, told: str) -> None:
    leg = {"step": "draft", "provider": "simulated", "model": "mini", "price_version": "v1", "amount": 1}
    asked = {
        "id": str(uuid.uuid4()), "tenant": str(cast.acme.id), "zone": "UTC", "owner": "test", "ttl_s": 60, "end_user": None, "end_user_name": None,
        "api_key": None, "tier": None, "tags": [], "unpriced": False, "labels": {"tags": []}, "rungs": [{"amount": 1, "legs": [leg]}],
    }  # fmt: skip
    with tenant_scope(cast.acme.id):
        with connection.cursor() as cursor:
            cursor.execute("SELECT answer FROM billing_reserve(%s)", [json.dumps([asked])])
        found = reports.pulse(now=datetime.now(UTC) + timedelta(seconds=5) + after)
    assert (found.overdue, found.is_late, found.is_stuck) == (1, is_late, is_stuck)
    booked = {"booked_at": datetime.now(UTC), "age": timedelta(seconds=1)}
    pulse = {**booked, "overdue": 1, "is_late": is_late, "is_stuck": is_stuck, "behind": found.behind}
    assert told in render_to_string("console/freshness.html", {"pulse": pulse})
