"""What business changes refuse. The edges (REST, console, admin) translate it."""


class Conflict(Exception):
    """What was asked does not fit how things are now. The message says what to do instead."""

    def __init__(self, message: str, *, code: str = "conflict") -> None:
        super().__init__(message)
        self.message, self.code = message, code
