"""The demo as it is offered: on the page that leads to the first call, and where there is nothing to look at yet."""

from django.http import HttpRequest
from django.urls import reverse
from msgspec import Struct

from dashboards.access import may
from dashboards.shell import membership_of
from tenants.demos import demo_of
from tenants.roles import Permission


class Offer(Struct, frozen=True, kw_only=True):
    """Where a demo is asked for, or, where the person has one, where it is."""

    url: str
    is_there: bool


def offer_of(request: HttpRequest) -> Offer | None:
    """Return what a person is offered: nothing inside of a demo, and nothing where their role may not."""
    membership = membership_of(request)
    if membership.tenant.is_demo or not may(membership, Permission.MANAGE_DEMO):
        return None
    own = demo_of(membership.user_id)
    if own is not None:
        return Offer(url=reverse("demo", args=[own.slug]), is_there=True)
    return Offer(url=reverse("demo", args=[membership.tenant.slug]), is_there=False)
