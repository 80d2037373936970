"""Erasure of end users (GDPR article 17): the identity goes, the money stays booked under the derived id. docs/guides/end-users.md tells it."""

import logging
from datetime import datetime

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models

from billing.engine.budgets import BudgetScope
from billing.exports.work import forget_names
from billing.models import Budget
from billing.services import end_budget
from tenants.end_users import end_user_id
from tenants.models import EndUser, Erasure, Tenant
from tenants.scoping import current_tenant_id

log = logging.getLogger(__name__)


def forget_end_user(*, external_id: str, actor: str, now: datetime) -> Erasure:
    """Erase what says who an end user of the scope's tenant is, and note that it was done. Also for one who never called.

    What stays is filed under the id that is derived from the name: holds, entries, windows, day sums and run traces. So do the person's own
    budgets: they go on to limit whoever has that id, so that nobody is rid of a budget by being erased and coming back.
    """
    tenant = Tenant.objects.get(pk=current_tenant_id())
    pseudonym = end_user_id(salt=bytes(tenant.end_user_salt), external_id=external_id)
    forget_names()
    budgets = _rename_budgets(external_id, str(pseudonym), now=now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT billing_forget_end_user(%s, %s)", [tenant.pk, pseudonym])
    EndUser.objects.filter(pk=pseudonym).delete()
    _scrub_admin_log(EndUser, [str(pseudonym)])
    _scrub_admin_log(Budget, budgets)
    note = Erasure.objects.create(end_user_id=pseudonym, erased_at=now, actor=actor)
    log.warning("an end user of %s was erased: %s", tenant.slug, pseudonym)
    return note


def _rename_budgets(external_id: str, pseudonym: str, *, now: datetime) -> list[str]:
    """Give the person's own budgets, also ended ones, the derived id for a subject. A free name may tell who it is, so it goes too."""
    renamed = []
    for budget in Budget.objects.select_for_update().filter(scope=BudgetScope.END_USER, subject=external_id):
        if budget.ended_at is None:
            _end_older(budget, pseudonym, now=now)
        budget.subject, budget.name = pseudonym, ""
        budget.save(update_fields=["subject", "name"])
        renamed.append(str(budget.pk))
    return renamed


def _end_older(budget: Budget, pseudonym: str, *, now: datetime) -> None:
    """Of a person who is erased again the budget that was set last holds; its windows know what was spent before it."""
    same = Budget.objects.filter(scope=budget.scope, subject=pseudonym, period=budget.period, action=budget.action, ended_at=None)
    for older in same:
        end_budget(budget=older, now=now)


def _scrub_admin_log(model: type[models.Model], ids: list[str]) -> None:
    """The staff admin's log says what rows were called when they were touched."""
    entries = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(model), object_id__in=ids)
    for entry in entries:
        entry.object_repr = entry.object_id or ""
    LogEntry.objects.bulk_update(entries, ["object_repr"])
