"""Forms about providers and models."""

from collections.abc import Mapping
from typing import Any, get_args

from django import forms

from cascade.engine.providers.registry import SIMULATED, SUPPORTED_PROVIDERS
from cascade.engine.values import Capability
from cascade.models import CatalogModel, ProviderConnection
from dashboards.forms.fields import UsdField
from tenants.encryption import Secret
from tenants.models import slug_rule

PROVIDERS = {spec.slug: spec.title for spec in (*SUPPORTED_PROVIDERS.values(), SIMULATED)}
CAPABILITIES = {"tools": "Tools", "vision": "Pictures", "json": "JSON by schema", "streaming": "Streaming", "logprobs": "Log probabilities"}
MOST_TOKENS = 2**31 - 1
QUIET = {"autocomplete": "off", "spellcheck": "false"}


class ConnectionForm(forms.Form):
    """A new connection, or the one of `connection`, whose name stays and whose credential is never shown again."""

    name = forms.CharField(max_length=64, validators=[slug_rule], label="Name", help_text="Lower-case letters, digits and dashes: openai-eu.",
                           widget=forms.TextInput(QUIET))  # fmt: skip
    provider = forms.ChoiceField(choices=list(PROVIDERS.items()), label="Provider")
    base_url = forms.CharField(
        required=False, max_length=500, label="Address", widget=forms.TextInput({**QUIET, "size": 60, "placeholder": "the provider's own"}),
        help_text="Empty: the provider's own address. Where it changes, the credential must be given anew: it belongs to its address.",
    )
    credential = forms.CharField(
        required=False, max_length=4096, strip=True, label="Credential", widget=forms.PasswordInput({**QUIET, "autocomplete": "new-password"}),
        help_text="The provider's API key. It is encrypted, and never shown again. Empty: it stays as it is.",
    )
    is_active = forms.BooleanField(required=False, initial=True, label="On: calls may use it")

    def __init__(self, data: Mapping[str, Any] | None = None, *, connection: ProviderConnection | None = None) -> None:
        named = ("name", "provider", "base_url", "is_active")
        super().__init__(data, initial={name: getattr(connection, name) for name in named} if connection else None)
        if connection:
            self.fields.pop("name")

    def changes(self) -> dict[str, Any]:
        """Return the columns that the data says something about; a credential only where one was typed."""
        said = dict(self.cleaned_data)
        credential = said.pop("credential")
        return {**said, "credential": Secret(credential)} if credential else said


class ModelForm(forms.Form):
    """A new model, or the one of `model`, whose name stays: runs and prices know it by that."""

    name = forms.CharField(max_length=200, label="Name", help_text="As your calls and presets name it.", widget=forms.TextInput(QUIET))
    connection = forms.ModelChoiceField(queryset=ProviderConnection.objects.none(), label="Provider")
    upstream_name = forms.CharField(
        required=False, max_length=200, label="The provider's name for it", help_text="Empty: the same.", widget=forms.TextInput(QUIET)
    )
    part = forms.ChoiceField(required=False, choices=CatalogModel.Part.choices, label="Part")
    capabilities = forms.MultipleChoiceField(
        required=False, choices=[(name, CAPABILITIES[name]) for name in get_args(Capability)], initial=["tools", "json", "streaming"],
        widget=forms.CheckboxSelectMultiple, label="It can",
    )  # fmt: skip
    context_tokens = forms.IntegerField(min_value=1, max_value=MOST_TOKENS, initial=128_000, label="Context, tokens")
    max_output_tokens = forms.IntegerField(min_value=1, max_value=MOST_TOKENS, initial=16_384, label="Longest answer, tokens")
    retired_on = forms.DateField(required=False, label="Retires on", widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))

    def __init__(self, data: Mapping[str, Any] | None = None, *, model: CatalogModel | None = None) -> None:
        names = [name for name in self.base_fields if name != "connection"]
        super().__init__(data, initial={**{name: getattr(model, name) for name in names}, "connection": model.connection_id} if model else None)
        connections = self.fields["connection"]
        assert isinstance(connections, forms.ModelChoiceField)
        connections.queryset = ProviderConnection.objects.all()
        if model:
            self.fields.pop("name")

    def changes(self) -> dict[str, Any]:
        return {**self.cleaned_data, "capabilities": sorted(self.cleaned_data["capabilities"])}


class PriceForm(forms.Form):
    """The tenant's own price of a model, from a time on."""

    input_nusd = UsdField(max_length=24, label="Input")
    output_nusd = UsdField(max_length=24, label="Output")
    cached_input_nusd = UsdField(required=False, max_length=24, label="Cached input", help_text="Empty: as input.")
    cache_write_nusd = UsdField(required=False, max_length=24, label="Cache writes", help_text="Empty: as input.")
    reasoning_nusd = UsdField(required=False, max_length=24, label="Reasoning", help_text="Empty: as output.")
    request_nusd = UsdField(required=False, max_length=24, label="Each request, USD")
    valid_from = forms.DateTimeField(
        required=False, label="Valid from, UTC", widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"], help_text="Empty: from now on. Earlier: what was booked can be re-priced.",
    )  # fmt: skip
    source = forms.CharField(max_length=200, label="Source", help_text="Where the price is from: a contract, a page.", widget=forms.TextInput(QUIET))

    def columns(self) -> dict[str, Any]:
        """Return what billing.models.ModelPrice takes of it, but for when it begins."""
        said = {name: value for name, value in self.cleaned_data.items() if name != "valid_from"}
        return {**said, "request_nusd": said["request_nusd"] or 0}
