"""Who belongs to a tenant: invited by email, given a role, removed. Call it inside the tenant's scope; edges pass `now`.

Each change is a change of a row, so the audit log has it. The last owner stays: nobody else could let anybody in.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from msgspec import Struct

from tenants.errors import Conflict
from tenants.models import Invitation, Membership, Role, User
from tenants.scoping import current_tenant_id

INVITATION_LIVES = timedelta(days=7)
MOST_OPEN_INVITATIONS = 200
SALT = "tenants.invitation"


class InvitationRefused(Exception):
    """This link lets nobody in. One message for forged, used, withdrawn and expired ones alike."""

    message = "This invitation does not work any more. Ask an owner for a new one."

    def __init__(self) -> None:
        super().__init__(self.message)


class Named(Struct, frozen=True):
    """What the link of an invitation names, once its signature is checked."""

    tenant_id: UUID
    invitation_id: UUID
    digest: bytes


def invite(*, email: str, role: str, invited_by: str, now: datetime) -> tuple[Invitation, str]:
    """Return an invitation and the token of its link, which is shown this once. It takes the place of an open one for the same address.

    Raises ValidationError for what is no address or no role, Conflict for a member and for too many open invitations.
    """
    address = _address(email)
    if role not in Role.values:
        raise ValidationError({"role": f"{role!r} is not a role. Choose one of {', '.join(Role.values)}."})
    if Membership.objects.filter(user__email=address).exists():
        raise Conflict(f"{address} is a member already: change their role instead.", code="is_member")
    for older in Invitation.objects.filter(email=address, accepted_at=None, withdrawn_at=None):
        withdraw(invitation=older, now=now)
    if Invitation.objects.filter(accepted_at=None, withdrawn_at=None, expires_at__gt=now).count() >= MOST_OPEN_INVITATIONS:
        raise Conflict(f"{MOST_OPEN_INVITATIONS} invitations are open: withdraw some that nobody will answer.", code="too_many_invitations")
    secret = secrets.token_urlsafe(24)
    made = Invitation.objects.create(
        email=address, role=role, digest=_digest(secret), invited_by=invited_by, created_at=now, expires_at=now + INVITATION_LIVES
    )
    return made, signing.dumps([current_tenant_id().hex, made.pk.hex, secret], salt=SALT)


def withdraw(*, invitation: Invitation, now: datetime) -> Invitation:
    """Make an invitation's link useless. Doing it again changes nothing."""
    if invitation.withdrawn_at is None and invitation.accepted_at is None:
        invitation.withdrawn_at = now
        invitation.save(update_fields=["withdrawn_at"])
    return invitation


def read_token(token: str) -> Named:
    """Return what a link names, without any look-up. Raises InvitationRefused for one that we did not sign."""
    try:
        tenant, invitation, secret = signing.loads(token, salt=SALT, max_age=INVITATION_LIVES)
        return Named(UUID(tenant), UUID(invitation), _digest(secret))
    except (signing.BadSignature, ValueError, TypeError, AttributeError):
        raise InvitationRefused from None


def open_invitation(named: Named, *, now: datetime) -> Invitation:
    """Return the invitation of a link, locked. Raises InvitationRefused for one that is used, withdrawn or over."""
    found = Invitation.objects.select_for_update().filter(pk=named.invitation_id, accepted_at=None, withdrawn_at=None, expires_at__gt=now).first()
    if found is None or not hmac.compare_digest(bytes(found.digest), named.digest):
        raise InvitationRefused
    return found


def accept(*, invitation: Invitation, user: User, now: datetime) -> Membership:
    """Let the person in, once. `invitation` is locked. Raises InvitationRefused for anybody but the one who was invited."""
    if invitation.email != user.email.lower() or not user.is_active:
        raise InvitationRefused
    invitation.accepted_at = now
    invitation.save(update_fields=["accepted_at"])
    member, _ = Membership.objects.get_or_create(user=user, defaults={"role": invitation.role})
    return member


def change_role(*, member_id: UUID, role: str) -> Membership:
    """It holds from their next request on. Raises ValidationError, Membership.DoesNotExist, and Conflict for the last owner."""
    if role not in Role.values:
        raise ValidationError({"role": f"{role!r} is not a role. Choose one of {', '.join(Role.values)}."})
    member = _member(member_id, stays_owner=role == Role.OWNER)
    member.role = role
    member.save(update_fields=["role"])
    return member


def remove_member(*, member_id: UUID) -> None:
    """They are out from their next request on. Raises Membership.DoesNotExist, and Conflict for the last owner."""
    _member(member_id, stays_owner=False).delete()


def _member(member_id: UUID, *, stays_owner: bool) -> Membership:
    """Return a member. All owners are locked meanwhile, so that of two owners who remove each other one stays."""
    owners = {owner.pk for owner in Membership.objects.select_for_update().filter(role=Role.OWNER).order_by("pk")}
    member = Membership.objects.select_for_update(of=("self",)).select_related("user").get(pk=member_id)
    if owners == {member.pk} and not stays_owner:
        raise Conflict(f"{member.user.email} is the last owner: make somebody else an owner first.", code="last_owner")
    return member


def _address(email: str) -> str:
    address = email.strip().lower()
    validate_email(address)
    return address


def _digest(secret: str) -> bytes:
    return hmac.digest(settings.API_KEY_PEPPER.encode(), f"{SALT}:{secret}".encode(), hashlib.sha256)
