"""From a report to a figure for Plotly, as plain dictionaries. Colours are names of the tokens in static/cf/tokens.css: the page's script looks
them up when it draws, so a change of theme draws the same figure anew."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from hashlib import blake2s
from typing import Any

from billing.curves import Curve
from billing.engine.forecasting.prediction import Estimate, PathStep
from billing.engine.money import NUSD_PER_USD
from billing.reports import Burn, Series
from billing.reports.series import OTHER

Figure = dict[str, Any]
SLOTS = 7
"""Colours that can be told apart, in both themes and by everybody; beyond them there is a pattern, and grey for all others."""
UNITS = ("usd", "count", "percent", "ms")


class Swatch(str):
    """Class of a colour in the style sheet: "k1" to "k7", "k0" for all others, with " striped" for an eighth."""

    __slots__ = ()

    @property
    def token(self) -> str:
        return f"--c{self[1]}"

    @property
    def is_striped(self) -> bool:
        return self.endswith("striped")


def swatches_of(values: Sequence[str], *, salt: str) -> list[Swatch]:
    """Return a colour for each value, of which the first is the largest. A value keeps its colour from page to page and day to day, as far as
    no larger one has the same. `salt` is the tenant and the dimension. Worked number: eight values get k1 to k7 and one striped colour."""
    found: list[Swatch] = []
    taken: set[int] = set()
    for value in values:
        if value == OTHER:
            found.append(Swatch("k0"))
            continue
        wanted = int.from_bytes(blake2s(f"{salt}\x00{value}".encode(), digest_size=4).digest()) % SLOTS
        free = [slot for slot in ((wanted + step) % SLOTS for step in range(SLOTS)) if slot not in taken]
        taken.add(free[0] if free else wanted)
        found.append(Swatch(f"k{(free[0] if free else wanted) + 1}{'' if free else ' striped'}"))
    return found


def series_chart(
    series: Series, swatches: Sequence[Swatch], *, unit: str, previous: Sequence[int] | None = None, previous_label: str = "Before",
    is_partial: bool = False,
) -> Figure:  # fmt: skip
    """Return stacked bars, one a line of the series, and a tick for what each bar is compared with. The last bar is pale while its day runs."""
    x = [_x(point) for point in series.points]
    traces: list[dict[str, Any]] = [
        _bars(line.label, x, [_y(amount, unit) for amount in line.amounts], swatch, is_partial=is_partial)
        for line, swatch in zip(series.lines, swatches, strict=True)
    ]
    if previous is not None:
        ticks = {"symbol": "line-ew-open", "size": 15, "color": "--text", "line": {"width": 1.8, "color": "--text"}}
        traces.append(
            {"type": "scatter", "mode": "markers", "name": previous_label, "x": x, "y": [_y(amount, unit) for amount in previous], "marker": ticks,
             "opacity": 0.85, "meta": "previous"}
        )  # fmt: skip
    return {"data": traces, "layout": {"barmode": "stack", **_axes(unit, x)}, "unit": unit, "partial": is_partial}


def opening_days(figure: Figure, url: str) -> Figure:
    """Return a chart of days each of which opens an address. `url` has {day} for it, as in /costs/?from={day}&to={day}."""
    return {**figure, "day": url}


def with_anomalies(figure: Figure, marks: Mapping[Any, str], *, totals: Sequence[int]) -> Figure:
    """Return a chart of bars with a diamond on each point that something out of the ordinary began in. `marks` says where each is told."""
    x: Sequence[str] = figure["data"][0]["x"] if figure["data"] else []
    told = {_x(point): url for point, url in marks.items()}
    if not any(point in told for point in x):
        return figure
    diamonds = {
        "type": "scatter", "mode": "markers", "name": "Anomaly", "x": list(x), "meta": "anomaly", "customdata": [told.get(point) for point in x],
        "y": [_y(total, figure["unit"]) if point in told else None for point, total in zip(x, totals, strict=False)],
        "marker": {"symbol": "diamond", "size": 11, "color": "--danger", "line": {"color": "--surface", "width": 1.5}}, "cliponaxis": False,
    }  # fmt: skip
    return {**figure, "data": [*figure["data"], diamonds]}


def with_changes(figure: Figure, changes: Mapping[date, str]) -> Figure:
    """Return a chart of days with a small mark below each day on which something was changed that may have changed costs."""
    x: Sequence[str] = figure["data"][0]["x"] if figure["data"] else []
    told = {_x(day): words for day, words in changes.items()}
    if not any(point in told for point in x):
        return figure
    marks = {
        "type": "scatter", "mode": "markers", "name": "Changed", "x": list(x), "y": [0 if point in told else None for point in x],
        "meta": "change", "text": [told.get(point) for point in x], "cliponaxis": False,
        "marker": {"symbol": "triangle-up", "size": 9, "color": "--text", "line": {"color": "--surface", "width": 1}},
    }  # fmt: skip
    return {**figure, "data": [*figure["data"], marks]}


def with_forecast(figure: Figure, ahead: Sequence[PathStep]) -> Figure:
    """Return a chart of days that goes on into those ahead: what is expected, in the band that holds it four times in five."""
    if not ahead or not figure["data"]:
        return figure
    x = [*figure["data"][0]["x"], *(_x(step.begins) for step in ahead)]
    known = len(x) - len(ahead)
    nothing: list[None] = [None] * len(ahead)
    traces = [{**trace, **_longer(trace, x, nothing)} for trace in figure["data"]]
    traces += _band(x, [step.spend for step in ahead])
    return {**figure, "data": traces, "last": known - 1}


def _band(x: Sequence[str], ahead: Sequence[Estimate]) -> list[dict[str, Any]]:
    """What is expected at the last points of `x`, and the band that holds it."""
    nothing: list[float | None] = [None] * (len(x) - len(ahead))
    high, low, expected = (
        [*nothing, *(_y(amount, "usd") for amount in amounts)]
        for amounts in ([each.high_nusd for each in ahead], [each.low_nusd for each in ahead], [each.expected_nusd for each in ahead])
    )
    line: dict[str, Any] = {"type": "scatter", "x": list(x), "meta": "forecast", "connectgaps": False}
    return [
        {**line, "mode": "lines", "name": "at most", "y": high, "line": {"width": 0}},
        {**line, "mode": "lines", "name": "at least", "y": low, "line": {"width": 0}, "fill": "tonexty", "fillcolor": "--muted/33"},
        {**line, "mode": "lines+markers", "name": "expected", "y": expected, "line": {"color": "--text", "width": 1.4, "dash": "dash"},
         "marker": {"symbol": "circle-open", "size": 6, "color": "--text"}},
    ]  # fmt: skip


def _longer(trace: Mapping[str, Any], x: Sequence[str], nothing: Sequence[None]) -> dict[str, Any]:
    longer: dict[str, Any] = {"x": list(x), "y": [*trace["y"], *nothing]}
    if "customdata" in trace:
        longer["customdata"] = [*trace["customdata"], *nothing]
    if isinstance(trace.get("marker", {}).get("opacity"), list):
        longer["marker"] = {**trace["marker"], "opacity": [*trace["marker"]["opacity"], *[1.0] * len(nothing)]}
    return longer


def lines_chart(points: Sequence[date | datetime], lines: Mapping[str, Sequence[int | None]], *, unit: str) -> Figure:
    """Return lines for averages and shares: where there is nothing to average there is a gap, never a 0."""
    x = [_x(point) for point in points]
    traces = [
        {"type": "scatter", "mode": "lines+markers", "name": name, "x": x, "y": [None if amount is None else _y(amount, unit) for amount in amounts],
         "connectgaps": False, "line": {"color": f"--c{at}", "width": 2}, "marker": {"size": 4}}
        for at, (name, amounts) in enumerate(lines.items(), 1)
    ]  # fmt: skip
    return {"data": traces, "layout": _axes(unit, x), "unit": unit, "partial": False}


def burn_chart(
    burn: Burn, ahead: Sequence[tuple[date | datetime, Estimate]] = (), *, runs_out: tuple[date | datetime, str] | None = None
) -> Figure:  # fmt: skip
    """Return the spend of a budget's window as steps, the even pace as a dotted line, and the limit. `ahead` are points to come, with what
    will have been spent by then: they are drawn as a band. `runs_out` is when it is expected to, and how that is said: a mark with its text."""
    known = [_x(point) for point in burn.points]
    x = [*known, *(_x(point) for point, _ in ahead)]
    start, end, limit = x[0], _x(burn.end_at if burn.end_at.year < 9999 else burn.points[-1]), _y(burn.limit_nusd, "usd")
    spent = [*(_y(amount, "usd") for amount in burn.spent_nusd), *[None] * len(ahead)]
    traces = [
        {"type": "scatter", "mode": "lines", "name": "Even pace", "x": [start, end], "y": [0, limit], "hoverinfo": "skip",
         "line": {"color": "--muted", "width": 1.2, "dash": "dot"}, "meta": "pace"},
        {"type": "scatter", "mode": "lines", "name": "Spent", "x": x, "y": spent,
         "line": {"color": "--c1", "width": 2.4, "shape": "hv"}, "fill": "tozeroy", "fillcolor": "--c1/22"},
        *(_band(x, [estimate for _, estimate in ahead]) if ahead else ()),
    ]  # fmt: skip
    danger: dict[str, Any] = {"showarrow": False, "font": {"color": "--danger", "size": 12}}
    shapes = [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": limit, "y1": limit, "line": {"color": "--danger", "width": 1.6}}]
    notes = [{**danger, "xref": "paper", "x": 0, "y": limit, "yanchor": "bottom", "xanchor": "left", "text": "Limit"}]
    if runs_out:
        at, words = _x(runs_out[0]), runs_out[1]
        side = "right" if at in x[len(x) // 2 :] else "left"  # so that the words stay inside
        shapes.append({"type": "line", "x0": at, "x1": at, "y0": 0, "y1": limit, "line": {"color": "--danger", "width": 1.4, "dash": "dash"}})
        notes.append({**danger, "x": at, "y": 0, "yanchor": "bottom", "xanchor": side, "text": f" {words} "})
    layout = {**_axes("usd", x), "margin": {"l": 54, "r": 12, "t": 18, "b": 30}, "shapes": shapes, "annotations": notes}
    return {"data": traces, "layout": layout, "unit": "usd", "partial": False}


def curve_chart(curve: Curve) -> Figure:
    """Return what was spent around an anomaly as a line over the band of what would have been ordinary; marked is what the anomaly is."""
    x = [_x(point) for point in curve.points]
    high, low, expected, spent = (
        [None if amount is None else _y(amount, "usd") for amount in amounts]
        for amounts in (curve.high_nusd, curve.low_nusd, curve.expected_nusd, curve.actual_nusd)
    )
    line: dict[str, Any] = {"type": "scatter", "mode": "lines", "x": x, "connectgaps": False}
    outside = [amount if curve.first <= at <= curve.last else None for at, amount in enumerate(spent)]
    marks = {**line, "mode": "markers", "name": "Out of the ordinary", "y": outside,
             "marker": {"color": "--danger", "size": 7}, "hoverinfo": "skip"}  # fmt: skip
    traces = [
        {**line, "name": "at most", "y": high, "line": {"width": 0}},
        {**line, "name": "at least", "y": low, "line": {"width": 0}, "fill": "tonexty", "fillcolor": "--muted/33"},
        {**line, "name": "expected", "y": expected, "line": {"color": "--muted", "width": 1.4, "dash": "dash"}},
        {**line, "name": "spent", "y": spent, "line": {"color": "--c1", "width": 2.2}}, marks,
    ]  # fmt: skip
    return {"data": traces, "layout": _axes("usd", x), "unit": "usd", "partial": False, "apart": True}


def _bars(name: str, x: Sequence[str], y: Sequence[float], swatch: Swatch, *, is_partial: bool) -> dict[str, Any]:
    marker: dict[str, Any] = {"color": swatch.token, "line": {"color": "--surface", "width": 0.8}}
    if is_partial:
        marker["opacity"] = [1.0] * (len(x) - 1) + [0.55]
    if swatch.is_striped:
        marker["pattern"] = {"shape": "/", "fgcolor": "--surface", "size": 6}
    return {"type": "bar", "name": name, "x": list(x), "y": list(y), "marker": marker}


def _axes(unit: str, x: Sequence[str]) -> dict[str, Any]:
    by_hour = bool(x) and "T" in x[0]
    yaxis: dict[str, Any] = {"rangemode": "tozero"}
    if unit == "usd":
        yaxis |= {"tickprefix": "$"}
    if unit == "percent":
        yaxis |= {"ticksuffix": " %"}
    return {"xaxis": {"tickformat": "%H:%M" if by_hour else "%-d %b"}, "yaxis": yaxis}


def _x(point: date | datetime) -> str:
    return point.strftime("%Y-%m-%dT%H:%M") if isinstance(point, datetime) else point.isoformat()


def _y(amount: int, unit: str) -> float:
    """A place on the screen, no amount of money: nothing is added up from it."""
    if unit == "usd":
        return round(amount / NUSD_PER_USD, 9)
    return amount / 10 if unit == "percent" else float(amount)
