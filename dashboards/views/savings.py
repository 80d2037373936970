"""What the cascade saved against the baseline, where it comes from, and with which quality; and the saving that is measured, not modelled."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from cascade.engine.presets import BUILT_IN_PRESETS
from cascade.rollouts import rollout_of, rollout_report
from cascade.run_reports import quality_by_preset
from dashboards.charts import Swatch, series_chart
from dashboards.last_range import keeps_range
from dashboards.ranges import COMPARISONS, presets_of, range_of
from dashboards.screens.presets import own_preset
from dashboards.screens.savings import MEASURED_AT_ONCE, SavedBy, days_of, held_back, measured_span, runs_in, saved_by_preset, statement_of
from dashboards.shell import membership_of, show, show_piece

SWATCHES = (Swatch("k1"), Swatch("k3"))


@keeps_range
def savings(request: HttpRequest) -> HttpResponse:
    now, tenant = timezone.now(), membership_of(request).tenant
    chosen = range_of(request.GET.dict(), zone=tenant.time_zone, now=now)
    sums, before = runs_in(chosen)
    presets, series, rollouts = saved_by_preset(chosen), days_of(chosen), list(held_back()[: MEASURED_AT_ONCE + 1])
    stated = statement_of(sums)
    context = {
        "range": chosen, "presets": presets_of(chosen), "comparisons": COMPARISONS, "sums": sums, "before": before, "stated": stated,
        "outside_nusd": sums.cost_nusd - sums.compared_nusd, "rows": presets, "baselines": _named(presets), "series": series,
        "legend": list(zip(series.lines if chosen.is_hours else stated.legend, SWATCHES, strict=True)),
        "sentence": f"{chosen.days_label if chosen.is_hours else chosen.label}: what was spent, and on top of it what was saved.",
        "figure": series_chart(series, SWATCHES, unit="usd", is_partial=chosen.is_partial and not chosen.back),
        "rollouts": rollouts[:MEASURED_AT_ONCE], "are_more": len(rollouts) > MEASURED_AT_ONCE,
    }  # fmt: skip
    return show(request, "console/savings/page.html", context, title="Savings", now=now)


def quality(request: HttpRequest) -> HttpResponse:
    """How good the served answers are held to be: a piece of the page, for it reads the traces."""
    now, tenant = timezone.now(), membership_of(request).tenant
    start_at, end_at = measured_span(range_of(request.GET.dict(), zone=tenant.time_zone, now=now))
    context = {"rows": quality_by_preset(start_at=start_at, end_at=end_at), "start_at": start_at, "end_at": min(end_at, now)}
    return _piece(request, "console/savings/quality.html", context, title="Quality of the answers", now=now)


def holdback(request: HttpRequest, preset: str) -> HttpResponse:
    """What a preset saved, measured against the end users who are held back from it: a piece of the page."""
    now, tenant = timezone.now(), membership_of(request).tenant
    if preset not in BUILT_IN_PRESETS:
        own_preset(preset)
    start_at, end_at = measured_span(range_of(request.GET.dict(), zone=tenant.time_zone, now=now))
    report = rollout_report(preset=preset, since=start_at, until=end_at)
    context = {"row": rollout_of(preset), "report": report, "start_at": start_at, "end_at": min(end_at, now)}
    return _piece(request, "console/savings/holdback.html", context, title=f"Holdback of {preset}", now=now)


def _piece(request: HttpRequest, part: str, context: Mapping[str, Any], *, title: str, now: datetime) -> HttpResponse:
    return show_piece(request, part, "console/savings/piece.html", {**context, "piece": part}, title=title, now=now)


def _named(rows: Sequence[SavedBy]) -> Sequence[str]:
    """The models that the saving is measured against, the one that weighs most first."""
    return list(dict.fromkeys(row.baseline for row in rows if row.preset and row.sums.baseline_nusd and row.baseline))
