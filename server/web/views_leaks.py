"""Views of leaks across the fleet and of how soon to speak of them, beside those of `views`: `/leaks` and
`/settings/detection`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from server.web.views import Choice, Shell, SignatureBadge, View

Phase = Literal["detected", "growing", "at_limit", "returned"]
Triage = Literal["new", "acknowledged", "muted"]
Sensitivity = Literal["quiet", "low", "normal", "high"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaksQuery:
    """The query string of `/leaks`; "" means not given.

    view: leaks (the default) or groups. status: open (the default), resolved, all, quiet. search: part of a program
    or host. host, program, type, object: exactly these; type "-": no one type explains the growth. phase, triage: as a
    leak has them. assignee: a name; "-": nobody's. signature: an id. label: `key:value`.
    sort: a column, with "-" before it for descending. cursor: opaque, from the page before.
    """

    view: str = ""
    status: str = ""
    search: str = ""
    host: str = ""
    program: str = ""
    type: str = ""
    object: str = ""
    phase: str = ""
    triage: str = ""
    assignee: str = ""
    signature: str = ""
    label: str = ""
    sort: str = ""
    cursor: str = ""

    @property
    def groups(self) -> bool:
        return self.view == "groups"

    @property
    def narrowed(self) -> bool:
        """Whether anything but the status leaves leaks out."""
        return bool(
            self.search
            or self.host
            or self.program
            or self.type
            or self.object
            or self.phase
            or self.triage
            or self.assignee
            or self.signature
            or self.label
        )

    @property
    def more(self) -> bool:
        """Whether one of the filters is set that are folded away."""
        return bool(self.phase or self.assignee or self.signature or self.label)


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaksSummary:
    """The answer before the list: open leaks of the whole fleet, whatever is filtered.

    programs on hosts; at_limit: how many stand at their limit; muted: how many of the open ones are muted.
    next_limit_s: seconds until the first of the others reaches its limit; None = no honest forecast.
    known_hosts: of the fleet. judged_to: up to when all reporting hosts are judged, None = none is yet. unjudged:
    hosts of which too little is known to judge them.
    """

    programs: int = 0
    hosts: int = 0
    at_limit: int = 0
    muted: int = 0
    next_limit_s: float | None = None
    known_hosts: int = 0
    judged_to: datetime | None = None
    unjudged: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakRow:
    """One leak.

    type: None = no one type explains the growth. object: the name template that grows. handles: held now, of the series
    that grows; limit: of its process; fullest: what the process holds that is nearest to it, of all types. rate_low,
    rate_high: range of the rate. left_s: seconds to the limit, None = no honest forecast; left_low_s, left_high_s: its
    range. muted_rate: muted until it grows faster than this.
    """

    id: str
    host: str
    program: str
    type: str | None
    object: str | None
    state: Literal["leaking", "resolved"]
    phase: Phase
    triage: Triage
    started_at: datetime
    rate_per_hour: float
    rate_low: float
    rate_high: float
    last_seen_at: datetime
    handles: int | None = None
    limit: int | None = None
    fullest: int | None = None
    fullest_pid: int | None = None
    left_s: float | None = None
    left_low_s: float | None = None
    left_high_s: float | None = None
    resolved_at: datetime | None = None
    muted_until: datetime | None = None
    muted_rate: float | None = None
    assignee: str | None = None
    note: str | None = None
    causes: tuple[SignatureBadge, ...] = ()
    simulated: bool = False
    silent: bool = False

    @property
    def at_limit(self) -> bool:
        return self.state == "leaking" and self.phase == "at_limit"


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakGroup:
    """The same leak on `hosts` hosts. lost: what its open leaks took and still hold; next_limit_s: seconds until the
    first one's limit, None = no honest forecast; at_limit: how many stand at theirs; untriaged: how many nobody has
    dealt with."""

    program: str
    type: str | None
    object: str | None
    hosts: int
    leaks: int
    first_seen_at: datetime
    lost: float = 0.0
    rate_per_hour: float = 0.0
    next_limit_s: float | None = None
    at_limit: int = 0
    untriaged: int = 0
    causes: tuple[SignatureBadge, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What the reader just did, in words. at_us: names it for undoing, None = it can't be undone."""

    text: str
    at_us: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaksView(View):
    """`/leaks`.

    rows or groups: this page of the table, as the query's view says; leaks_total, groups_total: all leaks that match
    and the groups they form. csv_url, json_url: the same through REST. people: whom the bar suggests to assign to.
    may_triage: the reader may change leaks, most_at_once of them in one go. done: what they just did.
    """

    template: ClassVar[str] = "leaks.html"
    partial: ClassVar[str | None] = "_leaks.html"

    shell: Shell
    query: LeaksQuery
    summary: LeaksSummary
    rows: tuple[LeakRow, ...] = ()
    groups: tuple[LeakGroup, ...] = ()
    leaks_total: int = 0
    groups_total: int = 0
    csv_url: str = ""
    json_url: str = ""
    type_choices: tuple[Choice, ...] = ()
    assignee_choices: tuple[Choice, ...] = ()
    signature_choices: tuple[Choice, ...] = ()
    label_choices: tuple[Choice, ...] = ()
    people: tuple[str, ...] = ()
    may_triage: bool = False
    most_at_once: int = 0
    done: Done | None = None
    next_cursor: str | None = None


# --- settings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class SensitivityRow:
    """How soon to speak of programs that match a pattern, on every host (label "") or those with a label; a quiet one
    hides `hidden` open leaks."""

    id: int
    program: str
    level: Sensitivity
    label: str = ""
    created_at: datetime | None = None
    created_by: str = ""
    hidden: int = 0

    @property
    def named(self) -> str:
        """The one program that it is about, "" for several."""
        return "" if set(self.program) & set("*?") else self.program


@dataclass(frozen=True, kw_only=True, slots=True)
class SensitivityForm:
    """The form for one more, as typed. error: what is wrong with it, in a sentence; fault: which field it is about."""

    program: str = ""
    label: str = ""
    level: str = "quiet"
    error: str | None = None
    fault: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectionView(View):
    """`/settings/detection`. programs, labels: what the form suggests. said: what was just done, in a sentence,
    and the setting that was added by it."""

    template: ClassVar[str] = "settings_detection.html"

    shell: Shell
    rows: tuple[SensitivityRow, ...] = ()
    form: SensitivityForm = SensitivityForm()
    programs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    may_change: bool = False
    said: str | None = None
    added: SensitivityRow | None = None
