"""Views of one leak and of one program across its restarts, beside those of `views`: `/leaks/{id}` and
`/hosts/{host}/programs/{program}`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from server.web.views import (
    Chart,
    EventRow,
    Match,
    Os,
    ProcessRow,
    Shell,
    SignatureBadge,
    View,
)
from server.web.views_leaks import Done, LeakRow


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakQuery:
    """The query string of `/leaks/{id}`; "" means not given: then the chart shows the whole leak.

    range: a key of RANGES. from_, to: RFC 3339, the range instead (the parameter is `from`). done: what the reader has
    just done, a key of the words for it.
    """

    range: str = ""
    from_: str = ""
    to: str = ""
    done: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gone:
    """What leaked no longer runs. since: when it was last seen, None = longer ago than is shown. pid: of the one
    process that leaked, None = the whole program; others: how many of the program still run."""

    since: datetime | None
    pid: int | None
    others: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakFacts:
    """What is known of a leak beside its row.

    started_from, started_to: between which it began. handles_word: what its handles are called. limit_of: whose the
    limit is. full_from, full_at, full_to: when the limit is reached; full_at None: then no_forecast says why.
    share: of the program's growth that `type` takes, 0 to 1. resolved_why: what ended it, in a sentence. given_back:
    restarts meanwhile gave its handles back. gone: what leaked no longer runs.
    """

    handles_word: str
    started_from: datetime
    started_to: datetime
    detected_at: datetime
    lasted_s: float
    share: float | None = None
    limit_of: str | None = None
    full_from: datetime | None = None
    full_at: datetime | None = None
    full_to: datetime | None = None
    no_forecast: str | None = None
    at_limit_at: datetime | None = None
    resolved_why: str | None = None
    closed_by: str | None = None
    given_back: bool = False
    gone: Gone | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """Something to do. command: to be typed on the machine. href: a page of ours that helps, link: what to call it."""

    text: str
    command: str | None = None
    href: str | None = None
    link: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """A signature that names the leak."""

    badge: SignatureBadge
    summary: str
    resolution: str
    next_steps: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class LogEntry:
    """What became of a leak at a time. by: who did it, None where its history tells it. note: what they wrote."""

    at: datetime
    text: str
    by: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakView(View):
    """`/leaks/{id}`.

    home: from when to when the whole leak lasts; at_home: the chart shows that. evidence: sentences. counted: what the
    marks of the chart stand for, in words.
    software: what changed near the end of a resolved leak. beside: other leaks of the program here, newest first.
    other_hosts: how many others have the same, open. reopens:
    a person resolved it, so it may be reopened.
    may_triage: the reader may change it. error: why what they sent was not done. people: who may be assigned.
    json_url: the leak by REST.
    """

    template: ClassVar[str] = "leak.html"
    partial: ClassVar[str | None] = "_leak.html"

    shell: Shell
    query: LeakQuery
    leak: LeakRow
    facts: LeakFacts
    chart: Chart
    home: tuple[datetime, datetime]
    at_home: bool = True
    evidence: tuple[str, ...] = ()
    counted: str | None = None
    causes: tuple[Cause, ...] = ()
    advice: tuple[Advice, ...] = ()
    software: tuple[EventRow, ...] = ()
    log: tuple[LogEntry, ...] = ()
    beside: tuple[LeakRow, ...] = ()
    other_leaks: int = 0
    other_hosts: int = 0
    may_triage: bool = False
    reopens: bool = False
    people: tuple[str, ...] = ()
    done: Done | None = None
    error: str | None = None
    json_url: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgramQuery:
    """The query string of `/hosts/{host}/programs/{program}`: the chart's range and split (total, process, type), and
    the moment of the processes, as on the host page."""

    range: str = ""
    from_: str = ""
    to: str = ""
    by: str = ""
    at: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgramFacts:
    """handles: of all its processes now; None = not readable, or not running. limit: the least of its processes.
    last_seen_at: when it last ran, None = not known any more. other_leaks, other_hosts: open, elsewhere."""

    host: str
    program: str
    running: int
    os: Os
    simulated: bool = False
    silent: bool = False
    handles: int | None = None
    limit: int | None = None
    last_seen_at: datetime | None = None
    first_seen_at: datetime | None = None
    read_at: datetime | None = None
    other_leaks: int = 0
    other_hosts: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgramView(View):
    """`/hosts/{host}/programs/{program}`. leaks: open first, then the newest. events: of this program."""

    template: ClassVar[str] = "program.html"
    partial: ClassVar[str | None] = "_program.html"

    shell: Shell
    query: ProgramQuery
    facts: ProgramFacts
    chart: Chart
    processes: tuple[ProcessRow, ...] = ()
    processes_at: datetime | None = None
    processes_url: str = ""
    leaks: tuple[LeakRow, ...] = ()
    matches: tuple[Match, ...] = ()
    events: tuple[EventRow, ...] = ()
    events_more: bool = False
