"""What a few end users cost of late."""

from datetime import timedelta

from billing import reports
from tenants.scoping import tenant_scope
from tests.shop import Shop


def test_each_end_user_has_their_days_and_who_cost_nothing_has_none(shop: Shop) -> None:
    ann, ben = shop.cast.ann.id, shop.cast.ben.id
    for days, user, amount in ((0, ann, 5), (0, ann, 1), (2, ann, 2), (0, ben, 9), (40, ben, 7)):
        shop.call(model="mini", amount=amount, user=user, at=shop.ago(days=days))
    today = reports.today_of(time_zone=shop.tenant.time_zone, now=shop.now)
    with tenant_scope(shop.tenant.id):
        found = reports.recent_of(end_users=[ann, shop.cast.gus.id], first=today - timedelta(days=2), last=today)
    assert (found[ann].trend, found[ann].cost_nusd, found[ann].last_on) == ([2, 0, 6], 8, today)
    assert (found[shop.cast.gus.id].trend, found[shop.cast.gus.id].cost_nusd, found[shop.cast.gus.id].last_on) == ([0, 0, 0], 0, None)
    assert ben not in found
