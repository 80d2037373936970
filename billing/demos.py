"""The end of a demo: all of it, in one transaction. billing/ledger/sql/70_demo.sql refuses it for whatever is real."""

from functools import partial

from django.db import connection, transaction

from billing.exports import files
from tenants.audit import record
from tenants.demos import OBJECT_TYPE
from tenants.errors import Conflict
from tenants.models import Demo, Tenant
from tenants.scoping import current_tenant_id, tenant_scope


def delete_demo() -> None:
    """Delete all that the scope's demo has, its files included, and the demo itself. The log of the organisation that it was asked in tells of it.

    Raises Conflict where the scope's tenant is no demo, and DatabaseError where anything was really held in it: then it stays.
    """
    tenant = Tenant.objects.get(pk=current_tenant_id())
    if not tenant.is_demo:
        raise Conflict("This is no demo: what was really spent stays booked.", code="no_demo")
    asked_in = Demo.objects.values_list("asked_in", flat=True).first()
    with connection.cursor() as cursor:
        cursor.execute("SELECT billing_delete_demo()")
    transaction.on_commit(partial(files.remove_all, tenant_id=tenant.pk))
    if asked_in is not None:
        with tenant_scope(asked_in):
            record(action="deleted", object_type=OBJECT_TYPE, object_id=tenant.pk, object_name=tenant.slug)
