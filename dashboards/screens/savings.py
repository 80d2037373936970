"""What was saved, as a statement whose lines add up as they are shown, by preset, and whose saving is measured by holding users back."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models import QuerySet
from msgspec import Struct

from billing.engine.money import NUSD_PER_USD, divide_half_even, rounded_to_sum, to_usd
from billing.reports import Line, Series, days_between
from cascade import run_reports
from cascade.models import CatalogModel, PresetRollout
from cascade.run_reports import QUALITY_SPAN, RunSums
from dashboards.ranges import Range
from dashboards.screens.presets import contents_of_presets
from dashboards.templatetags.money import money

CENT = NUSD_PER_USD // 100
MEASURED_AT_ONCE = 5
PARTS = (
    ("Routing", "by_routing_nusd", "Cheaper models whose drafts were good enough, less what rejected drafts and checks cost."),
    ("Degrading", "by_degrade_nusd", "Cheaper paths that a nearly spent budget left. Saved, and not by choice."),
    ("Caching", "by_cache_nusd", "Cached input, less what writing to the cache costs, beyond what the baseline would have cached."),
    ("Own prices", "by_price_nusd", "Prices of your own below the list, beyond what they would have saved on the baseline."),
)


class Part(Struct, frozen=True, kw_only=True):
    label: str
    told: str
    about: str
    is_loss: bool


class Statement(Struct, frozen=True, kw_only=True):
    """Amounts in words, to the cent from a baseline of a dollar on, exact below it: baseline − spent = saved = the parts' sum, as they are shown.
    Baseline and saved are rounded as everywhere, so what was spent may be told a cent off."""

    baseline: str
    spent: str
    saved: str
    parts: Sequence[Part]
    is_loss: bool
    legend: Sequence[Line]
    """What was spent and saved, as it is told."""


class SavedBy(Struct, frozen=True, kw_only=True):
    """What a preset saved, the quality beside it."""

    preset: str
    baseline: str
    sums: RunSums
    stated: Statement


def runs_in(chosen: Range) -> tuple[RunSums, RunSums | None]:
    """Return the runs of a range, and of what it is compared with."""
    if chosen.start_at and chosen.end_at:
        return run_reports.runs_within(start_at=chosen.start_at, end_at=chosen.end_at), None
    return run_reports.runs_of_two_periods(first=chosen.first, last=chosen.last, before=chosen.before)


def statement_of(sums: RunSums) -> Statement:
    """Worked number: a baseline of 10.004 USD, 3.004 spent, and parts of 5.504, 0.499, 0.998 and −0.001 are $10.00 − $3.00 = $7.00, and the
    parts $5.50, $0.50, $1.00 and $0.00."""
    unit = CENT if sums.baseline_nusd >= NUSD_PER_USD else 1
    parts = rounded_to_sum([getattr(sums, name) for _, name, _ in PARTS], unit=unit)
    baseline, saved = unit * divide_half_even(sums.baseline_nusd, unit), sum(parts)
    return Statement(
        baseline=_told(baseline, unit), spent=_told(baseline - saved, unit), saved=_told(saved, unit), is_loss=saved < 0,
        legend=[Line(value="spent", label="Spent", amounts=[baseline - saved]), Line(value="saved", label="Saved", amounts=[saved])],
        parts=[
            Part(label=label, told=_told(amount, unit), about=about, is_loss=amount < 0)
            for (label, _, about), amount in zip(PARTS, parts, strict=True)
        ],
    )  # fmt: skip


def saved_by_preset(chosen: Range) -> Sequence[SavedBy]:
    """Return what each preset saved on the days of a range, the largest baseline first."""
    found = run_reports.runs_by_preset(first=chosen.first, last=chosen.last)
    baselines = _baselines()
    rows = [
        SavedBy(preset=name, baseline=baselines.get(name, "") if name else "itself", sums=sums, stated=statement_of(sums))
        for name, sums in found.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-row.sums.baseline_nusd, row.preset))


def days_of(chosen: Range) -> Series:
    """Return what was spent on each day, and on top of it what was saved: together its baseline."""
    days, found = days_between(chosen.first, chosen.last), run_reports.runs_by_day(first=chosen.first, last=chosen.last)
    sums = [found.get(day, RunSums()) for day in days]
    lines = [
        Line(value="spent", label="Spent", amounts=[day.compared_nusd for day in sums]),
        Line(value="saved", label="Saved", amounts=[day.saved_nusd for day in sums]),
    ]
    return Series(points=list(days), lines=lines, names=2)


def held_back() -> QuerySet[PresetRollout]:
    """Return the presets that do not serve everybody."""
    return PresetRollout.objects.filter(share__lt=100).order_by("preset")


def measured_span(chosen: Range) -> tuple[datetime, datetime]:
    """Return the part of a range that is measured: the traces are read for it, so it is at most the last month of it."""
    start_at, end_at = chosen.instants
    return max(start_at, end_at - QUALITY_SPAN), end_at


def _baselines() -> Mapping[str, str]:
    parts = dict(CatalogModel.objects.exclude(part="").values_list("part", "name"))
    return {
        content.name: parts.get(content.baseline[1:], content.baseline) if content.baseline.startswith("@") else content.baseline
        for _, content in contents_of_presets()
    }


def _told(nusd: int, unit: int) -> str:
    if unit == CENT:
        return money(nusd)
    return f"{'−' if nusd < 0 else ''}${to_usd(abs(nusd))}"
