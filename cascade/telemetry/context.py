"""Which trace a call belongs to, by the W3C headers that came with it."""

from collections.abc import Callable, Mapping

__all__ = ["follow_spans_of_this_process", "trace_context"]

HEADERS = ("traceparent", "tracestate")
LONGEST = 512
"""Of a header: what the standard asks others to pass on at the least. A longer one is left out."""
_here: Callable[[], Mapping[str, str]] = dict


def trace_context(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers that say where a call's trace goes on. Where Django is instrumented, that is its span of the request."""
    return _here() or {name: said for name in HEADERS if 0 < len(said := headers.get(name, "")) <= LONGEST}


def follow_spans_of_this_process(here: Callable[[], Mapping[str, str]]) -> None:
    """Have the span that is open where a call comes in be its parent: `here` tells its headers, or nothing where none is open."""
    global _here
    _here = here
