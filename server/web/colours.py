"""Which of the chart's eight colours a name gets; the colours themselves are in the stylesheet."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

COLOURS = 8


def assign(names: Iterable[str]) -> dict[str, int]:
    """A colour, 0 to 7, for each name, the most important first.

    A name asks for the colour its own hash gives, so that it tends to keep it from page to page, and takes the next
    free one when that is taken; past eight names colours repeat.
    """
    taken: dict[str, int] = {}
    for name in names:
        if name in taken:
            continue
        wanted = zlib.crc32(name.casefold().encode("utf-8", "surrogatepass")) % COLOURS
        used = list(taken.values())
        lap = len(used) // COLOURS
        taken[name] = next(c % COLOURS for c in range(wanted, wanted + COLOURS) if used.count(c % COLOURS) <= lap)
    return taken
