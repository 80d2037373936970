"""Pages of people's own: the sessions they have open, and the invitation they follow."""

from typing import Any

from allauth.account.internal.flows.login import perform_login
from allauth.account.models import EmailAddress, Login
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from tenants.accounts.forms import NewPersonForm
from tenants.actors import Door, masked_ip
from tenants.audit import acting, person_acting
from tenants.members import InvitationRefused, accept, open_invitation, read_token
from tenants.models import Invitation, Tenant, User
from tenants.scoping import tenant_scope

FOR_SOMEBODY_ELSE = "This invitation is for another address. Log out, and follow it again."


@login_required
@never_cache
def sessions(request: HttpRequest) -> HttpResponse:
    """Where the person is logged in: device, network, when last seen."""
    mine = sorted(UserSession.objects.purge_and_list(request.user), key=lambda session: session.last_seen_at, reverse=True)
    listed = [
        {"id": one.pk, "device": one.user_agent, "network": masked_ip(one.ip), "seen_at": one.last_seen_at, "is_this": one.is_current()}
        for one in mine
    ]
    return render(request, "account/sessions.html", {"sessions": listed})


@login_required
@require_POST
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one session of the person's own: its next request finds nobody logged in."""
    get_object_or_404(UserSession, pk=session_id, user=request.user).end()
    return redirect("usersessions_list")


@login_required
@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    for other in UserSession.objects.filter(user=request.user).exclude(session_key=request.session.session_key):
        other.end()
    return redirect("usersessions_list")


@never_cache
@sensitive_post_parameters("password")
def invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    """Let in whoever was invited: logged in as themselves, or as a new person who sets a password here."""
    now = timezone.now()
    try:
        named = read_token(token)
        with tenant_scope(named.tenant_id):
            found = open_invitation(named, now=now)
            tenant = Tenant.objects.get(pk=named.tenant_id, is_active=True)
            return _answer(request, found, tenant)
    except (InvitationRefused, Tenant.DoesNotExist):
        return render(request, "account/invitation_refused.html", {"refused": InvitationRefused.message}, status=410)


def _answer(request: HttpRequest, found: Invitation, tenant: Tenant) -> HttpResponseBase:
    person = User.objects.filter(email=found.email).first()
    context: dict[str, Any] = {"invitation": found, "inviting": tenant}
    if request.user.is_authenticated and request.user.pk != (person.pk if person else None):
        return render(request, "account/invitation_refused.html", {"refused": FOR_SOMEBODY_ELSE}, status=403)
    if person is None:
        form = NewPersonForm(request.POST or None, email=found.email)
        if request.method == "POST" and form.is_valid():
            return _join_as_new(request, found, tenant, form)
        return render(request, "account/invitation.html", {**context, "form": form})
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if request.method == "POST":
        with acting(person_acting(request, door=Door.CONSOLE, operation="accept invitation")):
            accept(invitation=found, user=person, now=timezone.now())
        return redirect("overview", tenant_slug=tenant.slug)
    return render(request, "account/invitation.html", context)


def _join_as_new(request: HttpRequest, found: Invitation, tenant: Tenant, form: NewPersonForm) -> HttpResponseBase:
    with transaction.atomic():
        person = User.objects.create_user(found.email, form.cleaned_data["password"], name=form.cleaned_data["name"])
        EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    with acting(person_acting(request, door=Door.CONSOLE, operation="accept invitation", user=person)):
        accept(invitation=found, user=person, now=timezone.now())
    messages.success(request, f"Welcome to {tenant.name}.")
    answer: HttpResponseBase = perform_login(request, Login(user=person, redirect_url=f"/o/{tenant.slug}/"))
    return answer


