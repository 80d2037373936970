"""Which models of a tenant's catalog retire soon, and what those who use them are told."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from django.conf import settings
from msgspec import Struct

from cascade.engine.errors import InvalidRequest
from cascade.engine.presets import CascadePreset, preset_from_definition
from cascade.engine.providers.aliases import aliases_among, replacement_of
from cascade.engine.retirement import retirement_notice, warned_from
from cascade.models import CatalogModel


class Catalog(Struct, frozen=True):
    """A tenant's models as they stand on one day."""

    rows: Sequence[CatalogModel]
    today: date

    def replacement_of(self, row: CatalogModel) -> str:
        """Return the model that takes its place, "" where none is known."""
        return replacement_of(row.name, row.place[1], places=((other.name, other.place[1]) for other in self.rows if other.pk != row.pk))

    def notice_of(self, row: CatalogModel) -> str:
        """Return what is to be said of its retirement, "" while the day is far off."""
        if row.retired_on is None or self.today < warned_from(row.retired_on, warning_days=settings.RETIREMENT_WARNING_DAYS):
            return ""
        return retirement_notice(
            name=row.name, retired_on=row.retired_on, today=self.today, replacement=self.replacement_of(row),
            warning_days=settings.RETIREMENT_WARNING_DAYS,
        )  # fmt: skip

    def warnings_for(self, definition: Mapping[str, Any]) -> list[str]:
        """Return what is to be said of the models that a preset's definition names, and where; nothing of one that cannot be read."""
        try:
            preset = preset_from_definition(definition, name="preset", version="")
        except InvalidRequest:
            return []
        places = _places(preset)
        by_name = {row.name: row for row in self.rows}
        by_name.update({f"@{row.part}": row for row in self.rows if row.part})
        for old, name in aliases_among((row.name, row.place[1]) for row in self.rows).items():
            by_name.setdefault(old, by_name[name])
        noticed: dict[str, list[str]] = {}
        for named, where in places.items():
            notice = self.notice_of(by_name[named]) if named in by_name else ""
            if notice:
                noticed.setdefault(notice, []).extend(where)
        return [f"{notice} Used by {', '.join(dict.fromkeys(where))}." for notice, where in noticed.items()]


def read_catalog(*, today: date) -> Catalog:
    """Read the models of the scope's tenant. One query."""
    return Catalog(list(CatalogModel.objects.select_related("connection")), today)


def next_days(rows: Sequence[CatalogModel], *, now: datetime) -> list[datetime]:
    """Return when something changes for those who use these models: where a warning begins, and where one retires."""
    retire_on = {row.retired_on for row in rows if row.retired_on}
    days = retire_on | {warned_from(day, warning_days=settings.RETIREMENT_WARNING_DAYS) for day in retire_on}
    return [datetime.combine(day, time.min, UTC) for day in days if day > now.date()]


def _places(preset: CascadePreset) -> dict[str, list[str]]:
    """Return where each model is named: "general.draft", or "the baseline"."""
    found: dict[str, list[str]] = {preset.baseline: ["the baseline"]}
    for strategy in preset.strategies:
        for step in strategy.steps:
            for name in step.models:
                found.setdefault(name, []).append(f"{strategy.domain}.{step.name}")
    return found
