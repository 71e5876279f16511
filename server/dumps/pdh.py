"""Performance logs as text: PDH-CSV and PDH-TSV of typeperf, logman, relog and Performance Monitor, many moments each.

Times are local in the file and its heading tells the zone: UTC is local time plus the minutes there. `name#2` is only a
position among namesakes, which shifts when an earlier one exits: it is the column `ID Process` that says who is who.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from zlib import crc32

from server.analysis.readings import MOST, Process
from server.dumps.dump import Damaged, Dump, Moment
from server.dumps.listing import MOST_PROCESSES, SOME_PROCESSES, lists_all
from server.dumps.names import clean, image
from server.dumps.table import rows
from server.dumps.text import Text

NAME = "pdh-csv"
MOST_MOMENTS = 100_000
MOST_READINGS = 1_000_000  # one process at one moment is a reading; what a file this long takes is memory
STAND_INS = 1 << 32  # pids above any real one, where the log has no ID Process
_SPLIT = "cut the log into shorter ones, as with relog -b BEGIN -e END"
_MARK = re.compile(r"\(PDH-[CT]SV 4\.0\)")
_ZONE = re.compile(r"\((-?\d{1,4})\)\s*$")
_TIME = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))?")
_VALUE = re.compile(r"\d{1,17}(?:[.,]\d{0,20})?(?:[eE][+-]?\d{1,2})?")
_POSITION = re.compile(r"(?<=.)#\d{1,6}$", re.DOTALL)
# English, then what the same counters are called in German, French, Spanish, Italian, Portuguese, Korean and Japanese.
_PROCESS = frozenset({"process", "process v2", "prozess", "processus", "proceso", "processo", "프로세스", "プロセス"})
_HANDLES = frozenset({
    "handle count", "handleanzahl", "anzahl handles", "nombre de handles", "nombre de descripteurs",
    "número de identificadores", "recuento de identificadores", "conteggio handle", "contagem de identificadores",
    "핸들 수", "핸들 개수", "ハンドル数", "ハンドル カウント",
})  # fmt: skip
_PIDS = frozenset({
    "id process", "process id", "prozesskennung", "prozess-id", "id de processus", "id. de proceso", "id de proceso",
    "id processo", "id do processo", "프로세스 id", "id 프로세스", "プロセス id",
})  # fmt: skip


def recognises(head: str) -> bool:
    return _MARK.search(head[:4096]) is not None


@dataclass(slots=True)
class _Instance:
    """One process by its name in the log; columns None: the log has none. `pid` where the name or nothing tells it."""

    name: str
    handles: int | None = None
    pids: int | None = None
    pid: int | None = None


@dataclass(slots=True)
class _Layout:
    width: int
    dated: bool  # date and time stand in two cells
    bias: timedelta | None
    instances: list[_Instance] = field(default_factory=list)


def read(text: Text) -> Dump:
    lines = text.lines()
    heading = next(((offset, line) for offset, line in lines if _MARK.search(line[:4096])), None)
    if heading is None:
        raise text.damaged(0, 'the heading, which begins with "(PDH-CSV 4.0)"')
    reader = _Reader(text)
    for place, row in rows(text, chain([heading], lines), _separator(heading[1])):
        reader.take(place, row)
    return reader.dump()


def _separator(line: str) -> str:
    """That of the heading: its first cell is closed by a quote, and a list in some languages is parted by `;`."""
    if "(PDH-TSV" in line[:4096]:
        return "\t"
    return ";" if line.find('";') >= 0 and line.find('",') < 0 else ","


class _Reader:
    def __init__(self, text: Text) -> None:
        self._text = text
        self._layout = _Layout(0, False, None)
        self._host: str | None = None
        self._moments: list[Moment] = []
        self._readings = 0
        self._short: int | None = None
        self._notes: dict[str, None] = {}
        self._names: set[str] = set()

    def take(self, offset: int, row: list[str]) -> None:
        if not row:
            return
        if _MARK.search(row[0]):
            self._layout = self._heading(offset, row)
            return
        layout = self._layout
        when = f"{row[0].strip()} {row[1].strip()}" if layout.dated and len(row) > 1 else row[0].strip()
        time = _TIME.fullmatch(when) if len(when) <= 40 and when.isascii() else None
        if time is None:
            return  # what typeperf says at the end, in the language of the machine
        if self._short is not None:
            raise self._text.damaged(self._short, f"{layout.width} cells, as the heading has")
        if len(row) != layout.width:
            self._short = offset
            return
        moment = Moment(self._time(offset, time), self._processes(offset, row))
        self._readings += len(moment.processes)
        self._moments.append(moment)
        if len(self._moments) > MOST_MOMENTS or self._readings > MOST_READINGS:
            raise self._text.damaged(offset, f"at most {MOST_MOMENTS:,} moments and {MOST_READINGS:,} counts: {_SPLIT}")

    def _heading(self, offset: int, row: list[str]) -> _Layout:
        zone = _ZONE.search(row[0][-32:])
        bias = None if zone is None else timedelta(minutes=int(zone.group(1)))
        dated = len(row) > 1 and row[0].lstrip().startswith("Date") and row[1].strip().casefold() == "time"
        if dated:
            words = row[0].split(None, 2)
            self._take_host(offset, words[1][2:] if len(words) > 1 and words[1].startswith("\\\\") else "")
        found: dict[tuple[str, str], _Instance] = {}
        others = []
        for position, cell in enumerate(row[1:], 1):
            host, thing, instance, counter = _path(cell)
            if thing not in _PROCESS or counter not in _HANDLES | _PIDS or not instance:
                others.append(counter)
                continue
            self._take_host(offset, host)
            if instance == "_Total":
                continue
            known = found.setdefault((thing, instance), _Instance(instance))
            if counter in _HANDLES:
                known.handles = position if known.handles is None else known.handles
            else:
                known.pids = position if known.pids is None else known.pids
            if (
                thing == "process v2"
                and instance[:1] != ":"
                and instance.rpartition(":")[2].isdecimal()
                and len(instance) < 1024
            ):
                known.name, _, digits = instance.rpartition(":")
                known.pid = int(digits[:10]) if digits.isascii() else None
        if not any(instance.handles is not None for instance in found.values()):
            told = "; it has " + ", ".join(sorted(set(others))[:5])[:200] if others else ""
            raise self._text.damaged(offset, rf"columns such as \\HOST\Process(ntbackup)\Handle Count{told}")
        if len(found) > MOST_PROCESSES:
            raise self._text.damaged(offset, f"no more than {MOST_PROCESSES:,} processes")
        return _Layout(len(row), dated, bias, self._known(list(found.values())))

    def _take_host(self, offset: int, host: str) -> None:
        if not host:
            return
        if self._host is not None and host.casefold() != self._host.casefold():
            raise self._text.damaged(
                offset, f"only counters of {self._host[:80]}: make one log a machine, as with relog -cf LIST"
            )
        self._host = clean(host)

    def _known(self, instances: list[_Instance]) -> list[_Instance]:
        """Those whose counts are there and that can be told from their namesakes, under the names collectors use."""
        namesakes: dict[str, int] = {}
        for instance in instances:
            base = _POSITION.sub("", instance.name).casefold()
            namesakes[base] = namesakes.get(base, 0) + 1
        known = []
        for instance in instances:
            if instance.handles is None:
                continue
            base = _POSITION.sub("", instance.name)
            if instance.pids is None and instance.pid is None:
                if namesakes[base.casefold()] > 1 or base != instance.name:
                    self._note("Programs that ran more than once are left out: log ID Process beside Handle Count.")
                    continue
                self._note(
                    "Without ID Process, restarts cannot be seen; numbers above 4,294,967,295 stand in for pids."
                )
                instance.pid = STAND_INS + crc32(base.casefold().encode("utf-8", "replace"))
            instance.name = image(base)
            known.append(instance)
        return known

    def _processes(self, offset: int, row: list[str]) -> list[Process]:
        processes: dict[int, Process] = {}
        for instance in self._layout.instances:
            handles = self._value(offset, row[instance.handles or 0])
            pid = instance.pid if instance.pids is None else self._value(offset, row[instance.pids])
            if pid is None:
                if handles is not None:
                    self._note("Counts without a pid beside them are left out.")
                continue
            if instance.pids is None and handles is None:
                continue  # not there at this moment
            if pid not in processes:
                name = instance.name.removesuffix(f"_{pid}.exe")
                processes[pid] = Process(
                    pid=pid,
                    started_at=None,
                    name=instance.name if name == instance.name else image(name),
                    handles=handles,
                )
                self._names.add(instance.name)
        return list(processes.values())

    def _value(self, offset: int, cell: str) -> int | None:
        """Blank and -1 are unknown."""
        digits, dot, rest = cell.partition(".")
        if digits.isascii() and digits.isdigit() and len(digits) < 16 and (not dot or rest.strip("0") == ""):
            return int(digits)
        cell = cell.strip()
        if not cell or (cell[0] == "-" and cell[1:2].isdigit()):
            return None
        if not (cell.isascii() and _VALUE.fullmatch(cell)):
            raise self._text.damaged(offset, f'numbers after the time, and "{cell[:40]}" is none')
        value = float(cell.replace(",", "."))
        if value > MOST:
            raise self._text.damaged(offset, f"counts of at most {MOST:,}")
        return round(value)

    def _time(self, offset: int, found: re.Match[str]) -> datetime:
        month, day, year, hour, minute, second = (int(group) for group in found.groups()[:6])
        fraction = int((found.group(7) or "0").ljust(3, "0")) * 1000
        if self._layout.bias is None:
            self._note(
                "The heading tells no zone, so times were taken as UTC: write the log with -o FILE, or add the zone's "
                "minutes to its first cell, as in (PDH-CSV 4.0) (Korea Standard Time)(-540)."
            )
        try:
            local = datetime(year, month, day, hour, minute, second, fraction, UTC)
            return local + (self._layout.bias or timedelta(0))
        except (ValueError, OverflowError):
            raise self._text.damaged(offset, "a time as month/day/year hours:minutes:seconds") from None

    def _note(self, note: str) -> None:
        self._notes[note] = None

    def dump(self) -> Dump:
        if self._short is not None:
            self._note("The last line is not whole and was left out.")
        if not self._moments:
            raise Damaged("no moments: expected rows such as 08/10/2001 21:00:00.250 and values after the heading")
        whole = lists_all(self._names)
        if not whole:
            self._note(SOME_PROCESSES)
        return Dump(
            NAME, self._moments, host=self._host, os_family="windows", partial=not whole, notes=tuple(self._notes)
        )


def _path(cell: str) -> tuple[str, str, str, str]:
    """Host, object (folded), instance and counter (folded) of `\\\\HOST\\Object(instance)\\Counter`. An instance may
    hold brackets and slashes: the object ends at the first bracket, the counter begins after the last backslash."""
    host = ""
    cell = cell.strip()
    if cell.startswith("\\\\"):
        host, _, cell = cell[2:].partition("\\")
    thing, _, counter = cell.lstrip("\\").rpartition("\\")
    name, bracket, instance = thing.partition("(")
    return host, name.strip().casefold(), instance.removesuffix(")") if bracket else "", counter.strip().casefold()
