"""Server-Sent Events, read piece by piece: bytes in whatever portions the network gives, whole payloads out."""

__all__ = ["EventParser", "EventTooLarge"]

MAX_EVENT_BYTES = 1024 * 1024


class EventTooLarge(ValueError):
    """A line, or the data of one event, is longer than allowed."""


class EventParser:
    """Splits a stream of bytes into the `data` of its events. One parser reads one stream.

    In: portions cut anywhere, lines ended by LF, CRLF or CR. Out: each finished event's data, its lines joined by LF.
    Comments, other fields and events without data yield nothing; an event that the stream's end cuts off is lost, as
    the standard demands. Raises EventTooLarge when a line or an event's data passes `max_bytes`.
    """

    def __init__(self, *, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, portion: bytes) -> list[bytes]:
        """Return the payloads that this portion finishes."""
        if self._after_cr and portion:
            self._after_cr = False
            if portion.startswith(b"\n"):  # the second half of a CRLF that was cut in two
                portion = portion[1:]
        self._after_cr = self._after_cr or portion.endswith(b"\r")
        if b"\r" in portion:
            portion = portion.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = portion.split(b"\n")
        self._rest += first
        if len(self._rest) > self._max_bytes:
            raise EventTooLarge(f"a line of an event stream is longer than {self._max_bytes} bytes")
        if not others:
            return []
        lines = [bytes(self._rest), *others[:-1]]
        self._rest = bytearray(others[-1])
        return self._take(lines)

    def _take(self, lines: list[bytes]) -> list[bytes]:
        payloads: list[bytes] = []
        if self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        for line in lines:
            if line:
                self._take_line(line)
            elif self._data:
                payloads.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data.clear()
                self._data_bytes = 0
        return payloads

    def _take_line(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
        elif line == b"data":
            value = b""
        else:
            return
        self._data_bytes += len(value) + 1
        if self._data_bytes > self._max_bytes:
            raise EventTooLarge(f"an event is longer than {self._max_bytes} bytes")
        self._data.append(value)
