"""Invitations: for one address, once, for a week; forged, used, withdrawn and misdirected ones let nobody in."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
import time_machine
from django.core import signing
from django.core.exceptions import ValidationError

from tenants.errors import Conflict
from tenants.members import SALT, InvitationRefused, accept, invite, open_invitation, read_token, withdraw
from tenants.models import AuditEntry, Invitation, Membership, Tenant, User
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.people import Browser, give_second_factor, link_in, logged_in, make_owner, posted

NEW = {"name": "Nina", "password": "a long enough one 1"}
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def invited(tenant: Tenant, email: str = "nina@example.com", role: str = "viewer", **options: Any) -> str:
    """The path of the link that somebody got."""
    with tenant_scope(tenant.id):
        _, token = invite(email=email, role=role, invited_by="maria@acme.example", now=options.get("now") or datetime.now(UTC))
    return f"/invitations/{token}/"


def role_of(tenant: Tenant, email: str) -> str | None:
    with tenant_scope(tenant.id):
        return Membership.objects.filter(user__email=email).values_list("role", flat=True).first()


def test_an_owner_invites_and_the_new_person_is_in_with_a_password_of_their_own(cast: Cast) -> None:
    owner = logged_in(make_owner(cast.acme))
    owner.prove()
    assert owner.post("/o/acme/members/invite/", {"email": "Nina@Example.com", "role": "finance"}).status_code == 302
    (letter,) = [message for message in posted() if message.to == ["nina@example.com"]]
    link = link_in(letter.body)
    nina = Browser()
    assert b"maria@acme.example" in nina.get(link).content
    assert nina.post(link, NEW).headers["location"] == "/o/acme/"
    assert nina.get("/o/acme/").status_code == 200
    assert role_of(cast.acme, "nina@example.com") == "finance"
    with tenant_scope(cast.acme.id):
        told = {(entry.object_type, entry.action): entry.actor_name for entry in AuditEntry.objects.all()[:3]}
    assert told[("invitation", "created")] == "maria@acme.example"
    assert told[("membership", "created")] == told[("invitation", "changed")] == "nina@example.com"


def test_it_works_once(cast: Cast) -> None:
    link = invited(cast.acme)
    assert Browser().post(link, NEW).status_code == 302
    for answer in (Browser().get(link), Browser().post(link, {**NEW, "password": "somebody elses password 1"})):
        assert answer.status_code == 410
    assert User.objects.get(email="nina@example.com").check_password(NEW["password"])


def test_it_ends_after_a_week(cast: Cast) -> None:
    link = invited(cast.acme)
    with time_machine.travel(datetime.now(UTC) + timedelta(days=7, minutes=1)):
        assert Browser().get(link).status_code == 410
        assert Browser().post(link, NEW).status_code == 410
    assert role_of(cast.acme, "nina@example.com") is None


def test_one_that_was_withdrawn_or_followed_by_another_lets_nobody_in(cast: Cast) -> None:
    first, second = invited(cast.acme), invited(cast.acme, role="owner")
    assert Browser().get(first).status_code == 410
    with tenant_scope(cast.acme.id):
        withdraw(invitation=Invitation.objects.get(withdrawn_at=None), now=datetime.now(UTC))
    assert Browser().post(second, NEW).status_code == 410


def test_forged_links_let_nobody_in(cast: Cast) -> None:
    link = invited(cast.acme)
    token = link.split("/")[2]
    with tenant_scope(cast.acme.id):
        row = Invitation.objects.get()
    stranger = signing.dumps([cast.acme.id.hex, row.pk.hex, "guess"], key="another key of somebody else", salt=SALT)
    signed_but_wrong = signing.dumps([cast.acme.id.hex, row.pk.hex, "guess"], salt=SALT)
    elsewhere = signing.dumps([cast.globex.id.hex, row.pk.hex, signing.loads(token, salt=SALT)[2]], salt=SALT)
    other_use = signing.dumps([cast.acme.id.hex, row.pk.hex, "guess"], salt="something else")
    nonsense = [signing.dumps(value, salt=SALT) for value in ("x", [], [1, 2, 3], {"a": 1}, ["no", "ids", "here"])]
    for forged in (stranger, signed_but_wrong, elsewhere, other_use, token[:-3] + "abc", "nonsense", *nonsense):
        assert Browser().post(f"/invitations/{forged}/", NEW).status_code == 410, forged
    assert not User.objects.filter(email="nina@example.com").exists()


def test_somebody_else_who_is_logged_in_does_not_get_in_with_it(cast: Cast) -> None:
    link = invited(cast.globex, email="nina@example.com", role="owner")
    olga = logged_in(cast.olga)
    for answer in (olga.get(link), olga.post(link, NEW)):
        assert answer.status_code == 403
    assert role_of(cast.globex, cast.olga.email) is None
    with tenant_scope(cast.globex.id), pytest.raises(InvitationRefused):
        accept(invitation=Invitation.objects.get(), user=cast.olga, now=datetime.now(UTC))


def test_whoever_has_an_account_logs_in_first_and_keeps_their_password(cast: Cast) -> None:
    link = invited(cast.globex, email=cast.olga.email)
    stranger = Browser()
    assert unquote(stranger.get(link).headers["location"]) == f"/login/?next={link}"
    assert stranger.post(link, NEW).status_code == 302
    assert role_of(cast.globex, cast.olga.email) is None
    cast.olga.refresh_from_db()
    assert not cast.olga.check_password(NEW["password"])
    olga = logged_in(cast.olga)
    assert olga.post(link).headers["location"] == "/o/globex/"
    assert olga.get("/o/globex/").status_code == 200


def test_an_invitation_is_no_way_around_the_second_factor(cast: Cast) -> None:
    give_second_factor(cast.olga)
    link = invited(cast.globex, email=cast.olga.email)
    assert Browser().enter(cast.olga, next=link).headers["location"].startswith("/account/second-factor/authenticate/")


def test_a_weak_password_is_refused_and_the_invitation_stays_open(cast: Cast) -> None:
    link = invited(cast.acme)
    for weak in ("short", "password1234", "nina@example.com"):
        assert Browser().post(link, {"name": "", "password": weak}).status_code == 200
    assert Browser().post(link, NEW).status_code == 302


def test_a_member_and_what_is_no_address_or_role_are_not_invited(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        with pytest.raises(Conflict, match="member already"):
            invite(email=" OLGA@example.com ", role="owner", invited_by="x", now=NOW)
        for email, role in (("nonsense", "owner"), ("a@b.example\nBcc: x@y.example", "owner"), ("n@example.com", "root"), ("n@example.com", "")):
            with pytest.raises(ValidationError):
                invite(email=email, role=role, invited_by="x", now=NOW)


def test_what_is_kept_opens_nothing(cast: Cast) -> None:
    link = invited(cast.acme)
    token = link.split("/")[2]
    secret = signing.loads(token, salt=SALT)[2]
    with tenant_scope(cast.acme.id):
        row = Invitation.objects.get()
        assert secret.encode() not in bytes(row.digest)
        assert read_token(token).digest == bytes(row.digest)
        assert open_invitation(read_token(token), now=datetime.now(UTC)) == row
        told = AuditEntry.objects.filter(object_type="invitation").get()
    assert told.changes["digest"] == {"before": None, "after": "changed"}


def test_nobody_fills_mailboxes_without_end(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenants.members.MOST_OPEN_INVITATIONS", 2)
    with tenant_scope(cast.acme.id):
        for number in range(2):
            invite(email=f"n{number}@example.com", role="viewer", invited_by="x", now=NOW)
        with pytest.raises(Conflict, match="open"):
            invite(email="n3@example.com", role="viewer", invited_by="x", now=NOW)
