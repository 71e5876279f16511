"""One reading as a table for people. Pure: from a reading to lines of text."""

from collections.abc import Iterator

from collector.sources import Reading
from collector.wire import Process

NOT_READABLE = "not readable"


def lines(reading: Reading, *, types: bool, top: int | None = None) -> Iterator[str]:
    """A head, one line a process from most handles to least, what could be seen, and what it cost."""
    processes = sorted(reading.processes, key=lambda process: (-(process.handles or -1), process.pid))
    shown = processes if top is None else processes[:top]
    width = max([len(process.program) for process in shown] + [7])
    yield f"{'HANDLES':>12}  {'LIMIT':>11}  {'%':>4}  {'PID':>8}  " + (
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
        f"{coverage.processes - coverage.denied - coverage.broken:,} of {coverage.processes:,} processes readable, "
        f"{total:,} handles"
    )
    yield from reading.unseen


def cost(reading: Reading, memory_mb: float | None) -> str:
    memory = "" if memory_mb is None else f", {memory_mb:.1f} MiB resident"
    return f"this reading cost {reading.read_ms:.1f} ms of CPU, types {reading.types_ms:.1f} ms{memory}"


def _line(process: Process, width: int | None) -> str:
    handles, limit = process.handles, process.limit
    share = "" if handles is None or not limit else f"{100 * handles / limit:.0f}"
    count = NOT_READABLE if handles is None else f"{handles:,}"
    ceiling = "" if limit is None else f"{limit:,}"
    line = f"{count:>12}  {ceiling:>11}  {share:>4}  {process.pid:>8}  "
    name = _printable(process.program)
    if width is None:
        return line + name
    return f"{line}{name:<{width}}  {_types(process)}".rstrip()


def _types(process: Process) -> str:
    found = sorted((process.types or {}).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {name}" for name, count in found)


def _printable(name: str) -> str:
    """A process may call itself anything, escape sequences for the terminal included."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
