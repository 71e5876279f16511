"""PowerShell's `Get-Process` as CSV (`Export-Csv`, `ConvertTo-Csv`), with or without its `#TYPE` line.

Columns are found by name, in any order. `StartTime` counts only where it is ISO 8601 with its zone: PowerShell writes
it in the language and zone of the machine, and neither is in the file. For `.exe` see `server.dumps.names`.
"""

import re
from datetime import UTC, datetime

from server.analysis.readings import Process
from server.dumps.dump import Damaged, Dump, Moment
from server.dumps.listing import SOME_PROCESSES, Runs, lists_all
from server.dumps.names import clean, image
from server.dumps.table import rows, separator, whole
from server.dumps.text import Text

NAME = "get-process"
_COLUMNS = {
    "pid": ("id", "processid", "pid"),
    "name": ("processname", "name"),
    "handles": ("handles", "handlecount"),
    "start": ("starttime", "start", "started", "startedat"),
    "host": ("pscomputername", "machinename", "computername"),
    "exe": ("path",),
    "user": ("username",),
    "version": ("fileversion",),
}
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)")


def recognises(head: str) -> bool:
    first = next((line for line in head.split("\n", 20)[:20] if line.strip() and not line.startswith("#")), "")
    return first[:4] != "Node" and {"pid", "name", "handles"} <= _find(first).keys()


def read(text: Text) -> Dump:
    lines = text.lines()
    heading = next(((offset, line) for offset, line in lines if not line.startswith("#")), (len(text.content), ""))
    mark = separator(heading[1])
    where = _find(heading[1])
    if not {"pid", "name", "handles"} <= where.keys():
        raise text.damaged(heading[0], "a heading with Id, ProcessName and Handles")
    width = len(_cells(heading[1], mark))
    reader = _Reader(text, where, width)
    for offset, row in rows(text, lines, mark):
        reader.take(offset, row)
    return reader.dump()


def _cells(heading: str, mark: str) -> list[str]:
    return [cell.strip().strip('"').casefold() for cell in heading.split(mark)]


def _find(heading: str) -> dict[str, int]:
    cells = _cells(heading[:16_384], separator(heading[:16_384]))
    found = {}
    for what, names in _COLUMNS.items():
        position = next((cells.index(name) for name in names if name in cells), None)
        if position is not None:
            found[what] = position
    return found


class _Reader:
    def __init__(self, text: Text, where: dict[str, int], width: int) -> None:
        self._text = text
        self._where = where
        self._width = width
        self._processes: Runs[Process] = Runs(text)
        self._host: str | None = None
        self._unclear_starts = False

    def take(self, offset: int, row: list[str]) -> None:
        if not row or row[0].startswith("#"):
            return
        if len(row) != self._width:
            raise self._text.damaged(offset, f"{self._width} cells, as the heading has")
        cells = {what: row[position].strip() for what, position in self._where.items()}
        if cells["pid"].casefold() in _COLUMNS["pid"]:
            self._processes.start()
            return
        pid, handles = whole(cells["pid"]), whole(cells["handles"])
        if pid is None or not cells["name"] or (handles is None and cells["handles"]):
            raise self._text.damaged(offset, "a process: a name, and whole numbers as Id and Handles")
        self._take_host(offset, cells.get("host", ""))
        process = Process(
            pid=pid,
            started_at=self._start(cells.get("start", "")),
            name=image(cells["name"]),
            handles=handles,
            exe=clean(cells.get("exe", "")) or None,
            user=clean(cells.get("user", "")) or None,
            version=clean(cells.get("version", "")) or None,
        )
        self._processes.add(pid, process, offset=offset)

    def _take_host(self, offset: int, host: str) -> None:
        if host in ("", "."):
            return
        if self._host is not None and host.casefold() != self._host.casefold():
            raise self._text.damaged(offset, f"only processes of {self._host[:80]}: a file is read as one machine's")
        self._host = clean(host)

    def _start(self, cell: str) -> datetime | None:
        if not cell:
            return None
        if len(cell) <= 40 and _ISO.fullmatch(cell):
            try:
                return datetime.fromisoformat(cell).astimezone(UTC)
            except (ValueError, OverflowError):
                pass
        self._unclear_starts = True
        return None

    def dump(self) -> Dump:
        found = list(self._processes.items.values())
        if not found:
            raise Damaged(f"line {self._text.content.count(chr(10)) + 1}: expected processes after the heading")
        notes = list(self._processes.notes)
        if self._unclear_starts:
            notes.append(
                "Start times are not used: they are not ISO 8601 with a zone, as ToString('o') of UTC writes it."
            )
        complete = lists_all(process.name for process in found)
        if not complete:
            notes.append(SOME_PROCESSES)
        return Dump(
            NAME,
            [Moment(None, found)],
            host=self._host,
            os_family="windows",
            partial=not complete,
            notes=tuple(notes),
        )
