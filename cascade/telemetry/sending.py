"""Spans and counts on their way to the collector: threads of their own, which alone wait for the network."""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from time import time_ns

from opentelemetry.context import Context
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from cascade.telemetry.scrubbing import scrubbed
from cascade.telemetry.tallies import Tallied, Tally

__all__ = ["BATCH", "MOST_SPANS", "MetricSender", "SpanSender"]

log = logging.getLogger(__name__)
MOST_SPANS = 4096
BATCH = 128
"""Few enough that writing them down, which Python does for one thread at a time, holds up no call."""
SPANS_EVERY_S = 1.0


class _Sender:
    """A thread that sends now and then, and once more when it is closed. A child of the process that made it begins its own."""

    def __init__(self, send: Callable[[], None], *, every_s: float, name: str) -> None:
        self._send, self._every_s, self._name = send, every_s, name
        self._begin()

    def _begin(self) -> None:
        self._wake, self._closing, self._pid = threading.Event(), False, os.getpid()
        self._thread = threading.Thread(target=self._run, name=f"telemetry {self._name}", daemon=True)
        self._thread.start()

    def is_of_this_process(self) -> bool:
        """Return False where it had to begin anew, since this process is a child of the one that made it."""
        if self._pid == os.getpid():
            return True
        self._begin()
        return False

    def wake(self) -> None:
        self._wake.set()

    def close(self, *, seconds: float) -> None:
        """Send what there is, but wait no longer than that."""
        self._closing = True
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._wake.wait(self._every_s)
            self._wake.clear()
            is_last = self._closing
            try:
                self._send()
            except Exception as unforeseen:
                log.error("telemetry could not be sent: %s", type(unforeseen).__name__)


class SpanSender(SpanProcessor):
    """Takes spans that ended, whoever made them, and sends them in batches. A full buffer takes none: they are counted, and gone."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter, self._lost = exporter, 0
        self._waiting: deque[ReadableSpan] = deque()
        self._sender = _Sender(self._send, every_s=SPANS_EVERY_S, name="spans")

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        pass

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if not self._sender.is_of_this_process():
            self._waiting.clear()
        if len(self._waiting) >= MOST_SPANS:
            self._lost += 1
            return
        self._waiting.append(scrubbed(span))
        if len(self._waiting) >= BATCH:
            self._sender.wake()

    def take_lost(self) -> int:
        """Return how many spans were thrown away since this was last asked."""
        lost, self._lost = self._lost, 0
        return lost

    def close(self, *, seconds: float) -> None:
        self._sender.close(seconds=seconds)
        self._exporter.shutdown()

    def _send(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                is_sent = self._exporter.export(batch) is SpanExportResult.SUCCESS
            except Exception:
                self._lost += len(batch)
                raise
            if not is_sent:
                self._lost += len(batch)


class MetricSender:
    """Sends what was counted: all of it each time, or, as `deltas`, what came since the last time that it was taken."""

    def __init__(
        self, exporter: MetricExporter, tally: Tally, *, every_s: float, deltas: bool, data_of: Callable[[Tallied, int, int], MetricsData]
    ) -> None:
        self._exporter, self._tally, self._deltas, self._data_of = exporter, tally, deltas, data_of
        self._since_ns = time_ns()
        self._sender = _Sender(self._send, every_s=every_s, name="metrics")

    def close(self, *, seconds: float) -> None:
        self._sender.close(seconds=seconds)
        self._exporter.shutdown()

    def _send(self) -> None:
        seen, now_ns = self._tally.seen(), time_ns()
        if not seen.sums and not seen.spreads:
            return
        is_sent = self._exporter.export(self._data_of(seen, self._since_ns, now_ns)) is MetricExportResult.SUCCESS
        if is_sent and self._deltas:
            self._tally.take_away(seen)
            self._since_ns = now_ns
