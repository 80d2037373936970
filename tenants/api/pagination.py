"""Pages by cursor: stable while rows are added, and as fast on the last page as on the first."""

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError as InvalidValue
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which reads the settings that name this module


class CursorPages(CursorPagination):
    page_size = 50
    max_page_size: int = 200
    page_size_query_param = "limit"
    page_size_query_description = "How many to return, 1 to 200."
    cursor_query_description = "Where to go on: taken from `next` or `previous` of another page."
    ordering: str | tuple[str, ...] = "-id"

    def paginate_queryset(self, queryset: Any, request: Request, view: "APIView | None" = None) -> list[Any] | None:
        self.ordering = getattr(view, "page_ordering", self.ordering)
        try:
            return super().paginate_queryset(queryset, request, view)
        except (InvalidValue, ValueError, OverflowError) as wrong:  # a cursor whose position is no value of the column
            raise _unknown_cursor() from wrong

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            cursor = super().decode_cursor(request)
        except NotFound as wrong:
            raise _unknown_cursor() from wrong
        if cursor is not None and "\x00" in str(cursor.position):
            raise _unknown_cursor()
        return cursor

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("limit")
        if text is None:
            return self.page_size
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= self.max_page_size):
            raise ValidationError({"limit": f"Write a whole number from 1 to {self.max_page_size}."})
        return int(text)


def _unknown_cursor() -> ValidationError:
    return ValidationError({"cursor": "This cursor is not one of ours. Start again without it, then follow 'next'."})
