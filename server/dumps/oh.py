"""`oh` of the Resource Kits, one handle a row. Best effort: no recorded output was at hand, and each dump says so.

Only with `/A` does it list handles without a name; where none is listed, the file gives `objects` and no total.
"""

import re

from server.dumps.dump import Dump, Moment
from server.dumps.listing import SOME_PROCESSES, Listing, Runs, lists_all
from server.dumps.names import image
from server.dumps.text import Text

NAME = "oh"
_TYPES = (
    "Adapter|Callback|Controller|Desktop|Device|Directory|Driver|EventPair|Event|File|IoCompletion|Job|KeyedEvent|Key"
    "|Mutant|Port|Process|Profile|Section|Semaphore|SymbolicLink|Thread|Timer|Token|Type|WaitablePort|WindowStation"
    "|WmiGuid"
)
_ROW = re.compile(
    r"^[ \t]*([0-9A-Fa-f]{1,8})[ \t]+(\S{1,260})[ \t]+("
    + _TYPES
    + r")[ \t]+(?:0x)?[0-9A-Fa-f]{2,8}(?:[ \t]+([^\n]*))?$",
    re.MULTILINE,
)
_GUESSED = "oh is read on best effort: compare the counts with those of another tool."


def recognises(head: str) -> bool:
    return _ROW.search(head) is not None


def read(text: Text) -> Dump:
    listings: Runs[Listing] = Runs(text)
    for offset, line in text.lines():
        row = _ROW.match(line)
        if row is None:
            if listings.items:
                raise text.damaged(offset, "a handle, as in 000000D6 ntbackup.exe Event 0060 name")
            continue
        digits, name = row.group(1), image(row.group(2))
        if len(digits) < 8 and not digits.isdigit():
            raise text.damaged(offset, "a pid: decimal, or hexadecimal with eight digits")
        pid = int(digits, 16 if len(digits) == 8 else 10)
        listing = listings.items.get(pid)
        if listing is None:
            listing = Listing(pid, name)
            listings.add(pid, listing, offset=offset)
        listing.add(row.group(3), (row.group(4) or "").strip())
    if not listings.items:
        raise text.damaged(len(text.content), "a handle, as in 000000D6 ntbackup.exe Event 0060 name")
    return _dump(listings)


def _dump(listings: Runs[Listing]) -> Dump:
    found = list(listings.items.values())
    complete = any(not name for listing in found for _, name in listing.counts)
    whole = lists_all(listing.name for listing in found)
    notes = [*listings.notes, _GUESSED]
    if not complete:
        notes.append("Only named handles are listed, so totals are not known: run oh with /A.")
    if not whole:
        notes.append(SOME_PROCESSES)
    return Dump(
        format=NAME,
        moments=[Moment(None, [listing.process(complete=complete) for listing in found])],
        os_family="windows",
        partial=not (complete and whole),
        notes=tuple(notes),
    )
