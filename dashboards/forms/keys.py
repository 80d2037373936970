"""Forms about API keys."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms

from dashboards.access import may
from tenants.models import ApiKey, Membership, Scope
from tenants.models.who import MOST_A_MINUTE
from tenants.roles import Permission

LIVES = {"": "until it is revoked", "30": "30 days", "90": "90 days", "365": "a year"}
OVERLAP_WORDS = {"0s": "now", "1h": "in 1 hour", "24h": "in 24 hours", "7d": "in 7 days"}


def scopes_of(membership: Membership) -> list[str]:
    """Return what a person may let a key do: one that changes configuration may do more than those who have only keys of their own."""
    return [scope for scope in Scope.values if scope != Scope.ADMIN or may(membership, Permission.MANAGE_KEYS)]


class KeyForm(forms.Form):
    """A new key. It may do what its maker may let it do."""

    name = forms.CharField(
        max_length=200, label="Name", help_text="Which application uses it, and where.", widget=forms.TextInput({"autocomplete": "off"})
    )
    scopes = forms.MultipleChoiceField(choices=Scope.choices, initial=[Scope.INVOKE], widget=forms.CheckboxSelectMultiple, label="It may")
    requests_per_minute = forms.IntegerField(required=False, min_value=1, max_value=MOST_A_MINUTE, label="Requests a minute, at most")
    tokens_per_minute = forms.IntegerField(required=False, min_value=1, max_value=MOST_A_MINUTE, label="Tokens a minute, at most")
    life = forms.ChoiceField(required=False, choices=list(LIVES.items()), label="It works")

    def __init__(self, data: Mapping[str, Any] | None = None, *, membership: Membership) -> None:
        super().__init__(data)
        allowed = scopes_of(membership)
        field = self.fields["scopes"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(value, label) for value, label in Scope.choices if value in allowed]

    def wanted(self, *, now: datetime) -> dict[str, Any]:
        """Return what tenants.services.issue_key takes of it."""
        said = self.cleaned_data
        ends = now + timedelta(days=int(said["life"])) if said["life"] else None
        limits = {name: said[name] for name in ("requests_per_minute", "tokens_per_minute")}
        return {"name": said["name"], "scopes": sorted(said["scopes"]), "expires_at": ends, **limits}


class RollForm(forms.Form):
    """How long the old key goes on working beside the new one."""

    overlap = forms.ChoiceField(choices=list(OVERLAP_WORDS.items()), initial="24h", label="The old key ends")


def described(key: ApiKey) -> dict[str, str]:
    """Return a key as people read it; its secret is nowhere."""
    return {
        "Name": key.name, "Key": f"{key.prefix}…{key.last4}", "May": ", ".join(key.scopes),
        "Requests a minute": str(key.requests_per_minute or "any number"), "Tokens a minute": str(key.tokens_per_minute or "any number"),
        "Ends": f"{key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "never",
        "Revoked": f"{key.revoked_at:%Y-%m-%d %H:%M} UTC" if key.revoked_at else "no",
    }  # fmt: skip
