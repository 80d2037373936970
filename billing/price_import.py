"""The platform's prices, imported from LiteLLM's bundled map: what would change is told first, and applied in one transaction."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from msgspec import Struct

from billing.engine.money import to_usd
from billing.engine.price_map import SOURCES, Listed, Terms, read_map
from billing.models import PlatformPrice
from billing.models.prices import IN_FORCE, TERMS
from billing.pricebook import PriceBook, insert_version

LOCK = 7_236_582
"""Number of the advisory lock: of two imports at once the second sees what the first did."""
BIG_DROP_PERCENT = 20
LONGEST_NOTE = 500


class UnknownName(LookupError):
    """A provider or model that the map does not have."""


class PriceMap(Struct, frozen=True, kw_only=True):
    """LiteLLM's map as it is installed here."""

    version: str
    entries: dict[str, Any]


class PriceChange(Struct, frozen=True, kw_only=True):
    """A model whose price is new, or another than the book has for the day from which it is to hold."""

    listed: Listed
    old: Terms | None

    @property
    def drops(self) -> bool:
        """Does a price fall by more than a fifth? Then a mistake of the map would let calls through too cheaply."""
        return any(percent < -BIG_DROP_PERCENT for _, _, percent in self._moves() if percent is not None)

    def __str__(self) -> str:
        name = f"{self.listed.provider} {self.listed.model}"
        if self.old is None:
            rates = ", ".join(f"{_label(term)} {_shown(term, value)}" for term, value in self.listed.terms.items() if value)
            text = f"+ {name}: {rates or 'free of charge'}"
        else:
            text = f"~ {name}: {', '.join(text for _, text, _ in self._moves())}"
        notes = f"  [{'; '.join(self.listed.notes)}]" if self.listed.notes else ""
        return f"{text}{'  (drops by more than 20 %: look at it twice)' if self.drops else ''}{notes}"

    def _moves(self) -> Iterator[tuple[str, str, int | None]]:
        """Yield each term that changes: its name, the change in words, and by how many percent, where there was a price."""
        for term in TERMS if self.old is not None else ():
            old, new = (self.old or {}).get(term), self.listed.terms.get(term)
            if old != new:
                percent = 100 * ((new or 0) - old) // old if old and new is not None and term.endswith("_nusd") else None
                change = f" ({percent:+d} %)" if percent is not None else ""
                yield term, f"{_label(term)} {_shown(term, old)} -> {_shown(term, new)}{change}", percent


class ImportPlan(Struct, frozen=True, kw_only=True):
    """What an import would do."""

    source: str
    changes: Sequence[PriceChange]
    unchanged: int
    skipped: Sequence[Listed]
    gone: Sequence[str]
    """Models of the book that came from the map once and are in it no more. They keep their price."""


def read_bundled_map() -> PriceMap:
    """Read the map by its path: importing litellm would take seconds and 180 MB. Raises FileNotFoundError where it is not installed."""
    found = find_spec("litellm")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("litellm is not installed")
    path = Path(found.submodule_search_locations[0], "model_prices_and_context_window_backup.json")
    return PriceMap(version=version("litellm"), entries=json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal))


def plan_import(
    price_map: PriceMap, *, providers: Sequence[str] = (), models: Sequence[str] = (), valid_from: datetime, today: str
) -> ImportPlan:
    """Return what taking over the map's prices from `valid_from` on changes. Raises UnknownName for a provider or model that it lacks."""
    unknown = sorted(set(providers) - set(SOURCES))
    if unknown:
        raise UnknownName(f"no provider is called {unknown[0]!r}. Providers: {', '.join(SOURCES)}")
    listed = [entry for entry in read_map(price_map.entries, today=today) if not providers or entry.provider in providers]
    missing = sorted(set(models) - {entry.model for entry in listed})
    if missing:
        raise UnknownName(f"the map has no chat model {missing[0]!r}{' of these providers' if providers else ''}")
    chosen = [entry for entry in listed if not models or entry.model in models]
    book = PriceBook(platform=PlatformPrice.objects.filter(IN_FORCE))
    changes = [change for entry in chosen if not entry.objection and (change := _change(entry, book, valid_from))]
    skipped = [entry for entry in chosen if entry.objection]
    return ImportPlan(
        source=f"litellm {price_map.version}", changes=changes, skipped=skipped, unchanged=len(chosen) - len(changes) - len(skipped),
        gone=[] if models else _gone(listed, providers=providers or tuple(SOURCES)),
    )  # fmt: skip


def apply_import(plan: ImportPlan, *, valid_from: datetime) -> bool:
    """Write what the plan says, all of it or nothing. Returns False, and writes nothing, where the book is not as the plan saw it any more."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        book = PriceBook(platform=PlatformPrice.objects.filter(IN_FORCE))
        if any(_terms_at(book, change.listed, valid_from) != change.old for change in plan.changes):
            return False
        for change in plan.changes:
            entry = change.listed
            row = PlatformPrice(
                provider=entry.provider, model=entry.model, valid_from=valid_from, source=plan.source, note="; ".join(entry.notes)[:LONGEST_NOTE],
                **entry.terms,
            )  # fmt: skip
            insert_version(row, beside=PlatformPrice.objects.filter(provider=entry.provider, model=entry.model))
    return True


def compare_prices(price_map: PriceMap, *, now: datetime) -> str:
    """Return, in a sentence, how the price book differs from the map at `now`. It changes nothing: prices are taken over by a person."""
    plan = plan_import(price_map, valid_from=now, today=now.date().isoformat())
    changed = sum(change.old is not None for change in plan.changes)
    if not plan.changes:
        return f"the price book is as {plan.source} has it"
    return f"{changed} prices differ from {plan.source}, {len(plan.changes) - changed} models are new: manage.py import_prices shows them"


def _change(entry: Listed, book: PriceBook, valid_from: datetime) -> PriceChange | None:
    old = _terms_at(book, entry, valid_from)
    return None if old == entry.terms else PriceChange(listed=entry, old=old)


def _terms_at(book: PriceBook, entry: Listed, instant: datetime) -> Terms | None:
    row = book.version_at(instant, model="", place=(entry.provider, entry.model))
    return {term: getattr(row, term) for term in entry.terms} if row else None


def _gone(listed: Sequence[Listed], *, providers: Sequence[str]) -> list[str]:
    known = {(entry.provider, entry.model) for entry in listed}
    imported = PlatformPrice.objects.filter(IN_FORCE, valid_to=None, source__startswith="litellm ", provider__in=providers)
    return sorted(f"{row.provider} {row.model}" for row in imported if (row.provider, row.model) not in known)


def _label(term: str) -> str:
    return term.removesuffix("_nusd").replace("_", " ")


def _shown(term: str, value: int | None) -> str:
    if value is None:
        return "none"
    return to_usd(value) if term.endswith("_nusd") else f"{value:,}"
