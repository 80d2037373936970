"""Tables as CSV files for people, who open them in a spreadsheet."""

import csv
from collections.abc import Iterable, Sequence

from django.http import HttpResponse

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would carry out."""


def csv_file(name: str, *, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> HttpResponse:
    """Return a table as a file to be downloaded. A text that a spreadsheet would carry out gets a leading apostrophe; numbers stay numbers."""
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["content-disposition"] = f'attachment; filename="{name}"'
    answer["cache-control"] = "private, no-store"
    lines = csv.writer(answer)
    lines.writerow([_harmless(name) for name in headings])
    lines.writerows([_harmless(cell) for cell in row] for row in rows)
    return answer


def _harmless(cell: object) -> object:
    if not isinstance(cell, str) or not cell.startswith(FORMULA):
        return cell
    return cell if _is_amount(cell) else f"'{cell}"


def _is_amount(cell: str) -> bool:
    """A negative amount is no formula. Example: -1.50."""
    return cell[0] == "-" and cell.isascii() and cell[1:].replace(".", "", 1).isdigit()
