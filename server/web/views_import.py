"""Views of what comes from dump files, beside those of `views`: the import page and the comparison of two moments."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from server.web.views import Choice, ObjectCount, Shell, TypeCount, View


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportFields:
    """What the form says beside the file, as typed; "" means not given. The query string of `/import` fills it in."""

    host: str = ""
    time: str = ""
    format: str = ""
    os: str = ""
    os_name: str = ""
    os_version: str = ""
    service_pack: str = ""

    @property
    def about_system(self) -> bool:
        return bool(self.os or self.os_name or self.os_version or self.service_pack)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportRow:
    """One process of a file's newest moment. handles: None = the file does not tell. types, objects: most first; None =
    nothing is said of them."""

    program: str
    pid: int
    handles: int | None = None
    types: tuple[TypeCount, ...] | None = None
    objects: tuple[ObjectCount, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportFound:
    """What was understood of a file; nothing of it is stored yet.

    title: what the format is called. host: as it would be stored; None = to be said. first, last: oldest and newest
    moment; None = to be said. moments: how many. processes: of the newest moment; handles: theirs together, None = not
    told. rows: the first of them. partial: only some processes or handles are listed. known: the host is here already,
    last seen at last_seen_at. kept: the file itself, packed, so that it need not be sent again. name, size: its.
    """

    title: str
    host: str | None
    first: datetime | None
    last: datetime | None
    moments: int
    processes: int
    kept: str
    name: str = ""
    size: int = 0
    handles: int | None = None
    rows: tuple[ImportRow, ...] = ()
    partial: bool = False
    notes: tuple[str, ...] = ()
    known: bool = False
    last_seen_at: datetime | None = None

    @property
    def complete(self) -> bool:
        return self.host is not None and self.last is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportStored:
    """What became of a file. accepted: moments that were new; duplicates: that were there already. looked_at: programs
    whose handles it lists by type or name, most handles first."""

    host: str
    accepted: int
    duplicates: int
    first: datetime
    last: datetime
    partial: bool = False
    looked_at: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportView(View):
    """`/import`.

    may_import: whether the person may. formats: what is known. found: a file as understood, before it is stored;
    stored: after that. error: what is wrong, in a sentence; faults: names of the fields it is about.
    """

    template: ClassVar[str] = "import.html"

    shell: Shell
    may_import: bool
    fields: ImportFields = field(default_factory=ImportFields)
    formats: tuple[Choice, ...] = ()
    found: ImportFound | None = None
    stored: ImportStored | None = None
    error: str | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareMoment:
    """One of the two moments. value: its time as the address has it. handles: of all the processes; None = not told.
    pids: of the processes meant that were there. types, objects: whether anything was told of them."""

    time: datetime
    value: str
    handles: int | None = None
    pids: tuple[int, ...] = ()
    types: bool = False
    objects: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareRow:
    """One type, or one name of it, at both moments; None = not known."""

    type: str
    name: str | None = None
    before: int | None = None
    after: int | None = None
    difference: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareView(View):
    """`/hosts/{host}/compare`.

    program, pid: whom it is about; one of them at least. moments: times that can be compared, newest first, as the
    address has them. a, b: the earlier and the later; None = there is none. types, objects: what grew most first;
    objects_total: how many names there are.
    """

    template: ClassVar[str] = "compare.html"

    shell: Shell
    host: str
    program: str | None = None
    pid: int | None = None
    moments: tuple[str, ...] = ()
    a: CompareMoment | None = None
    b: CompareMoment | None = None
    types: tuple[CompareRow, ...] = ()
    objects: tuple[CompareRow, ...] = ()
    objects_total: int = 0
    json_url: str = ""
    csv_url: str = ""
