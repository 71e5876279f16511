"""One reading as a table for people. Pure: from a reading to lines of text."""

from collections.abc import Iterator

from collector.sources import Reading
from collector.wire import Process

NOT_READABLE = "not readable"
NOT_READ = "not read"


def lines(reading: Reading, *, types: bool, top: int | None = None) -> Iterator[str]:
    """A head, one line a process from most handles to least, what could be seen, and what it cost."""
    processes = sorted(reading.processes, key=_from_most_to_least)
    shown = processes if top is None else processes[:top]
    width = max([len(process.program) for process in shown] + [7])
    yield f"{'HANDLES':>12}  {'LIMIT':>11}  {'USED':>7}  {'PID':>8}  " + (
        f"{'PROGRAM':<{width}}  TYPES" if types else "PROGRAM"
    )
    for process in shown:
        yield _line(process, width if types else None)
    if len(shown) < len(processes):
        yield f"and {len(processes) - len(shown):,} more"
    yield ""
    coverage = reading.coverage
    total = sum(process.handles or 0 for process in processes)
    yield (
        f"counts of {coverage.processes - coverage.denied - coverage.broken:,} of {coverage.processes:,} processes "
        f"readable, {total:,} handles in all"
    )
    yield from reading.unseen


def cost(reading: Reading, memory_mb: float | None) -> str:
    """Milliseconds of CPU; on Windows, whose clock of CPU is too coarse, of elapsed time."""
    memory = "" if memory_mb is None else f"; {memory_mb:.1f} MiB resident"
    return f"this reading cost {reading.read_ms:.1f} ms for counts, {reading.types_ms:.1f} ms for types{memory}"


def _from_most_to_least(process: Process) -> tuple[bool, int, int]:
    """What is not known comes last, behind what is known to be 0."""
    return process.handles is None, -(process.handles or 0), process.pid


def _line(process: Process, width: int | None) -> str:
    handles, limit = process.handles, process.limit
    count = NOT_READABLE if handles is None else f"{handles:,}"
    ceiling = "" if limit is None else f"{limit:,}"
    line = f"{count:>12}  {ceiling:>11}  {_used(handles, limit):>7}  {process.pid:>8}  "
    name = _printable(process.program)
    mark = "  (names not readable)" if process.unnamed else ""
    if width is None:
        return line + name + mark
    return f"{line}{name:<{width}}  {_types(process)}".rstrip() + mark


def _used(handles: int | None, limit: int | None) -> str:
    """The part of the limit, as the host's page puts it."""
    if handles is None or not limit:
        return ""
    share = 100 * handles / limit
    return "< 0.1 %" if 0 < share < 0.1 else f"{share:.1f} %"


def _types(process: Process) -> str:
    if process.types is None:
        return NOT_READ
    found = sorted(process.types.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {name}" for name, count in found)


def _printable(name: str) -> str:
    """A process may call itself anything, escape sequences for the terminal included."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
