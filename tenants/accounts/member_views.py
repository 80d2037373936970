"""The members of a tenant, as its owners change them; and our staff's way in."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.mail import EmailMessage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from tenants.accounts.adapters import postman, send
from tenants.accounts.forms import InviteForm, ReasonForm, RoleForm
from tenants.actors import Door
from tenants.audit import acting, person_acting
from tenants.errors import Conflict
from tenants.members import change_role, invite, remove_member, withdraw
from tenants.models import Invitation, Membership, Tenant
from tenants.proof import last_seen, needs, recently_proved, those_with_second_factor
from tenants.roles import Permission
from tenants.scoping import platform_scope, tenant_scope
from tenants.staff_access import end_staff_session, open_staff_session


@needs(Permission.MANAGE_MEMBERS)
def members(request: HttpRequest, tenant_slug: str) -> HttpResponse:  # noqa: ARG001 - the middleware has used it
    return _page(request, InviteForm())


@needs(Permission.MANAGE_MEMBERS)
@recently_proved
@require_POST
def send_invitation(request: HttpRequest, tenant_slug: str) -> HttpResponseBase:
    """Invite somebody by email. The page says the same whether the address has an account or none."""
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    tenant = request.membership.tenant  # type: ignore[attr-defined]
    try:
        made, token = invite(**form.cleaned_data, invited_by=request.user.email, now=timezone.now())  # type: ignore[union-attr]
    except (Conflict, ValidationError) as refused:
        form.add_error(None, str(refused) if isinstance(refused, Conflict) else refused)
        return _page(request, form)
    link = request.build_absolute_uri(reverse("invitation", args=[token]))
    text = render_to_string("account/email/invitation.txt", {"invitation": made, "inviting": tenant, "link": link})
    postman.submit(send, EmailMessage(f"{tenant.name} invites you to CascadeFlow".replace("\n", " "), text, to=[made.email]))
    messages.success(request, f"{made.email} was invited. The link works for seven days.")
    return redirect("members", tenant_slug=tenant_slug)


@needs(Permission.MANAGE_MEMBERS)
@recently_proved
@require_POST
def change_member(request: HttpRequest, tenant_slug: str, member_id: UUID) -> HttpResponseBase:
    form = RoleForm(request.POST)
    if form.is_valid():
        _try(request, lambda: change_role(member_id=member_id, role=form.cleaned_data["role"]))
    return redirect("members", tenant_slug=tenant_slug)


@needs(Permission.MANAGE_MEMBERS)
@recently_proved
@require_POST
def remove(request: HttpRequest, tenant_slug: str, member_id: UUID) -> HttpResponseBase:
    _try(request, lambda: remove_member(member_id=member_id))
    return redirect("members", tenant_slug=tenant_slug)


@needs(Permission.MANAGE_MEMBERS)
@require_POST
def withdraw_invitation(request: HttpRequest, tenant_slug: str, invitation_id: UUID) -> HttpResponseBase:
    gone = withdraw(invitation=get_object_or_404(Invitation.objects, pk=invitation_id), now=timezone.now())
    messages.success(request, f"The invitation of {gone.email} does not work any more.")
    return redirect("members", tenant_slug=tenant_slug)


@needs(Permission.EDIT_SETTINGS)
@recently_proved
@require_POST
def require_second_factor(request: HttpRequest, tenant_slug: str) -> HttpResponseBase:
    """Ask every member for a second factor, or stop asking. Whoever switches it on is asked first."""
    tenant = request.membership.tenant  # type: ignore[attr-defined]
    tenant.second_factor_required = request.POST.get("required") == "yes"
    tenant.save(update_fields=["second_factor_required"])
    return redirect("members", tenant_slug=tenant_slug)


@staff_member_required
def enter(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Let our staff into a tenant's console for an hour. The tenant reads who, when and why in its audit log."""
    with platform_scope():
        tenant = get_object_or_404(Tenant, slug=slug, is_active=True)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        reason = form.cleaned_data["reason"]
        with acting(person_acting(request, door=Door.STAFF_ADMIN, operation="enter console", reason=reason)), tenant_scope(tenant.pk):
            open_staff_session(user=request.user, reason=reason, now=timezone.now())  # type: ignore[arg-type]
        return redirect("overview", tenant_slug=slug)
    if not request.user.has_perm("tenants.add_staffsession"):
        raise PermissionDenied
    return render(request, "account/enter.html", {"entering": tenant, "form": form})


@require_POST
def leave(request: HttpRequest, tenant_slug: str) -> HttpResponseBase:  # noqa: ARG001 - the middleware has used it
    """Our staff leaves a tenant's console before the hour is over."""
    if getattr(request, "staff_session", None) is None:
        raise Http404
    end_staff_session(user=request.user, now=timezone.now())  # type: ignore[arg-type]
    return redirect("admin:index")


def _page(request: HttpRequest, form: InviteForm) -> HttpResponse:
    now = timezone.now()
    listed = list(Membership.objects.select_related("user").order_by("user__email"))
    with_factor, seen = those_with_second_factor([member.user_id for member in listed]), last_seen([member.user_id for member in listed])
    context: dict[str, Any] = {
        "title": "Members", "tenant": request.membership.tenant, "membership": request.membership, "form": form,  # type: ignore[attr-defined]
        "members": [
            {
                "member": member, "form": RoleForm(initial={"role": member.role}, auto_id=f"{member.pk}-%s"),
                "has_factor": member.user_id in with_factor, "seen_at": seen.get(member.user_id) or member.user.last_login,
            }
            for member in listed
        ],
        "invitations": Invitation.objects.filter(accepted_at=None, withdrawn_at=None, expires_at__gt=now),
    }  # fmt: skip
    return render(request, "account/members.html", context)


def _try(request: HttpRequest, change: Any) -> None:
    """Another tenant's member is none: 404, as for an id that was never given."""
    try:
        change()
    except Conflict as refused:
        messages.error(request, refused.message)
    except Membership.DoesNotExist as unknown:
        raise Http404 from unknown
