"""Our own staff in a tenant's console: with a reason, for an hour, and never silently. Call it inside the tenant's scope."""

from datetime import datetime, timedelta

from django.core.exceptions import PermissionDenied, ValidationError

from tenants.models import StaffSession, User

LASTS = timedelta(hours=1)
SHORTEST_REASON, LONGEST_REASON = 10, 500


def open_staff_session(*, user: User, reason: str, now: datetime) -> StaffSession:
    """Let one of our staff in for an hour; a session that is open already ends. The row is the entry in the tenant's audit log.

    Raises PermissionDenied for anybody who may not, ValidationError for a reason that says nothing.
    """
    if not (user.is_active and user.is_staff and user.has_perm("tenants.add_staffsession")):
        raise PermissionDenied
    words = " ".join(reason.split())
    if not SHORTEST_REASON <= len(words) <= LONGEST_REASON:
        raise ValidationError({"reason": f"Say why in {SHORTEST_REASON} to {LONGEST_REASON} characters: the tenant reads it."})
    end_staff_session(user=user, now=now)
    return StaffSession.objects.create(user=user, reason=words, started_at=now, expires_at=now + LASTS)


def end_staff_session(*, user: User, now: datetime) -> None:
    """Let the person out of this tenant."""
    for session in StaffSession.objects.filter(user=user, ended_at=None, expires_at__gt=now):
        session.ended_at = now
        session.save(update_fields=["ended_at"])
