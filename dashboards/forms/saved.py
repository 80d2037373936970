"""The form by which a view is kept."""

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from dashboards.models import LONGEST_QUERY

PAGES = {"overview": "Overview", "costs": "Cost explorer", "runs": "Runs", "budgets": "Budgets", "anomalies": "Anomalies"}
NOT_KEPT = ("after", "sel", "format")
"""Where somebody was on the page is no part of the view."""


class ViewForm(forms.Form):
    """A name for a page with its address."""

    name = forms.CharField(max_length=100, label="Name", widget=forms.TextInput({"autocomplete": "off"}))
    page = forms.ChoiceField(choices=list(PAGES.items()), widget=forms.HiddenInput)
    query = forms.CharField(required=False, max_length=2 * LONGEST_QUERY, widget=forms.HiddenInput)
    is_shared = forms.BooleanField(required=False, label="Shared with everybody of the organisation")

    def clean_query(self) -> str:
        asked = QueryDict(self.cleaned_data["query"], mutable=True)
        for name in NOT_KEPT:
            asked.pop(name, None)
        if len(kept := asked.urlencode()) > LONGEST_QUERY:
            raise ValidationError("This address is too long to be kept: take filters out of it.")
        return kept
