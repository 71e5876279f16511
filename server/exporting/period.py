"""Exports the history of a period, a file for each host and UTC day, whatever it lies in: blocks, or snapshots that are
not in one yet. Reads a host's day at a time, so that neither memory nor a transaction grows with the fleet."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from server.analysis.instants import DAY
from server.exporting import columns, files
from server.exporting.files import Source
from server.store import extents, history
from server.store.database import Database
from server.store.extents import Extent, NamedHost


@dataclass(frozen=True, slots=True)
class Period:
    """What to export: shown times (both ends inclusive), of which hosts (empty: all), per program or per process."""

    from_us: int
    to_us: int
    host_keys: Sequence[str] = ()
    labels: Sequence[tuple[str, str]] = ()
    by_program: bool = False


@dataclass(slots=True)
class Tally:
    """What an export has done so far. `kept`: files that were there and are as good or better."""

    hosts: int = 0
    written: int = 0
    rows: int = 0
    size: int = 0
    kept: int = 0
    days_of_host: tuple[int, int] = field(default=(0, 0))  # done, of


def wanted_hosts(database: Database, period: Period) -> list[NamedHost]:
    with database.read() as connection:
        return extents.named_hosts(connection, period.host_keys)


def export(
    database: Database, folder: Path, period: Period, hosts: Sequence[NamedHost], told: Callable[[Tally], None]
) -> Tally:
    """`told` hears of each file and each host that is done. Raises FolderError, and OSError where a file can't be
    written. What is there already, made from the same snapshots or from finer ones, stays; so an export that was
    stopped is gone on with by running it again."""
    tally = Tally()
    with files.held(folder):
        for host in hosts:
            days = _days(database, host, period)
            tally.hosts += bool(days)
            for done, source in enumerate(days, 1):
                tally.days_of_host = (done, len(days))
                _export_day(database, folder, host.name, source, period, tally)
                told(tally)
            tally.days_of_host = (0, 0)
            told(tally)
    return tally


def _export_day(database: Database, folder: Path, host: str, source: Source, period: Period, tally: Tally) -> None:
    file = files.place(folder, "programs" if period.by_program else "processes", source, host)
    before = files.made_from(file)
    if before is not None and (before == source or _is_finer(before, source)):
        tally.kept += 1
        return
    rows, size = files.write(file, source, _batches(database, host, source, by_program=period.by_program))
    tally.written += rows > 0
    tally.rows += rows
    tally.size += size


def _is_finer(before: Source, now: Source) -> bool:
    """What was exported whole before the server made it coarser is better than what there is now."""
    whole = before.from_us <= now.from_us and before.to_us >= now.to_us and before.snapshots >= now.snapshots
    return whole and before.step_s < now.step_s


def _batches(database: Database, host: str, source: Source, *, by_program: bool) -> Iterator[object]:
    of = columns.of_programs if by_program else columns.of_processes
    with database.read(steady=True) as connection:
        for frame in history.frames_one_by_one(connection, source.host_id, source.from_us, source.to_us):
            yield from of(frame, host)


def _days(database: Database, host: NamedHost, period: Period) -> list[Source]:
    """The days of the period in which the host has any history, oldest first."""
    with database.read() as connection:
        if period.labels and not extents.has_labels(connection, host.host_id, period.labels):
            return []
        found = extents.extents(connection, host.host_id, period.from_us, period.to_us)
    by_day: dict[int, list[Extent]] = {}
    for one in found:
        first, last = max(one.from_us, period.from_us), min(one.to_us, period.to_us)
        for day in range(first // DAY, last // DAY + 1):
            by_day.setdefault(day, []).append(one)
    return [
        Source(
            host_id=host.host_id,
            from_us=max(day * DAY, period.from_us),
            to_us=min((day + 1) * DAY - 1, period.to_us),
            snapshots=sum(one.snapshots for one in parts),
            step_s=max(one.step_s for one in parts),
        )
        for day, parts in sorted(by_day.items())
    ]
