"""`wmic process get … /format:csv`: its own CSV, in which nothing is quoted, with a `Node` column for the machine."""

import re
from datetime import UTC, datetime, timedelta

from server.analysis.readings import Process
from server.dumps.dump import Dump, Moment
from server.dumps.listing import SOME_PROCESSES, Runs, lists_all
from server.dumps.names import clean, kernel
from server.dumps.table import separator, whole
from server.dumps.text import Text

NAME = "wmic"
_NEEDED = {"node", "handlecount", "processid"}
_NAMES = ("name", "caption", "description")
_CREATED = re.compile(r"(\d{14})\.(\d{6})([+-]\d{3})")


def recognises(head: str) -> bool:
    first = next((line for line in head.split("\n", 20)[:20] if line.strip()), "")
    return _heading(first) is not None


def _heading(line: str) -> dict[str, int] | None:
    if line[:4].casefold() != "node":
        return None
    cells = [cell.strip().casefold() for cell in line[:16_384].split(separator(line[:16_384]))]
    where = {name: position for position, name in enumerate(cells)}
    if len(where) != len(cells) or not where.keys() >= _NEEDED or not any(name in where for name in _NAMES):
        return None
    return where


def read(text: Text) -> Dump:
    lines = text.lines()
    offset, heading = next(lines, (len(text.content), ""))
    where = _heading(heading)
    if where is None:
        raise text.damaged(offset, "the columns Node, HandleCount, Name and ProcessId")
    mark = separator(heading)
    processes: Runs[Process] = Runs(text)
    host: str | None = None
    for offset, line in lines:
        again = _heading(line)
        if again is not None:
            where = again
            processes.start()
            continue
        cells = _cells(text, offset, line.split(mark), where)
        host = host or cells["node"]
        if cells["node"].casefold() != host.casefold():
            raise text.damaged(offset, f"only processes of {host[:80]}: a file is read as one machine's")
        pid = whole(cells["processid"])
        handles = whole(cells["handlecount"])
        name = next(cells[name] for name in _NAMES if name in cells)
        if pid is None or not name or (handles is None and cells["handlecount"]):
            raise text.damaged(offset, "a process: a name, and whole numbers as ProcessId and HandleCount")
        process = Process(
            pid=pid,
            started_at=_created(cells.get("creationdate", "")),
            name=kernel(name),
            handles=handles,
            exe=clean(cells.get("executablepath", "")) or None,
        )
        processes.add(pid, process, offset=offset)
    if not processes.items:
        raise text.damaged(len(text.content), "processes after the heading")
    found = list(processes.items.values())
    complete = lists_all(process.name for process in found)
    notes = processes.notes if complete else (*processes.notes, SOME_PROCESSES)
    return Dump(
        NAME,
        [Moment(None, found)],
        host=clean(host) if host else None,
        os_family="windows",
        partial=not complete,
        notes=notes,
    )


def _cells(text: Text, offset: int, cells: list[str], where: dict[str, int]) -> dict[str, str]:
    """A command line may hold separators, and is dropped: it is never kept, for it may hold secrets."""
    extra = len(cells) - len(where)
    if extra > 0 and "commandline" in where:
        at = where["commandline"]
        cells = [*cells[:at], "", *cells[at + extra + 1 :]]
    if len(cells) != len(where):
        raise text.damaged(offset, f"{len(where)} cells, as the heading has")
    return {name: cells[position].strip() for name, position in where.items()}


def _created(cell: str) -> datetime | None:
    """`20010810120000.250000+540`: local time, then how many minutes it is ahead of UTC."""
    found = _CREATED.fullmatch(cell) if cell.isascii() else None
    if found is None:
        return None
    try:
        local = datetime.strptime(found.group(1), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return local + timedelta(microseconds=int(found.group(2))) - timedelta(minutes=int(found.group(3)))
    except (ValueError, OverflowError):
        return None
