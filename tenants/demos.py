"""Demos: one for each person, in an organisation of its own. Made up as a whole, and deleted as a whole (billing/demos.py)."""

import secrets
from datetime import datetime
from uuid import UUID

from tenants.audit import record
from tenants.errors import Conflict
from tenants.models import Demo, Membership, Role, Tenant, User
from tenants.scoping import current_tenant_id, platform_scope, tenant_scope

NAME = "Demo"
OBJECT_TYPE = "demo"
"""What the audit log calls it where it was asked for."""


def demo_of(person_id: UUID) -> Tenant | None:
    """Return the demo that a person asked for, if they did."""
    with platform_scope():
        known = Demo.objects.select_related("tenant").filter(person=person_id).first()
    return known.tenant if known else None


def ask_for_demo(*, person: User, now: datetime) -> Tenant:
    """Return the person's demo. Where they have none, make one, which the worker fills, with them as its owner.

    Call it in the scope of the organisation that they ask in: its audit log tells of it. Raises Conflict inside of a demo.
    """
    here = Tenant.objects.get(pk=current_tenant_id())
    if here.is_demo:
        raise Conflict("This is a demo already. Ask for one of your own in an organisation of yours.", code="is_demo")
    with platform_scope():
        User.objects.select_for_update().get(pk=person.pk)  # of two clicks one waits for the other, and finds what it made
        known = demo_of(person.pk)
        if known is not None:
            return known
        tenant = Tenant.objects.create(slug=f"demo-{secrets.token_hex(4)}", name=NAME, time_zone=here.time_zone, is_demo=True)
    with tenant_scope(tenant.pk):
        Membership.objects.create(user=person, role=Role.OWNER)
        Demo.objects.create(person=person, asked_in=here.pk, asked_at=now)
    record(action="created", object_type=OBJECT_TYPE, object_id=tenant.pk, object_name=tenant.slug)
    return tenant
