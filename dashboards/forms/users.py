"""Forms about end users: what holds for one, a tier for many, and the name that confirms an erasure."""

from collections.abc import Mapping
from typing import Any

from django import forms

from tenants.models import EndUser, Tier

NO_TIER = "none"


def tiers_by_id() -> list[tuple[str, str]]:
    """Return a choice for each tier, and one for none of their own."""
    tiers = [(str(pk), named_tier(name, title)) for pk, name, title in Tier.objects.values_list("pk", "name", "title")]
    return [*tiers, (NO_TIER, "None of their own")]


def named_tier(name: str, title: str) -> str:
    """Titles may be alike, names are not."""
    return f"{title} ({name})" if title and title != name else name


class TierField(forms.ChoiceField):
    """The id of a tier, or None for none of their own."""

    def __init__(self, **options: Any) -> None:
        told = "A call that says another tier is followed, and remembered. Without one of their own the default tier holds."
        super().__init__(choices=tiers_by_id, help_text=told, **options)

    def clean(self, value: Any) -> str | None:
        said = super().clean(value)
        return None if said == NO_TIER else said


class MoveForm(forms.Form):
    """A tier for many end users. The name of its field is not that of the list's filter, which is sent along."""

    to = TierField(label="Tier")


class EndUserForm(forms.Form):
    """What holds for one end user."""

    tier = TierField(label="Tier")
    is_blocked = forms.BooleanField(required=False, label="Blocked: every call is refused")

    def __init__(self, data: Mapping[str, Any] | None = None, *, user: EndUser) -> None:
        super().__init__(data, initial={"tier": str(user.tier_id or NO_TIER), "is_blocked": user.is_blocked})

    def changes(self) -> dict[str, Any]:
        return {"tier_id": self.cleaned_data["tier"], "is_blocked": self.cleaned_data["is_blocked"]}


class EraseForm(forms.Form):
    """Who erases somebody writes their name: one click is too little for what cannot be undone."""

    name = forms.CharField(max_length=255, strip=False, label="Write their name to confirm", widget=forms.TextInput({"autocomplete": "off"}))

    def __init__(self, data: Mapping[str, Any] | None = None, *, user: EndUser) -> None:
        super().__init__(data)
        self.user = user

    def clean_name(self) -> str:
        said: str = self.cleaned_data["name"]
        if said.strip() != self.user.external_id.strip():
            raise forms.ValidationError("This is not their name.")
        return said
