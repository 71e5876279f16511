"""What a dump file says, whatever its format: one or more moments of one machine."""

from dataclasses import dataclass, field
from datetime import datetime

from server.analysis.readings import Process


class NotUnderstood(Exception):
    """The content is none of the formats known; the text says what they are."""


class Damaged(Exception):
    """The format is known, its content can't be read; the text names the line at fault and what was expected."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The processes at one time; `time` None: the file does not tell. A process whose handles were listed only in part
    has `handles` null and what was listed as `objects`: a partial dump never becomes a total."""

    time: datetime | None
    processes: list[Process]


@dataclass(frozen=True, slots=True)
class Dump:
    """One file as read. `format`: a name of FORMATS; `host`, `os_family`: None where the file does not tell; `partial`:
    it lists only some processes or handles; `notes`: sentences on what was left out, guessed or read on best effort."""

    format: str
    moments: list[Moment]
    host: str | None = None
    os_family: str | None = None
    partial: bool = False
    notes: tuple[str, ...] = field(default=())
