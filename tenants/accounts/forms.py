"""Forms about people: invited, given a role, come in, and staff who say why."""

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from tenants.models import Role, User
from tenants.staff_access import LONGEST_REASON, SHORTEST_REASON


class InviteForm(forms.Form):
    email = forms.EmailField(label="Email")
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class NewPersonForm(forms.Form):
    """Whoever accepts an invitation and has no account yet. The address is the invitation's."""

    name = forms.CharField(max_length=200, required=False, label="Your name")
    password = forms.CharField(max_length=4096, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), label="Choose a password")

    def __init__(self, *args: object, email: str, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.email = email

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        try:
            validate_password(password, User(email=self.email, name=self.cleaned_data.get("name", "")))
        except ValidationError as weak:
            raise forms.ValidationError(weak.messages) from weak
        return password


class ReasonForm(forms.Form):
    reason = forms.CharField(
        min_length=SHORTEST_REASON, max_length=LONGEST_REASON, label="Why do you enter? The tenant reads this in its audit log.",
    )  # fmt: skip
