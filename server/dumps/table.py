"""Tables with a heading and separated cells: rows with their places, and numbers as people's systems write them."""

import csv
import re
from collections.abc import Iterable, Iterator

from server.dumps.listing import number
from server.dumps.text import Text

_GROUPED = re.compile(r"\d{1,3}(?:[.,'’ \u00a0\u202f]\d{3}){1,6}")
_GROUPS = re.compile(r"[.,'’ \u00a0\u202f]")


def separator(heading: str) -> str:
    """The one that parts the most cells; lists are parted by `;` where the comma is the decimal mark."""
    return max(",;\t", key=heading.count)


def rows(text: Text, lines: Iterable[tuple[int, str]], mark: str) -> Iterator[tuple[int, list[str]]]:
    """Quoted cells are unquoted. A cell longer than any real one (an open quote) is Damaged."""
    offset = 0

    def contents() -> Iterator[str]:
        nonlocal offset
        for place, line in lines:
            offset = place
            yield line

    reader = csv.reader(contents(), delimiter=mark)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise text.damaged(offset, f"cells parted by {mark!r}, each quote closed") from None
        yield offset, row


def whole(cell: str) -> int | None:
    """A count that may be written in groups, as 18,226 or 18.226; None if it is no whole number within bounds."""
    cell = cell.strip()
    if len(cell) <= 32 and _GROUPED.fullmatch(cell):
        cell = _GROUPS.sub("", cell)
    return number(cell)
