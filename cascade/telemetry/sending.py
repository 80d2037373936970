"""Spans on their way to the collector: a bounded buffer and one thread, which alone waits for the network."""

import logging
import os
import threading
from collections import deque

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from cascade.telemetry.scrubbing import scrubbed

__all__ = ["MOST_SPANS", "SpanSender"]

log = logging.getLogger(__name__)
MOST_SPANS = 4096
BATCH = 128
"""Few enough that writing them down, which Python does for one thread at a time, holds up no call."""
PAUSE_S = 1.0


class SpanSender(SpanProcessor):
    """Takes spans that ended, whoever made them, and sends them in batches. A full buffer takes none: they are counted, and gone."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0
        self._begin()

    def _begin(self) -> None:
        self._waiting: deque[ReadableSpan] = deque()
        self._wake, self._closing = threading.Event(), False
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="telemetry spans", daemon=True)
        self._thread.start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        pass

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._pid != os.getpid():  # a child of the process that made this: it has no thread yet
            self._begin()
        if len(self._waiting) >= MOST_SPANS:
            self._lost += 1
            return
        self._waiting.append(scrubbed(span))
        if len(self._waiting) >= BATCH:
            self._wake.set()

    def take_lost(self) -> int:
        """Return how many spans were thrown away since this was last asked."""
        lost, self._lost = self._lost, 0
        return lost

    def close(self, *, seconds: float) -> None:
        """Send what waits, but take no longer than that."""
        self._closing = True
        self._wake.set()
        self._thread.join(seconds)
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(PAUSE_S)
            self._wake.clear()
            while self._waiting:
                self._send([self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))])

    def _send(self, batch: list[ReadableSpan]) -> None:
        try:
            is_sent = self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception as unforeseen:
            log.warning("spans could not be sent: %s", type(unforeseen).__name__)
            is_sent = False
        if not is_sent:
            self._lost += len(batch)
