"""What Ctrl K finds: pages, runs by id, budgets, end users and keys of one tenant, as far as the person may see them."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q
from django.urls import reverse
from msgspec import Struct

from billing.models import Budget
from dashboards.access import may
from dashboards.navigation import SECTIONS, SEE_RUNS
from dashboards.screens.runs import runs_for
from tenants.end_user_names import beginning_with, end_users_by_name
from tenants.models import ApiKey, Membership
from tenants.roles import Permission

EACH = 5


class Hit(Struct, frozen=True, kw_only=True):
    kind: str
    label: str
    url: str


def hits_of(text: str, *, membership: Membership) -> Sequence[Hit]:
    """Return where a person may jump to for a text; without one, all pages. Reads the rows of the scope's tenant alone."""
    hits = _pages(text, membership)
    if not text:
        return hits
    slug = membership.tenant.slug
    if may(membership, *SEE_RUNS):
        hits += _runs(text, membership)
    if may(membership, Permission.SEE_BUDGETS):
        budgets = Budget.objects.filter(Q(name__icontains=text) | Q(subject__icontains=text), ended_at=None)[:EACH]
        hits += [Hit(kind="Budget", label=str(budget), url=f"{reverse('budgets', args=[slug])}?sel={budget.pk}") for budget in budgets]
    if may(membership, Permission.SEE_COSTS):
        users = end_users_by_name().filter(beginning_with(text)).order_by("in_order")[:EACH]
        people = reverse("users", args=[slug])
        hits += [Hit(kind="End user", label=user.external_id, url=f"{people}?sel={user.pk}") for user in users]
    if may(membership, Permission.MANAGE_OWN_KEYS):
        keys = ApiKey.objects.filter(Q(name__icontains=text) | Q(prefix__startswith=text))[:EACH]
        hits += [Hit(kind="Key", label=f"{key.name} (…{key.last4})", url=f"{reverse('costs', args=[slug])}?f=api_key:{key.pk}") for key in keys]
    return hits


def _pages(text: str, membership: Membership) -> list[Hit]:
    return [
        Hit(kind="Page", label=entry.label, url=reverse(entry.name, args=[membership.tenant.slug]))
        for section in SECTIONS for entry in section.entries
        if may(membership, *entry.needs) and text.lower() in entry.label.lower()
    ]  # fmt: skip


def _runs(text: str, membership: Membership) -> list[Hit]:
    try:
        run = runs_for(membership).filter(pk=UUID(text)).first()
    except ValueError:
        return []
    slug = membership.tenant.slug
    return [Hit(kind="Run", label=f"{run.id}, {run.model_used or run.status}", url=reverse("runs_one", args=[slug, run.pk]))] if run else []
