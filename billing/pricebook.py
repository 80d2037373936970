"""The price book as calls see it: the tenant's own price before the platform's, and each version for its time."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from django.db.models import Q, QuerySet

from billing.engine.pricing import Price
from billing.models import ModelPrice, PlatformPrice
from billing.models.prices import IN_FORCE, PriceVersion

Place = tuple[str, str]
"""Where a model comes from: slug of the provider, and the provider's own name of the model."""
Version = TypeVar("Version", ModelPrice, PlatformPrice)


class PriceBook:
    """The versions that some models of a tenant have. Needs no database once it is read."""

    def __init__(self, *, own: Iterable[ModelPrice] = (), platform: Iterable[PlatformPrice] = ()) -> None:
        self._own: dict[str, list[PriceVersion]] = {}
        self._platform: dict[Place, list[PriceVersion]] = {}
        for mine in own:
            self._own.setdefault(mine.model, []).append(mine)
        for theirs in platform:
            self._platform.setdefault((theirs.provider, theirs.model), []).append(theirs)

    def version_at(self, instant: datetime, *, model: str, place: Place | None) -> PriceVersion | None:
        """Return the row in force at `instant` for the tenant's `model`: its own, else the platform's for the place, else None."""
        rows = _in_force(self._own.get(model, ()), instant)
        return rows or (_in_force(self._platform.get(place, ()), instant) if place else None)

    def at(self, instant: datetime, *, model: str, place: Place | None) -> Price | None:
        """Return the price in force at `instant`; None where the model is unpriced then."""
        row = self.version_at(instant, model=model, place=place)
        return price_of(row) if row else None

    def listed_at(self, instant: datetime, *, model: str, place: Place | None) -> Price | None:
        """Return the list price (the platform's) where the tenant's own price takes its place at `instant`; None elsewhere."""
        listed = _in_force(self._platform.get(place, ()), instant) if place and _in_force(self._own.get(model, ()), instant) else None
        return price_of(listed) if listed else None

    def changes_after(self, instant: datetime) -> Iterator[datetime]:
        """Yield when versions begin or end after `instant`."""
        for rows in (*self._own.values(), *self._platform.values()):
            for row in rows:
                yield from (at for at in (row.valid_from, row.valid_to) if at and at > instant)


def read_book(places: Iterable[Place], *, since: datetime | None = None) -> PriceBook:
    """Read the scope's own prices and the platform's for the places; with `since` only versions that are in force then or later."""
    wanted = set(places)
    timely = IN_FORCE if since is None else IN_FORCE & (Q(valid_to__isnull=True) | Q(valid_to__gt=since))
    listed = PlatformPrice.objects.filter(timely, provider__in={place[0] for place in wanted}, model__in={place[1] for place in wanted})
    return PriceBook(
        own=ModelPrice.objects.filter(timely), platform=(row for row in listed if (row.provider, row.model) in wanted)
    )


def price_of(row: PriceVersion) -> Price:
    """Return a row as the engine's value. A long prompt's meter that is not said costs what its whole costs, as everywhere."""
    price = Price(
        version=str(row.id), input_nusd=row.input_nusd, output_nusd=row.output_nusd, cached_input_nusd=row.cached_input_nusd,
        cache_write_nusd=row.cache_write_nusd, reasoning_nusd=row.reasoning_nusd, request_nusd=row.request_nusd,
    )  # fmt: skip
    if row.long_after_tokens is None or row.long_input_nusd is None or row.long_output_nusd is None:
        return price
    long = Price(
        version=price.version, input_nusd=row.long_input_nusd, output_nusd=row.long_output_nusd, cached_input_nusd=row.long_cached_input_nusd,
        cache_write_nusd=row.long_cache_write_nusd, request_nusd=row.request_nusd,
        reasoning_nusd=None if row.reasoning_nusd is None else max(row.reasoning_nusd, row.long_output_nusd),
    )  # fmt: skip
    return msgspec.structs.replace(price, long_after_tokens=row.long_after_tokens, long=long)


def insert_version(row: Version, *, beside: QuerySet[Version]) -> Version:
    """Put a version into the book, wherever its start lies: the one in force then ends there, and it lasts until the next one begins.

    `beside` are the rows of the same model. A version that begins at the very instant of `row` was never in force then. The caller makes
    sure that one row comes at a time. Example: v1 from May, v2 from July; a new one from June ends v1 in June and itself in July.
    """
    versions: Sequence[Version] = list(beside.filter(IN_FORCE).order_by("valid_from"))
    for version in versions:
        if version.valid_from <= row.valid_from and not (version.valid_to and version.valid_to <= row.valid_from):
            version.valid_to = row.valid_from
            version.save(update_fields=["valid_to"])
    row.valid_to = next((version.valid_from for version in versions if version.valid_from > row.valid_from), None)
    row.save(force_insert=True)
    return row


def _in_force(rows: Iterable[PriceVersion], instant: datetime) -> PriceVersion | None:
    valid = (row for row in rows if row.valid_from <= instant and not (row.valid_to and row.valid_to <= instant))
    return max(valid, key=lambda row: row.valid_from, default=None)
