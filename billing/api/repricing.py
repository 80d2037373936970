"""REST for correcting a price that was wrong: the effect first, then the adjustment entries."""

from datetime import datetime
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from billing.engine.money import to_usd
from billing.engine.repricing import Effect
from billing.lines import Position
from billing.models import ModelPrice
from billing.repricing import to_version

MOST_SHOWN = 20_000
"""Lines that a preview reads: more take longer than a request should. `manage.py reprice` reads all."""
MOST_POSTED = 2_000
"""Lines that one request reads and posts; the answer says where to go on."""


class RepricedDaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField(help_text="The tenant's own.")
    model = serializers.CharField()
    lines = serializers.IntegerField(help_text="Attempts at a provider.")
    differing = serializers.IntegerField(help_text="Those of them that come to something else.")
    booked = serializers.CharField(help_text="USD, as booked by now.")
    repriced = serializers.CharField(help_text="USD, at the price in force then.")
    difference = serializers.CharField(help_text="USD.")


class RepricingSerializer(serializers.Serializer[Any]):
    """What re-pricing to a version changes. Lines that have its price already are left alone."""

    model = serializers.CharField()
    price_version = serializers.UUIDField()
    since = serializers.DateTimeField(help_text="From when on the version is in force.")
    until = serializers.DateTimeField(allow_null=True)
    lines = serializers.IntegerField()
    differing = serializers.IntegerField()
    booked = serializers.CharField(help_text="USD.")
    repriced = serializers.CharField(help_text="USD.")
    difference = serializers.CharField(help_text="USD; negative where too much is booked.")
    days = RepricedDaySerializer(many=True)
    left_alone = serializers.DictField(child=serializers.IntegerField(), help_text="How many lines stay as they are, by reason.")
    is_complete = serializers.BooleanField(help_text=f"False: there are more than {MOST_SHOWN:,} lines, and only the first are counted.")


class RepriceRequestSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=500, required=False, help_text="Stands with each adjustment; the version's source, if left out.")
    cursor = serializers.CharField(max_length=100, required=False, help_text="Where to go on: `next` of the answer before.")


class RepricePostedSerializer(serializers.Serializer[Any]):
    posted = serializers.IntegerField(help_text="Adjustments posted by this request.")
    adjusted = serializers.CharField(help_text="USD that they sum to.")
    changed = serializers.IntegerField(help_text="Lines that something else was booked on meanwhile. Post again from the start to have them too.")
    left_alone = serializers.DictField(child=serializers.IntegerField())
    done = serializers.BooleanField()
    next = serializers.CharField(allow_null=True, help_text="Send it as `cursor` to go on; null when all is posted.")


def show_repricing(version: ModelPrice) -> dict[str, Any]:
    effect = to_version(version).preview(most=MOST_SHOWN)
    days = sorted(effect.days.values(), key=lambda day: (day.day, day.model))
    return {
        "model": version.model, "price_version": version.id, "since": version.valid_from, "until": version.valid_to, **_sums(effect.total),
        "days": [
            {"day": day.day, "model": day.model, **_sums({name: getattr(day, name) for name in effect.total})} for day in days
        ],
        "left_alone": effect.left, "is_complete": effect.is_complete,
    }  # fmt: skip


def post_repricing(version: ModelPrice, *, actor: str, reason: str, cursor: str | None) -> dict[str, Any]:
    """Post as many pages as one request bears. What is posted stays, whatever becomes of the request."""
    begins = position_of(cursor) if cursor else None
    pages = to_version(version).post_pages(actor=actor, reason=reason, after=begins, most=MOST_POSTED)
    after = pages[-1].next
    left = Effect.nothing().left
    for page in pages:
        for why, count in page.effect.left.items():
            left[why] = left.get(why, 0) + count
    return {
        "posted": sum(page.posted for page in pages), "adjusted": to_usd(sum(page.posted_nusd for page in pages)),
        "changed": sum(page.changed for page in pages), "left_alone": left, "done": after is None, "next": cursor_of(after) if after else None,
    }  # fmt: skip


def cursor_of(position: Position) -> str:
    return f"{position[0].isoformat()}~{position[1]}"


def position_of(cursor: str) -> Position:
    booked_at, _, identity = cursor.partition("~")
    try:
        when, which = datetime.fromisoformat(booked_at), UUID(identity)
    except ValueError as wrong:
        raise ValidationError({"cursor": "This cursor is not one of ours. Leave it out to start, then send 'next' of the answer."}) from wrong
    if when.tzinfo is None:
        raise ValidationError({"cursor": "This cursor is not one of ours. Leave it out to start, then send 'next' of the answer."})
    return when, which


def _sums(total: Any) -> dict[str, Any]:
    return {name.removesuffix("_nusd"): to_usd(value) if name.endswith("_nusd") else value for name, value in total.items()}
