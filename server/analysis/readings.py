"""What one snapshot says, as decoded from the wire and as stored: plain structures with their bounds, no behaviour."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

MOST = 2**53 - 1
MOST_SUM = 2**63 - 1  # what a column holds; the sum of many such counts stops there
LONGEST = 1024

Count = Annotated[int, Meta(ge=0, le=MOST)]
Text = Annotated[str, Meta(max_length=LONGEST)]
Instant = Annotated[datetime, Meta(tz=True)]


class ObjectCount(Struct, omit_defaults=True):
    """Handles of one process on objects of one name. `count` may be scaled up from a sample (`estimated`)."""

    type: Text
    name: Text
    count: Count
    distinct: Count | None = None
    estimated: bool = False


class Process(Struct, omit_defaults=True):
    """One process in one snapshot. `handles` null: it could not be read. `types` empty: nothing is said about types.
    `objects` null: they were not looked at."""

    pid: Count
    started_at: Instant | None
    name: Text
    handles: Count | None
    limit: Count | None = None
    types: Annotated[dict[Text, Count], Meta(max_length=64)] = {}
    objects: Annotated[list[ObjectCount], Meta(max_length=200)] | None = None
    instance: Text | None = None
    exe: Text | None = None
    user: Text | None = None
    version: Text | None = None


class Coverage(Struct, omit_defaults=True):
    """How many processes there were and how many of them could not be read."""

    processes: Count | None = None
    denied: Count | None = None


class OpenFiles(Struct):
    """The machine's table of open files; `limit` null: there is none."""

    used: Count
    limit: Count | None = None


class UserInstances(Struct):
    user: Text
    instances: Count


class Inotify(Struct):
    """Inotify instances of the users with the most of them; `limit` is what each user may have."""

    limit: Count
    users: Annotated[list[UserInstances], Meta(max_length=100)] = []


class Machine(Struct):
    """What the processes of a machine share, beyond their own limits; null: not told."""

    open_files: OpenFiles | None = None
    inotify: Inotify | None = None


class Unread(Struct, omit_defaults=True):
    """Processes whose counts are known but not all of the rest: those that did not give their types, those whose names
    may not be read, and those that gave something that was not understood. Null: not told."""

    types_denied: Count | None = None
    unnamed: Count | None = None
    broken: Count | None = None


class Beyond(Machine, omit_defaults=True):
    """What the newest snapshot of a host says beyond its counts."""

    unread: Unread | None = None


class Reading(Struct, omit_defaults=True):
    """All processes of one host at one time; the time itself is kept beside it. `interval_s`: within which its
    collector was to report again; `booted_us`: when the machine was booted, as sent; `partial`: it
    tells of some processes alone, as a dump file may."""

    processes: list[Process]
    coverage: Coverage | None = None
    interval_s: int | None = None
    booted_us: int | None = None
    partial: bool = False
