"""Sysinternals `handle`, versions 1 to 5: `-a`, `-p`, searches, sums by type (`-s`) and tables (`-v`, `-vt`).

Without `-a` it lists files and named sections alone; that, and a search, gives `objects` and no total. A sum (`-s`)
names no process: it becomes one entry, `(all processes)`, pid 0.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from server.analysis.readings import Process
from server.dumps.dump import Damaged, Dump, Moment
from server.dumps.listing import (
    SOME_PROCESSES,
    Listing,
    Runs,
    largest_types,
    lists_all,
    number,
)
from server.dumps.names import clean
from server.dumps.text import Text

NAME = "handle"
ALL = "(all processes)"
_BANNER = re.compile(r"[ \t]{0,20}(?:nt)?handle v\d", re.IGNORECASE)
_MARKS = re.compile(
    r"^[ \t]{0,20}(?:nt)?handle v\d|^handle type summary:"
    r"|^process[,\t]pid[,\t](?:type|user)[,\t]|^\S[^\n]{0,300}? pid: \d",
    re.IGNORECASE | re.MULTILINE,
)
_ROW = re.compile(r"[ \t]*([0-9A-Fa-f]{1,16}): ?(.*)")
_AFTER_PID = re.compile(r"(\d{1,10})(?:\s+(.*))?$")
_FOUND = re.compile(r"(?:^|\s)[0-9A-Fa-f]{1,16}: ")
_SHARING = re.compile(r"File\s{1,64}\([R-][W-][D-]\)\s*")
_WIDE_GAP = re.compile(r"\s{2,}")
_FILES_ONLY = frozenset({"File", "Section"})
_A_ROW = r'a process ("ntbackup.exe pid: 187 …") or one of its handles ("1C: File  C:\…")'

Listings = Runs[Listing]


def recognises(head: str) -> bool:
    return _MARKS.search(head) is not None


def read(text: Text) -> Dump:
    lines = text.lines()
    listings: Listings = Runs(text)
    current: Listing | None = None
    searched = guessed = nothing = False
    for offset, line in lines:
        row = _ROW.match(line)
        if row is not None:
            if current is None:
                raise text.damaged(offset, "the process these handles belong to first; make the file with handle -a")
            current.add(*_type_and_name(row.group(2)))
            continue
        lowered = line[:40].strip().casefold()
        if lowered.startswith("handle type summary:"):
            return _sums(text, lines)
        if lowered.startswith(("process,pid,", "process\tpid\t")):
            return _table(text, line, lines)
        if _BANNER.match(line):
            listings.start()
            current = None
        elif " pid: " in line:
            current, found = _process(text, offset, line, listings)
            searched, guessed = searched or found, guessed or (found and " type: " not in line)
        elif lowered.startswith("no matching handles found"):
            nothing = True
        elif listings.items and not _is_decoration(lowered):
            raise text.damaged(offset, _A_ROW)
    if not listings.items:
        raise _empty(text, nothing=nothing)
    return _dump(listings, searched=searched, guessed=guessed)


def _is_decoration(lowered: str) -> bool:
    return lowered.startswith(("---", "copyright (c)", "sysinternals"))


def _empty(text: Text, *, nothing: bool) -> Damaged:
    if nothing:
        return Damaged("handle found no handles; it has to run as an administrator: handle -a")
    return text.damaged(len(text.content), _A_ROW)


def _process(text: Text, offset: int, line: str, listings: Listings) -> tuple[Listing | None, bool]:
    """A line that names a process: the head of its handles, or one handle that a search found (then True)."""
    name, _, rest = line.partition(" pid: ")
    after = _AFTER_PID.match(rest.strip())
    if after is None or not name.strip():
        raise text.damaged(offset, 'a process, as in "ntbackup.exe pid: 187"')
    pid, rest = int(after.group(1)), after.group(2) or ""
    found = _FOUND.search(rest)
    if found is None:
        opened = "<unable to open" not in rest
        listing = Listing(pid, name.strip(), rest.strip() or None if opened else None, opened)
        listings.add(pid, listing, offset=offset)
        return listing, False
    known = listings.items.get(pid)
    if known is None:
        known = Listing(pid, name.strip())
        listings.add(pid, known, offset=offset)
    known.add(*_found(rest[: found.start()].strip(), rest[found.end() :].strip()))
    return None, True


def _type_and_name(rest: str) -> tuple[str, str]:
    """Thirteen columns of type and a blank; a longer type is followed by one blank and has none within."""
    shared = _SHARING.match(rest)
    if shared is not None:
        return "File", rest[shared.end() :].strip()
    if rest.startswith("<") and ">" in rest[:40]:
        kind, _, name = rest.partition(">")
        return f"{kind}>", name.strip()
    if len(rest) <= 13 or rest[13] == " ":
        return rest[:13].strip(), rest[13:].strip()
    kind, _, name = rest.partition(" ")
    return kind, name.strip()


def _found(before: str, name: str) -> tuple[str, str]:
    """Type and name of a handle that a search found; versions before 3.5 do not tell the type."""
    if before.startswith("type: "):
        before = before[6:].strip()
        if before.startswith("<") and ">" in before[:40]:
            return f"{before.partition('>')[0]}>", name
        kind = _WIDE_GAP.split(before, maxsplit=1)[0][:64]
        return kind.partition(" ")[0] if "\\" in kind else kind, name  # a long type leaves one blank before the user
    return _told_by_name(name), name


def _told_by_name(name: str) -> str:
    if name[1:3] == ":\\" or name.startswith(("\\Device\\", "\\\\")):
        return "File"
    if name.startswith(("HKLM", "HKU", "HKCR", "HKCU", "\\REGISTRY")):
        return "Key"
    return "Event" if name.rpartition("\\")[2] == "V3SOCKHOOK" else "(not told)"


def _dump(listings: Listings, *, searched: bool, guessed: bool = False) -> Dump:
    notes = list(listings.notes)
    processes = list(listings.items.values())
    complete = not searched and _lists_all_types(processes)
    if searched:
        notes.append("This is what a search found: the handles it names are counted, totals are not known.")
        if guessed:
            notes.append(
                "A search of this version tells no types: taken from the names, V3SOCKHOOK as Event (Q277673)."
            )
    elif not complete:
        notes.append("Only files and named sections are listed, so totals are not known: make the file with handle -a.")
    if complete and not lists_all(listing.name for listing in processes):
        notes.append(SOME_PROCESSES)
    unread = sum(not listing.counts or not listing.opened for listing in processes)
    if unread and not searched:
        notes.append(f"handle could not open {unread:,} of the processes: their totals are not known.")
    return Dump(
        format=NAME,
        moments=[Moment(None, [listing.process(complete=complete) for listing in processes])],
        os_family="windows",
        partial=not complete or SOME_PROCESSES in notes,
        notes=tuple(notes),
    )


def _lists_all_types(processes: Iterable[Listing]) -> bool:
    """Handles of other types, or without a name, are listed with `-a` alone."""
    return any(kind not in _FILES_ONLY or not name for listing in processes for kind, name in listing.counts)


def _sums(text: Text, lines: Iterator[tuple[int, str]]) -> Dump:
    types: Counter[str] = Counter()
    total: int | None = None
    runs = 1
    for offset, line in lines:
        kind, colon, digits = line.strip().rpartition(":")
        lowered = line[:40].strip().casefold()
        if lowered.startswith("handle type summary"):
            types, total, runs = Counter(), None, runs + 1
            continue
        if total is not None or _BANNER.match(line) or _is_decoration(lowered):
            continue
        count = number(digits.strip())
        if not colon or count is None:
            raise text.damaged(offset, 'a type and its count, as in "Event : 18226"')
        if lowered.startswith("total handles"):
            total = count
            if total != types.total():
                raise text.damaged(offset, f"the sum of the types above, {types.total():,}")
        else:
            types[clean(kind.strip())] += count  # a type can stand there twice
    if not types:
        raise text.damaged(len(text.content), 'a type and its count, as in "Event : 18226"')
    notes = ["handle -s names no process: with -p these are the handles of one, else those of all."]
    if total is None:
        notes.append("The line with the total is missing, so that types may be missing too.")
    if runs > 1:
        notes.append(f"The file holds {runs:,} runs without times; only the last was read.")
    process = Process(
        pid=0,
        started_at=None,
        name=ALL,
        handles=total,
        types=largest_types(types) if total is not None else {},
    )
    return Dump(NAME, [Moment(None, [process])], os_family="windows", partial=True, notes=tuple(notes))


def _table(text: Text, header: str, lines: Iterator[tuple[int, str]]) -> Dump:
    """Names are not quoted and may hold the separator, so a row is split no further than there are columns."""
    mark = "\t" if "\t" in header else ","
    columns = [name.strip().casefold() for name in header.split(mark)]
    where = {name: position for position, name in enumerate(columns)}
    if not {"process", "pid", "type", "name"} <= where.keys() or columns[-1] != "name":
        raise Damaged(f'the header of the table: expected Process, PID, Type and at last Name, found "{header[:200]}"')
    listings: Listings = Runs(text)
    user = where.get("user")
    for offset, line in lines:
        cells = line.split(mark, len(columns) - 1)
        if [cell.strip().casefold() for cell in cells[:2]] == ["process", "pid"]:
            listings.start()
            continue
        if _BANNER.match(line) or _is_decoration(line[:40].strip().casefold()):
            continue
        pid = number(cells[where["pid"]].strip()) if len(cells) == len(columns) else None
        if pid is None or not cells[where["process"]].strip():
            raise text.damaged(offset, f"the {len(columns)} columns {header.strip()[:200]}")
        listing = listings.items.get(pid)
        if listing is None:
            who = cells[user].strip() if user is not None else ""
            listing = Listing(pid, cells[where["process"]].strip(), who or None)
            listings.add(pid, listing, offset=offset)
        listing.add(cells[where["type"]].strip(), cells[where["name"]].strip())
    if not listings.items:
        raise text.damaged(len(text.content), "at least one handle after the header")
    return _dump(listings, searched=user is None)
