"""Server-sent events arrive whole, however the network cuts them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.engine.providers.events import EventParser, EventTooLarge

LINES = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=12)
EVENTS = st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=6)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def parse(stream: bytes, cuts: list[int]) -> list[bytes]:
    parser, payloads, at = EventParser(), [], 0
    for cut in [*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]:
        payloads += parser.feed(stream[at:cut])
        at = cut
    return payloads


@settings(max_examples=500, deadline=None)
@given(events=EVENTS, end=ENDS, comment=LINES, space=st.booleans(), cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_events_survive_any_cut_any_line_end_and_comments(
    events: list[list[str]], end: str, comment: str, space: bool, cuts: list[int]
) -> None:
    lines = [":" + comment]
    for event in events:
        lines += [f"event: x{end}id: 7", *(("data: " if space or part.startswith(" ") else "data:") + part for part in event), ""]
    stream = (end.join(lines) + end).encode()
    assert parse(stream, cuts) == ["\n".join(event).encode() for event in events]


def test_every_single_cut_of_a_stream_gives_the_same() -> None:
    stream = b'data: {"a":1}\r\n\r\n: ping\r\ndata: eins\rdata: zwei\r\rdata:drei\n\ndata: [DONE]\n\n'
    whole = [b'{"a":1}', b"eins\nzwei", b"drei", b"[DONE]"]
    for first in range(len(stream) + 1):
        assert parse(stream, [first]) == whole
        assert parse(stream, [first, first + 1]) == whole
    assert parse(stream, list(range(len(stream)))) == whole


def test_a_byte_order_mark_is_passed_over() -> None:
    assert EventParser().feed(b"\xef\xbb\xbfdata: x\n\n") == [b"x"]


def test_events_without_data_and_an_unfinished_event_yield_nothing() -> None:
    assert EventParser().feed(b"event: ping\n\nretry: 3\n\n\n\ndata: lost\n") == []


def test_a_line_without_end_is_given_up_at_the_limit() -> None:
    parser = EventParser(max_bytes=100)
    parser.feed(b"data: " + b"a" * 90)
    with pytest.raises(EventTooLarge):
        parser.feed(b"a" * 90)


def test_an_event_of_many_lines_is_given_up_at_the_limit() -> None:
    with pytest.raises(EventTooLarge):
        EventParser(max_bytes=100).feed(b"data: 0123456789\n" * 10)
