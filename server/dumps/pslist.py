"""Sysinternals `pslist`: plain (`Hnd` is the handle count), `-t`, and `-x` and `-m`, which tell no counts.

It names images without `.exe`; see `server.dumps.names` for how they get it back. Elapsed times are not used: the file
does not tell when it was made, and a start time that varies from file to file would make one process into many.
"""

import re

from server.analysis.readings import Process
from server.dumps.dump import Dump, Moment
from server.dumps.listing import SOME_PROCESSES, Runs, lists_all, number
from server.dumps.names import clean, image
from server.dumps.text import Text

NAME = "pslist"
_MARKS = re.compile(r"^pslist v?\d|^ ?Name {2,300}Pid +(?:Pri|VM)\b|^process information for \S", re.IGNORECASE | re.M)
_BANNER = re.compile(r"\s*pslist v?\d", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z][A-Za-z ]{0,60} for (\S{1,300}):\s*$")
_TWO_WORDS = (("CPU Time", "CPU_Time"), ("User Time", "User_Time"), ("Kernel Time", "Kernel_Time"),
              ("Elapsed Time", "Elapsed_Time"), ("Priv Pk", "Priv_Pk"))  # fmt: skip


def recognises(head: str) -> bool:
    return _MARKS.search(head) is not None


def read(text: Text) -> Dump:
    processes: Runs[Process] = Runs(text)
    host: str | None = None
    columns: list[str] = []
    threads = counted = False
    for offset, line in text.lines():
        if _BANNER.match(line):
            processes.start()
            columns = []
            continue
        about = _HOST.match(line)
        if about is not None:
            host = _one_host(text, offset, host, about.group(1).lstrip("\\"))
            processes.start()
            columns = []
            continue
        heading = line.split(None, 2)[:2]
        if heading[:1] in (["Name"], ["Tid"]) and heading[1:] in (["Pid"], ["Pri"]):
            threads = heading[0] == "Tid"
            columns = columns if threads else _columns(line)
            counted = counted or "Hnd" in columns
        elif columns and not threads:
            pid, process = _process(text, offset, line, columns)
            processes.add(pid, process, offset=offset)
    if not processes.items:
        raise text.damaged(len(text.content), "the heading Name Pid Pri Thd Hnd … and processes below it")
    return _dump(processes, clean(host) if host else None, counted=counted)


def _one_host(text: Text, offset: int, known: str | None, host: str) -> str:
    if known is not None and known.casefold() != host.casefold():
        raise text.damaged(offset, f"only processes of {known[:80]}: a file is read as one machine's")
    return host


def _columns(heading: str) -> list[str]:
    for words, word in _TWO_WORDS:
        heading = heading.replace(words, word)
    return heading.split()


def _process(text: Text, offset: int, line: str, columns: list[str]) -> tuple[int, Process]:
    """Names may hold blanks and overflow their column, so a row is taken apart from the right."""
    cells = line.rsplit(None, len(columns) - 1)
    row = dict(zip(columns, cells, strict=False))
    pid = number(row.get("Pid", "")) if len(cells) == len(columns) else None
    handles = number(row["Hnd"]) if "Hnd" in row else None
    if pid is None or ("Hnd" in row and handles is None):
        raise text.damaged(offset, f"a process with the columns {' '.join(columns)}")
    return pid, Process(pid=pid, started_at=None, name=image(cells[0].strip()), handles=handles)


def _dump(processes: Runs[Process], host: str | None, *, counted: bool) -> Dump:
    found = list(processes.items.values())
    notes = list(processes.notes)
    if not counted:
        notes.append("This listing has no column Hnd, so no handle counts: run pslist without -x, -d or -m.")
    whole = lists_all(process.name for process in found)
    if not whole:
        notes.append(SOME_PROCESSES)
    return Dump(NAME, [Moment(None, found)], host=host, os_family="windows", partial=not whole, notes=tuple(notes))
