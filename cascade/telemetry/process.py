"""What this process tells of its runs, and to whom. Between the road and all of that stands a queue that never makes a call wait."""

import asyncio
import atexit
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from django.conf import settings

from cascade.telemetry.facts import Facts
from cascade.telemetry.labels import LabelBounds
from cascade.telemetry.metrics import LOST, Measure, measures_of
from cascade.telemetry.process_files import prepare_folder

if TYPE_CHECKING:
    from cascade.telemetry.opentelemetry_exporter import OpenTelemetryExporter
    from cascade.telemetry.prometheus_page import PrometheusPage

__all__ = ["BreakerStanding", "Telemetry", "close", "exporter", "page", "telemetry"]

log = logging.getLogger(__name__)
MOST_WAITING = 10_000
"""Some twenty seconds of a busy process; each is a few hundred bytes."""
DIGEST_S = 0.2
AT_A_TIME = 8
"""Takes a millisecond. The ledger answers up to 64 calls at once, so fewer would fall behind."""
BREAKERS_EVERY = 10
"""Rounds: every other second."""
FAREWELL_S = 3.0
"""How long a process that ends waits for a collector."""


class BreakerStanding(NamedTuple):
    """How a connection of a tenant stands in this process."""

    tenant: str
    provider: str
    is_open: bool


class Sink(Protocol):
    """Whom runs are told to. Nothing here may wait for a network."""

    def record(self, measure: Measure) -> None: ...
    def follow(self, facts: Facts) -> None: ...
    def take_lost(self) -> int: ...


class Telemetry:
    """Takes what is told of calls, and tells it on a little later, a few at a time between others' work. Without sinks it takes nothing."""

    def __init__(self, *, sinks: Sequence[Sink] = (), page: "PrometheusPage | None" = None) -> None:
        self.is_on = bool(sinks)
        self._sinks, self._page = sinks, page
        self._waiting: deque[Facts] = deque()
        self._overflowed = 0
        self._bounds = LabelBounds()

    def note(self, facts: Facts) -> None:
        """Take it, or throw it away and count it where too much waits. Never waits, never raises."""
        if not self.is_on:
            return
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(facts)
        else:
            self._overflowed += 1

    async def keep_digesting(self, *, breakers: Callable[[], Iterable[BreakerStanding]]) -> None:
        """Tell on, for ever, what was taken. A few calls at a time: whatever else waits for this event loop comes in between."""
        for rounds in count(1):
            await asyncio.sleep(DIGEST_S)
            for _ in range(MOST_WAITING // AT_A_TIME):
                if self.digest(most=AT_A_TIME) < AT_A_TIME:
                    break
                await asyncio.sleep(0)
            try:
                self._count_lost()
                if rounds % BREAKERS_EVERY == 0:
                    self._show(breakers())
            except Exception as unforeseen:  # a full disk, say: the next round tries again
                log.error("telemetry could not be told: %s", type(unforeseen).__name__)

    def digest(self, *, most: int = MOST_WAITING) -> int:
        """Tell on so many of the calls that wait. Returns how many there were."""
        for done in range(most):
            try:
                facts = self._waiting.popleft()
            except IndexError:
                return done
            try:
                self._tell(facts)
            except Exception as unforeseen:  # a bug of ours costs this one's telemetry, and nothing else
                log.error("telemetry of a call was lost: %s", type(unforeseen).__name__)
                self._overflowed += 1
        return most

    def finish(self) -> None:
        """Tell on all that waits."""
        self.digest()
        self._count_lost()

    def _tell(self, facts: Facts) -> None:
        for measure in measures_of(facts):
            self._record(measure)
        for sink in self._sinks:
            sink.follow(facts)

    def _record(self, measure: Measure) -> None:
        bounded = self._bounds.bound(measure)
        for sink in self._sinks:
            sink.record(bounded)

    def _show(self, breakers: Iterable[BreakerStanding]) -> None:
        if self._page is not None:
            self._page.show_breakers((*self._bounds.pair(tenant, "provider", provider), is_open) for tenant, provider, is_open in breakers)

    def _count_lost(self) -> None:
        overflowed, self._overflowed = self._overflowed, 0
        for lost, number in (("calls", overflowed), ("spans", sum(sink.take_lost() for sink in self._sinks))):
            if number:
                self._record(Measure(LOST, number, (lost,)))


def exporter() -> "OpenTelemetryExporter | None":
    """Return the exporter of this process, opened at first use; None where no collector is named. A forked child has one of its own."""
    return _exporter(os.getpid())


@cache
def _exporter(_pid: int) -> "OpenTelemetryExporter | None":
    traces_url, metrics_url = collector_urls()
    if not traces_url and not metrics_url:
        return None
    from cascade.telemetry.opentelemetry_exporter import OpenTelemetryExporter  # takes half a second

    made = OpenTelemetryExporter(
        traces_url=traces_url, metrics_url=metrics_url, service_name=settings.OTEL_SERVICE_NAME,
        metrics_every_s=settings.OTEL_METRIC_EXPORT_INTERVAL / 1000,
        deltas=settings.OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE.lower() in ("delta", "lowmemory"),
    )
    atexit.register(close)
    return made


@cache
def page() -> "PrometheusPage | None":
    """Return what this process counts for Prometheus; None where nobody may look."""
    if not settings.METRICS_TOKEN:
        return None
    folder = prepare_folder(Path(settings.METRICS_FOLDER))
    from cascade.telemetry.prometheus_page import PrometheusPage

    return PrometheusPage(folder=folder)


def telemetry() -> Telemetry:
    """Return the queue of this process."""
    return _telemetry(os.getpid())


@cache
def _telemetry(_pid: int) -> Telemetry:
    shown = page()
    return Telemetry(sinks=[sink for sink in (exporter(), shown) if sink is not None], page=shown)


@cache
def close() -> None:
    """Tell on and send what waits, within a few seconds. Once: nothing can be told afterwards."""
    telemetry().finish()
    sending = exporter()
    if sending is not None:
        sending.close(seconds=FAREWELL_S)


def collector_urls() -> tuple[str, str]:
    """Return where traces and metrics go by the standard variables; empty for what goes nowhere."""
    if settings.OTEL_SDK_DISABLED:
        return "", ""
    base = settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip("/")
    traces = settings.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or (base and f"{base}/v1/traces")
    metrics = settings.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT or (base and f"{base}/v1/metrics")
    return (
        "" if settings.OTEL_TRACES_EXPORTER == "none" else traces,
        "" if settings.OTEL_METRICS_EXPORTER == "none" else metrics,
    )
