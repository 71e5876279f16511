"""`pstat` of the Resource Kits for NT 4.0 and Windows 2000.

It says everything twice: a table with decimal pids, then a block for each process with its pid in hexadecimal. The
table is read; the blocks only where there is none.
"""

import re

from server.analysis.readings import Process
from server.dumps.dump import Dump, Moment
from server.dumps.listing import SOME_PROCESSES, Runs, lists_all, number
from server.dumps.names import kernel
from server.dumps.text import Text

NAME = "pstat"
_MARKS = re.compile(
    r"^pstat version \d|Pri +Hnd +Thd +Pid +Name|^pid: *[0-9a-f]{1,8} pri:", re.IGNORECASE | re.MULTILINE
)
_TIME = r"\s*\d{1,10}:\d\d:\d\d\.\d{3}"
_ROW = re.compile(
    _TIME * 2 + r"\s*\d{1,10}\s+\d{1,10}\s+\d{1,10}\s+-?\d{1,10}\s+(\d{1,10})\s+\d{1,10}\s+(\d{1,10})\s+(.+)"
)
_BLOCK = re.compile(
    r"pid:\s*([0-9a-fA-F]{1,8})\s+pri:\s*-?\d{1,4}\s+Hnd:\s*(\d{1,10})\s+Pf:\s*\d{1,10}\s+Ws:\s*\d{1,10}K\s+(.+)"
)
_EXPECTED = "a process, as in 0:00:08.231 0:00:07.250 1988 11427 8744 8 482 15 162 ntbackup.exe"


def recognises(head: str) -> bool:
    return _MARKS.search(head) is not None


def read(text: Text) -> Dump:
    processes: Runs[Process] = Runs(text)
    part = ""
    for offset, line in text.lines():
        lowered = line[:120].strip().casefold()
        if lowered.startswith("pstat version") or lowered.startswith("user time"):
            processes.start()
            part = "table" if lowered.startswith("user time") else ""
        elif lowered.startswith("pid:"):
            if part == "table" and processes.items:
                part = "done"
            elif part != "done":
                part = "blocks"
                _add(text, offset, _BLOCK.match(line.strip()), processes, base=16)
        elif part == "table" and not lowered.endswith("file cache"):
            _add(text, offset, _ROW.match(line), processes, base=10)
    if not processes.items:
        raise text.damaged(len(text.content), _EXPECTED)
    found = list(processes.items.values())
    whole = lists_all(process.name for process in found)
    notes = processes.notes if whole else (*processes.notes, SOME_PROCESSES)
    return Dump(NAME, [Moment(None, found)], os_family="windows", partial=not whole, notes=notes)


def _add(text: Text, offset: int, row: re.Match[str] | None, processes: Runs[Process], *, base: int) -> None:
    if row is None:
        raise text.damaged(offset, _EXPECTED)
    if base == 16:
        pid, handles = int(row.group(1), 16), number(row.group(2))
    else:
        pid, handles = int(row.group(2)), number(row.group(1))
    process = Process(pid=pid, started_at=None, name=kernel(row.group(3).strip()), handles=handles)
    processes.add(pid, process, offset=offset)
