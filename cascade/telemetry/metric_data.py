"""What was counted, in OpenTelemetry's own form."""

from collections import defaultdict
from collections.abc import Mapping

from opentelemetry.sdk.metrics import export
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from cascade.telemetry.metrics import ATTRIBUTES, Metric
from cascade.telemetry.scrubbing import OUR_SCOPE
from cascade.telemetry.tallies import Tallied

__all__ = ["metrics_data"]

Point = export.NumberDataPoint | export.HistogramDataPoint


def metrics_data(seen: Tallied, *, resource: Resource, since_ns: int, now_ns: int, deltas: bool) -> export.MetricsData:
    """Return the tally as it is sent: each metric with a point for each series. Labels that are empty are left out."""
    points: dict[Metric, list[Point]] = defaultdict(list)
    for (metric, labels), value in seen.sums.items():
        points[metric].append(export.NumberDataPoint(attributes_of(metric, labels), since_ns, now_ns, value))
    for (metric, labels), spread in seen.spreads.items():
        points[metric].append(
            export.HistogramDataPoint(
                attributes_of(metric, labels), since_ns, now_ns, count=sum(spread.counts), sum=spread.total, bucket_counts=spread.counts,
                explicit_bounds=metric.buckets, min=spread.least, max=spread.most,
            )
        )
    temporality = export.AggregationTemporality.DELTA if deltas else export.AggregationTemporality.CUMULATIVE
    told = [export.Metric(metric.otlp, metric.help, metric.unit, _data(metric, found, temporality)) for metric, found in points.items()]
    scope = export.ScopeMetrics(InstrumentationScope(OUR_SCOPE), told, schema_url="")
    return export.MetricsData([export.ResourceMetrics(resource, [scope], schema_url="")])


def attributes_of(metric: Metric, labels: tuple[str, ...]) -> Mapping[str, str]:
    return {ATTRIBUTES[name]: value for name, value in zip(metric.labels + metric.more_labels, labels, strict=True) if value}


def _data(metric: Metric, points: list[Point], temporality: export.AggregationTemporality) -> export.Sum | export.Histogram:
    if metric.kind == "counter":
        return export.Sum(points, temporality, is_monotonic=True)  # type: ignore[arg-type]
    return export.Histogram(points, temporality)  # type: ignore[arg-type]
