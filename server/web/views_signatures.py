"""Views of the catalogue and of the hosts that show a signature, beside those of `views`: `/signatures` and
`/signatures/{id}`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from server.analysis.signatures import Level
from server.web.views import Os, Shell, Software, View


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelCounts:
    """Hosts per level; a host counts once, at its worst level."""

    exposed: int = 0
    present: int = 0
    leaking: int = 0
    cleared: int = 0

    @property
    def total(self) -> int:
        return self.exposed + self.present + self.leaking + self.cleared

    def of(self, level: Level) -> int:
        return {"exposed": self.exposed, "present": self.present, "leaking": self.leaking, "cleared": self.cleared}[
            level
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """Where a signature comes from; href None = nothing to link to (only http and https are linked)."""

    text: str
    href: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureFacts:
    """A signature of the catalogue, for people.

    title: the short name with its number, "V3 Pro (Q277673)"; summary: the catalogue's sentence. applies_to: systems in
    words, () = any. programs: names, as hints (programs_required False) or conditions. type, object: what leaks.
    least: least count. software: what must be installed, in words. cause, resolution: paragraphs. next_steps: what to
    do, in order. unknowns: what the source does not say. notes: a paragraph of whatever else is to be said.
    """

    id: str
    title: str
    summary: str = ""
    applies_to: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    programs_required: bool = False
    type: str | None = None
    object: str | None = None
    least: int | None = None
    software: str | None = None
    cause: str = ""
    resolution: str = ""
    next_steps: tuple[str, ...] = ()
    unknowns: tuple[str, ...] = ()
    notes: str = ""
    references: tuple[Reference, ...] = ()

    @property
    def handles_label(self) -> str:
        """What its handles are called over a column: the last part of the object's name, else the type."""
        what = self.object.rsplit("\\")[-1] if self.object else self.type
        return f"{what} handles" if what else "Handles"


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogueRow:
    """A signature in the catalogue's table with its counts."""

    signature: SignatureFacts
    counts: LevelCounts


@dataclass(frozen=True, kw_only=True, slots=True)
class SignaturesView(View):
    """`/signatures`: the catalogue, those with leaking hosts first."""

    template: ClassVar[str] = "signatures.html"
    partial: ClassVar[str | None] = "_signatures.html"

    shell: Shell
    rows: tuple[CatalogueRow, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureQuery:
    """The query string of `/signatures/{id}`; "" means not given.

    level: one of LEVELS. sort: host, os, program, handles, distinct, rate, since, last_seen, version, level, with "-"
    before it for descending; default: worst level first, then most handles.
    """

    level: str = ""
    sort: str = ""
    cursor: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureHost:
    """One (host, program) that shows the signature.

    program, pid, handles, distinct: None where it is only exposed, or not read. estimated: the count is scaled up.
    applies_to: inside the list of systems the source names; None = the system is not known well enough to say.
    software: what was found installed. changed: for a cleared one, what changed ("V3 Pro 2000 removed").
    """

    host: str
    os: Os
    level: Level
    simulated: bool = False
    silent: bool = False
    program: str | None = None
    pid: int | None = None
    handles: int | None = None
    distinct: int | None = None
    estimated: bool = False
    rate_per_hour: float | None = None
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    applies_to: bool | None = None
    software: Software | None = None
    changed: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureView(View):
    """`/signatures/{id}`. total: rows that match the filter, all pages; next_cursor: None on the last page."""

    template: ClassVar[str] = "signature.html"
    partial: ClassVar[str | None] = "_signature.html"

    shell: Shell
    query: SignatureQuery
    signature: SignatureFacts
    counts: LevelCounts
    rows: tuple[SignatureHost, ...] = ()
    total: int = 0
    next_cursor: str | None = None
