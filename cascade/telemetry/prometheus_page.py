"""What Prometheus reads: counts of all processes of this machine, added up, and facts that are looked up when it asks.

prometheus_client's multiprocess mode: each process counts in memory-mapped files of its own, and whoever is asked reads all of them. So a
count survives the kill of its process, and a worker that starts anew sets nothing back.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from cascade.telemetry import metrics
from cascade.telemetry.facts import Facts
from cascade.telemetry.families import Family
from cascade.telemetry.metrics import METRICS, Measure
from cascade.telemetry.process_files import DEAD, files_of_dead_processes, locked, make_room

__all__ = ["PrometheusPage"]


class PrometheusPage:
    """Counts for this process, and the page for all. One for each process: prometheus_client keeps its files open for as long as it lives."""

    def __init__(self, *, folder: Path) -> None:
        self._folder, self._registry = folder, CollectorRegistry()
        self._metrics = {metric: self._counting(metric) for metric in METRICS if metric.prometheus}
        self._children: dict[tuple[metrics.Metric, tuple[str, ...]], Counter | Histogram] = {}
        self._breakers = Gauge(
            "cascadeflow_provider_breaker_open", "Web processes that leave the connection, or a model behind it, alone since it failed so often.",
            ("tenant", "provider"), registry=self._registry, multiprocess_mode="livesum",
        )
        self._shown_open: set[tuple[str, str]] = set()
        self._swept = Counter("cascadeflow_swept_holds", "Holds that were closed because their process was gone.", registry=self._registry)
        self._swept_at = self._gauge("sweep_last_run_timestamp_seconds", "When holds of dead processes were last looked for.")
        self._checked_at = self._gauge("ledger_last_check_timestamp_seconds", "When the ledger's invariants were last checked.")
        self._broken = self._gauge("ledger_invariants_broken", "Rows that break an invariant of the ledger, at the last check.")

    def _counting(self, metric: metrics.Metric) -> Counter | Histogram:
        if metric.kind == "counter":
            return Counter(metric.prometheus, metric.help, metric.labels, registry=self._registry)
        return Histogram(metric.prometheus, metric.help, metric.labels, registry=self._registry, buckets=metric.buckets)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"cascadeflow_{name}", text, registry=self._registry, multiprocess_mode="mostrecent")

    # ---- What this process counts
    def record(self, measure: Measure) -> None:
        metric, value, labels = measure
        if metric not in self._metrics:
            return
        labels = labels[: len(metric.labels)]
        child = self._children.get((metric, labels))
        if child is None:
            child = self._children[metric, labels] = self._metrics[metric].labels(*labels)
        if isinstance(child, Counter):
            child.inc(value)
        else:
            child.observe(value)

    def follow(self, facts: Facts) -> None:
        pass

    def take_lost(self) -> int:
        return 0

    def show_breakers(self, standings: Iterable[tuple[str, str, bool]]) -> None:
        """Show which connections this process leaves alone. What was never open is not shown."""
        now_open = {(tenant, provider) for tenant, provider, is_open in standings if is_open}
        for pair in now_open | self._shown_open:
            self._breakers.labels(*pair).set(int(pair in now_open))
        self._shown_open |= now_open
        make_room(self._folder)  # for what has grown since

    def show_sweep(self, *, closed: int) -> None:
        self._swept_at.set_to_current_time()
        self._swept.inc(closed)

    def show_ledger_check(self, *, broken: int) -> None:
        self._checked_at.set_to_current_time()
        self._broken.set(broken)

    # ---- The page
    def render(self, families: Sequence[Family], *, accept: str) -> tuple[bytes, str]:
        """Return the page and its content type: what all processes counted, with the families beside it."""
        registry = CollectorRegistry()
        encode, content_type = choose_encoder(accept)
        with locked(self._folder):
            self._fold_dead_files()
            MultiProcessCollector(registry, path=str(self._folder))
            registry.register(_Families(families))
            return encode(registry), content_type

    def _fold_dead_files(self) -> None:
        """Move what processes counted that are gone into one file of each kind: otherwise every restart would leave some for ever."""
        for kind, paths in files_of_dead_processes(self._folder).items():
            if not kind.startswith("gauge_live"):  # what a process alone knew is nothing without it
                _fold(self._folder / f"{kind}_{DEAD}.db", paths, adds_up=not kind.startswith("gauge"))
            for path in paths:
                path.unlink()


class _Families(Collector):
    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
            for labels, value in family.rows:
                gauge.add_metric(labels, value)
            yield gauge


def _fold(into: Path, paths: Sequence[Path], *, adds_up: bool) -> None:
    made = into.with_suffix(".new")
    made.unlink(missing_ok=True)
    folded = MmapedDict(str(made))
    for path in [*([into] if into.exists() else []), *paths]:
        for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(path)):
            known, known_at = folded.read_value(key)
            if adds_up:
                folded.write_value(key, known + value, 0.0)
            elif timestamp >= known_at:
                folded.write_value(key, value, timestamp)
    folded.close()
    made.replace(into)
