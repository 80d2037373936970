"""What somebody makes of an anomaly."""

from django import forms

from billing.models import Anomaly

LONGEST_NOTE = 500
SNOOZES = {24: "a day", 72: "3 days", 168: "a week", 720: "30 days", 2160: "90 days"}
"""Hours."""


RESOLUTIONS = [(value, str(label).partition(":")[0], label) for value, label in Anomaly.Resolution.choices if value]
"""Value, in a word, and with the effect that it has."""


class NoteField(forms.CharField):
    def __init__(self, *, required: bool = False) -> None:
        super().__init__(required=required, max_length=LONGEST_NOTE, widget=forms.Textarea({"rows": 3}), label="Comment")


class ResolveForm(forms.Form):
    """What it was. Each answer has an effect on what is found from now on, and says so."""

    resolution = forms.ChoiceField(
        choices=[(value, label) for value, _, label in RESOLUTIONS], widget=forms.RadioSelect, label="What was it?"
    )
    note = NoteField()


class SnoozeForm(forms.Form):
    """For how long nothing is told of the series. It goes on being looked at."""

    hours = forms.TypedChoiceField(choices=list(SNOOZES.items()), coerce=int, label="Tell nothing of it for")
    note = NoteField()


class NoteForm(forms.Form):
    note = NoteField(required=True)
