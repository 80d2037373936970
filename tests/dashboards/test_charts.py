"""Figures: colours that stay with their value, honest gaps, and nothing but tokens for colours."""

import json
from datetime import UTC, date, datetime

from billing.curves import Curve
from billing.engine.forecasting.prediction import Estimate, PathStep
from billing.reports import OTHER, Burn, Line, Series
from dashboards.charts import Swatch, burn_chart, curve_chart, lines_chart, series_chart, swatches_of, with_anomalies, with_forecast

SERIES = Series(
    points=[date(2026, 11, 25), date(2026, 11, 26)], names=2,
    lines=[Line(value="a", label="A", amounts=[3_000_000_000, 0]), Line(value=OTHER, label="Other", amounts=[1_000_000_000, 500_000_000])],
)  # fmt: skip


def test_a_value_keeps_its_colour_when_others_come_and_go() -> None:
    alone = swatches_of(["gpt-4o"], salt="acme model")[0]
    assert swatches_of(["gpt-4o", "mini", "large"], salt="acme model")[0] == alone


def test_seven_colours_differ_and_the_eighth_is_striped() -> None:
    found = swatches_of([f"model-{number}" for number in range(8)] + [OTHER], salt="x")
    assert len(set(found[:7])) == 7
    assert found[7].is_striped
    assert found[8] == "k0"


def test_the_running_day_is_pale_and_what_it_is_compared_with_is_a_tick() -> None:
    figure = series_chart(SERIES, swatches_of(["a", OTHER], salt="x"), unit="usd", previous=[2_000_000_000, 0], is_partial=True)
    bars, other, ticks = figure["data"]
    assert bars["y"] == [3.0, 0.0]
    assert bars["marker"]["opacity"] == [1.0, 0.55]
    assert other["marker"]["color"] == "--c0"
    assert (ticks["meta"], ticks["marker"]["symbol"]) == ("previous", "line-ew-open")
    assert "#" not in json.dumps(figure)


def test_an_average_of_nothing_is_a_gap() -> None:
    (line,) = lines_chart(SERIES.points, {"Accepted": [714, None]}, unit="percent")["data"]
    assert (line["y"], line["connectgaps"]) == ([71.4, None], False)


def test_money_falls_in_steps_below_its_limit() -> None:
    start, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    figure = burn_chart(Burn(start_at=start, end_at=end, limit_nusd=10**10, points=SERIES.points, spent_nusd=[10**9, 3 * 10**9]))
    pace, spent = figure["data"]
    assert spent["line"]["shape"] == "hv"
    assert pace["y"] == [0, 10.0]
    assert figure["layout"]["shapes"][0]["y0"] == 10.0


def test_a_year_of_nine_lines_stays_below_thirty_kilobytes_of_numbers() -> None:
    points = [date.fromordinal(739_000 + number) for number in range(366)]
    lines = [Line(value=f"m{number}", label=f"m{number}", amounts=[1_234_567_890] * 366) for number in range(9)]
    figure = series_chart(Series(points=points, lines=lines, names=9), swatches_of([line.value for line in lines], salt="x"), unit="usd")
    assert sum(len(trace["x"]) for trace in figure["data"]) <= 5000


def test_a_forecast_goes_on_where_the_bars_end() -> None:
    days = [date(2026, 11, 25), date(2026, 11, 26)]
    series = Series(points=days, lines=[Line(value="m", label="m", amounts=[2 * 10**9, 10**9])], names=1)
    spend = Estimate(expected_nusd=3 * 10**9, low_nusd=2 * 10**9, high_nusd=5 * 10**9)
    figure = series_chart(series, [Swatch("k1")], unit="usd", is_partial=True)
    figure = with_anomalies(figure, {days[0]: "/there/"}, totals=series.totals)
    longer = with_forecast(figure, [PathStep(begins=date(2026, 11, 27), spend=spend, in_all=spend)])
    assert [trace["y"] for trace in longer["data"]] == [[2.0, 1.0, None], [2.0, None, None], [None, None, 5.0], [None, None, 2.0], [None, None, 3.0]]
    assert {tuple(trace["x"]) for trace in longer["data"]} == {("2026-11-25", "2026-11-26", "2026-11-27")}
    assert longer["data"][0]["marker"]["opacity"] == [1.0, 0.55, 1.0]
    assert longer["data"][1]["customdata"] == ["/there/", None, None]
    assert longer["last"] == 1
    assert with_forecast(figure, []) == figure


def test_a_curve_without_bounds_has_its_line_and_its_marks() -> None:
    curve = Curve(
        points=[date(2026, 11, 25), date(2026, 11, 26)], actual_nusd=[10**9, 9 * 10**9], expected_nusd=[None, None], low_nusd=[None, None],
        high_nusd=[None, None], first=1, last=1,
    )  # fmt: skip
    figure = curve_chart(curve)
    assert figure["data"][3]["y"] == [1.0, 9.0]
    assert figure["data"][4]["y"] == [None, 9.0]
    assert figure["data"][0]["y"] == [None, None]
