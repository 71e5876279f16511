"""Where readings come from: one file per operating system, one shape, chosen here and nowhere else."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from collector.wire import Coverage, Inventory, JsonObject, Process


class NotThereYet(Exception):
    """This operating system has no source; the message says so to a person."""


class NoMachine(Exception):
    """There is no machine to be read under `SourceOptions.root`; the message says so and what to do."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a source knows of the machine: `os` as on the wire, `booted_at` in RFC 3339 or None."""

    os: dict[str, str | None]
    booted_at: str | None


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """`root`: where the machine's file system is seen; `state`: where facts are kept between runs, None has none;
    `keep`: whether new facts may be written there; `types_budget_s`: CPU seconds that one reading may spend on types
    and names; `names`: whether names are read."""

    root: Path = Path("/")
    state: Path | None = None
    keep: bool = True
    types_budget_s: float = 0.15
    names: bool = True


@dataclass(slots=True)
class Reading:
    """One look at every process. `read_ms` is CPU for the counts, `types_ms` CPU for types and names, `looked` the
    number of processes whose types were read, `postponed` those that were due but did not fit the budget.
    `machine` as in a Snapshot."""

    processes: list[Process]
    coverage: Coverage
    read_ms: float = 0.0
    types_ms: float = 0.0
    looked: int = 0
    postponed: int = 0
    unseen: list[str] = field(default_factory=list)
    machine: JsonObject | None = None


def asked_for(process: Process, inspect: frozenset[str]) -> bool:
    """Whether the server wants its names: by its image, or as one of the programs that its image runs."""
    return bool(inspect) and (process.name.lower() in inspect or process.program.lower() in inspect)


class Source(Protocol):
    """Reads one machine. Keeps what it must between readings; does not sleep and does not ask for the time."""

    name: str

    def machine(self) -> Machine: ...

    def inventory(self) -> Inventory | None:
        """What is installed on this machine now, None where the source does not look. Asked for every few minutes,
        perhaps in another thread than `read`."""
        ...

    def memory_mb(self) -> float | None:
        """What this program itself has resident, in MiB."""
        ...

    def read(self, *, now: float, inspect: frozenset[str] = frozenset()) -> Reading:
        """Every process at `now` (seconds since any fixed moment, never going back). `inspect`: programs, in lower
        case, whose types and names are wanted. `Reading.unseen` says in sentences what could not be seen and why."""
        ...


def choose(options: SourceOptions, platform: str = sys.platform) -> Source:
    """The source for this operating system.

    Raises NotThereYet where there is none, and NoMachine where it finds nothing to read.
    """
    if platform.startswith("linux"):
        from collector.sources.linux import LinuxSource

        return LinuxSource(options)
    if platform == "win32":
        from collector.sources.windows import open_source

        return open_source(options)
    system = "macOS" if platform == "darwin" else platform
    raise NotThereYet(f"Handlewatch has no collector for {system} yet; this version reads Linux and Windows.")
