"""One frozen dataclass per template: the contract between routes, which fill them, and templates, which show them.

Plain values only: no formatting, no HTML, no URLs of our own pages (templates build those from names and queries).
Times are aware and in UTC, and already corrected for a held clock skew. `None` always means *unknown* or *not read*,
never nought.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Literal

from server.analysis.signatures import Level
from server.web.views_chart import Overlay

if TYPE_CHECKING:
    from server.web.views_leaks import LeakRow

Severity = Literal["bad", "warn", "note"]
Role = Literal["viewer", "operator", "admin"]
Nav = Literal["fleet", "leaks", "signatures", "hosts_add", "import", "docs", ""]
By = Literal["total", "program", "type", "process"]

RANGES: Mapping[str, int] = {
    "1h": 3_600,
    "6h": 21_600,
    "24h": 86_400,
    "7d": 604_800,
    "14d": 1_209_600,
    "30d": 2_592_000,
    "90d": 7_776_000,
}
"""Values of the `range` query parameter and their seconds; the default is 24h."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shell:
    """What every page needs around its content.

    user, role: the signed-in person; both None on pages shown without sign-in (login, some errors).
    csrf_token: goes into every form as `csrf_token` and into htmx requests as the header `X-CSRF-Token`; may be "" only
        where no form is shown.
    nav: which entry of the navigation is current; "" for none.
    version: the server's version, as in `server.__version__`.
    now: the server's clock at rendering; ages are counted from it.
    simulated: part of this fleet is simulated; shows the banner.
    search: what stands in the header's search box.
    notices: plain sentences shown at the top, for instance how far the simulated fleet is filled.
    """

    user: str | None
    role: Role | None
    csrf_token: str
    nav: Nav
    version: str
    now: datetime
    simulated: bool = False
    search: str = ""
    notices: tuple[str, ...] = ()


class View:
    """What `render` takes: `template` is the page, `partial` the part of it that a refresh needs (or None)."""

    __slots__ = ()
    template: ClassVar[str]
    partial: ClassVar[str | None] = None


# --- shared pieces ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Os:
    """A host's operating system as the wire has it; `service_pack` is the bare name, "6a"."""

    family: str
    name: str | None = None
    version: str | None = None
    service_pack: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """Of `processes` seen, `denied` could not be read (they are part of `processes`). Of the others, `types_denied` did
    not give their types, and the names of `unnamed` may not be read; 0 also where that is not told."""

    processes: int
    denied: int
    types_denied: int = 0
    unnamed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureBadge:
    """A signature on a host. `title` is the short name people use ("V3 Pro"), `level` its level there."""

    id: str
    title: str
    level: Level


@dataclass(frozen=True, kw_only=True, slots=True)
class Software:
    """A piece of installed software; `kind` is "software", "service" or "driver"."""

    name: str
    vendor: str | None = None
    version: str | None = None
    kind: Literal["software", "service", "driver"] = "software"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """An entry of a filter: the value for the query, what to call it, and how many hosts it has (None: not counted)."""

    value: str
    label: str
    count: int | None = None


# --- fleet ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetQuery:
    """The query string of `/`, parameter by parameter; "" means not given.

    search: part of a name or label. os: a family. label: `key:value`. signature: an id. leaking: "yes", "no".
    reporting: "yes", "silent". sort: a column, with "-" before it for descending: name, os, handles, worst, leaks,
    last_seen (`leaks` sorts by signature level, then leaks; `worst` by that program's handles).
    cursor: opaque, from the page before.
    """

    search: str = ""
    os: str = ""
    label: str = ""
    signature: str = ""
    leaking: str = ""
    reporting: str = ""
    sort: str = ""
    cursor: str = ""

    @property
    def filtered(self) -> bool:
        return any((self.search, self.os, self.label, self.signature, self.leaking, self.reporting))


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureCount:
    """How many hosts of the whole fleet show a signature at levels present or leaking."""

    id: str
    title: str
    hosts: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetSummary:
    """The answer before the list; counts are of the whole fleet, whatever is filtered.

    leaking_programs on leaking_hosts: programs with an open leak, and the hosts they are on.
    next_limit_s: seconds until the first program hits its limit; None = no honest forecast.
    """

    hosts: int
    reporting: int
    leaking_programs: int
    leaking_hosts: int
    signatures: tuple[SignatureCount, ...] = ()
    next_limit_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Attention:
    """One line of "Needs attention".

    kind: "leaking" (a signature at level leaking), "growing" (a program leaks, no known cause), "near_limit" (a program
    holds most of its limit), "silent" (the host stopped reporting; `since` is when it was last seen).
    type, object: what grows, if known; object is a name template. rate_per_hour: net growth. since: since when.
    full_in_s: seconds to the limit; None = no honest forecast. signature: the known cause, if there is one.
    leak, phase, triage, assignee: of the leak that the detector sees in it, if it does; leak is its id.
    """

    kind: Literal["leaking", "growing", "near_limit", "silent"]
    host: str
    program: str | None = None
    type: str | None = None
    object: str | None = None
    handles: int | None = None
    limit: int | None = None
    rate_per_hour: float | None = None
    since: datetime | None = None
    full_in_s: float | None = None
    signature: SignatureBadge | None = None
    leak: str | None = None
    phase: str | None = None
    triage: str | None = None
    assignee: str | None = None
    simulated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class WorstProgram:
    """The program of a host that needs looking at most: the fastest-growing, else the one that holds the most."""

    program: str
    handles: int
    growing: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetRow:
    """One host in the fleet's table.

    silent: it should have reported by now and has not. handles, processes: of the newest snapshot, None before it.
    spark: the total over the last 24 h, evenly spaced, oldest first, None where nothing was heard; () = no history yet.
    leaks: the open ones on it. labels: as sent. last_seen_at: None = enrolled, never heard.
    """

    name: str
    os: Os
    simulated: bool = False
    silent: bool = False
    handles: int | None = None
    processes: int | None = None
    coverage: Coverage | None = None
    spark: tuple[int | None, ...] = ()
    worst: WorstProgram | None = None
    leaks: int = 0
    signatures: tuple[SignatureBadge, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    last_seen_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetView(View):
    """`/`.

    attention: worst first, at most a screenful; attention_more: how many more there are.
    rows: this page of the table; total: how many hosts match the filters, all pages.
    os_choices, label_choices, signature_choices: what can be filtered by. next_cursor: None on the last page.
    """

    template: ClassVar[str] = "fleet.html"
    partial: ClassVar[str | None] = "_fleet.html"

    shell: Shell
    query: FleetQuery
    summary: FleetSummary
    attention: tuple[Attention, ...] = ()
    attention_more: int = 0
    rows: tuple[FleetRow, ...] = ()
    total: int = 0
    os_choices: tuple[Choice, ...] = ()
    label_choices: tuple[Choice, ...] = ()
    signature_choices: tuple[Choice, ...] = ()
    next_cursor: str | None = None


# --- host -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class HostQuery:
    """The query string of `/hosts/{host}`; "" means not given.

    range: a key of RANGES ("" with from_ and to = custom). from_, to, at: RFC 3339 as written in the URL (the parameter
    is `from`); the form sends them without a zone, which means UTC. by: total, program, type, process.
    program: narrows the chart to one program (needed for process). sort: a column of the process table, "-" before it
    for descending: pid, program, started, user, handles, limit, used, growth.
    search: narrows the process table by program or user. software: narrows the software list by name or vendor.
    all: "1" shows every process, not just the first.
    """

    range: str = ""
    from_: str = ""
    to: str = ""
    by: str = ""
    program: str = ""
    at: str = ""
    sort: str = ""
    search: str = ""
    software: str = ""
    all: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectorCost:
    """What the collector says it costs: CPU share in percent of one core, resident bytes, seconds a reading takes."""

    cpu_percent: float | None = None
    rss_bytes: int | None = None
    reading_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Collector:
    """Which collector speaks for a host: its version, source ("linux", "windows", "simulated", …) and interval."""

    version: str | None = None
    source: str | None = None
    interval_s: int | None = None
    cost: CollectorCost | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What processes share: how much of it is used, by whom the most (a user), and the limit (None: there is none)."""

    used: int
    limit: int | None = None
    user: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HostFacts:
    """What is known of a host, as of its newest snapshot.

    skew_s: a clock skew that is held and applied (host minus server, whole seconds); None = none.
    open_files, inotify: what its processes share; None = not told.
    """

    name: str
    os: Os
    simulated: bool = False
    silent: bool = False
    booted_at: datetime | None = None
    last_seen_at: datetime | None = None
    handles: int | None = None
    processes: int | None = None
    coverage: Coverage | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    collector: Collector = field(default_factory=Collector)
    skew_s: int | None = None
    open_files: Share | None = None
    inotify: Share | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What is wrong with a host, one sentence each, worst first; an empty list reads "Nothing stands out".

    text: without a full stop. program: which program the finding is about; it links to that program's page.
    leak: the id of the leak it is about; then it links to that. signature: links to the signature's page. since: when
    it began. asks_for_file: a dump file is to be imported.
    """

    severity: Severity
    text: str
    program: str | None = None
    leak: str | None = None
    signature: SignatureBadge | None = None
    since: datetime | None = None
    asks_for_file: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LegendRow:
    """One series of the chart and its figures over the range.

    key: exactly what the series call gives as `key` ({} for the total), so that the chart finds its line.
    label: what to call it. colour: 0 to 7, from `colours.assign`; the same program has the same one on the whole page.
    """

    key: Mapping[str, str | int | None]
    label: str
    colour: int
    last: int | None = None
    min: int | None = None
    max: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitLine:
    """A limit to draw: whose it is, and its value in handles. Only those that mean something on this chart."""

    label: str
    value: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """The chart of a host page, resolved: what is asked for, and its figures for those without JavaScript.

    by: how it is split. program: to which program it is narrowed. range: a key of RANGES, or "" when from and to were
    given.
    from_, to: the range shown. series_url: the REST call with from, to, by, top and points filled in.
    legend: the series, biggest first. history_from: the oldest snapshot there is; None = none.
    overlay: the leaks that it shows. ahead_s: how far the plot reaches beyond `to`, for a forecast.
    """

    by: By
    range: str
    from_: datetime
    to: datetime
    series_url: str
    program: str | None = None
    legend: tuple[LegendRow, ...] = ()
    limits: tuple[LimitLine, ...] = ()
    history_from: datetime | None = None
    overlay: Overlay = field(default_factory=Overlay)
    ahead_s: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class TypeCount:
    """Handles of one object type in a process."""

    type: str
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectCount:
    """Handles of one name template; `estimated`: scaled up from a sample. distinct: objects behind them."""

    type: str
    name: str
    count: int
    distinct: int | None = None
    estimated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessRow:
    """One process at the chosen moment.

    handles: None = could not be read. limit: None = none known. types, objects: most first; None = not looked at, or
    not readable.
    rate_per_hour, growing_since: only for a process of a program that leaks. colour: its program's, None = not on
    the chart; shown where the chart is by program or process.
    """

    pid: int
    program: str
    started_at: datetime | None = None
    user: str | None = None
    version: str | None = None
    handles: int | None = None
    limit: int | None = None
    types: tuple[TypeCount, ...] | None = None
    objects: tuple[ObjectCount, ...] | None = None
    rate_per_hour: float | None = None
    growing_since: datetime | None = None
    colour: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Processes:
    """The process table. time: of the snapshot shown (None = there is none at or before what was asked).
    total: processes that match, all of them; rows: those shown. json_url, csv_url: the same through REST.
    """

    time: datetime | None
    rows: tuple[ProcessRow, ...] = ()
    total: int = 0
    json_url: str = ""
    csv_url: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A signature this host shows. title: with its number, "V3 Pro (Q277673)". changed: why a cleared one cleared."""

    id: str
    title: str
    level: Level
    program: str | None = None
    handles: int | None = None
    distinct: int | None = None
    rate_per_hour: float | None = None
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    applies_to: bool | None = None
    changed: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EventRow:
    """Something that happened on a host, in words that follow its name. key: tells events of one kind and time apart.
    until: the end of a silence, None while it lasts. from_, to: what the chart shows of it."""

    time: datetime
    kind: str
    text: str
    from_: datetime
    to: datetime
    key: str = ""
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Events:
    """What happened on a host, newest first; more: whether there is more than this. json_url, csv_url: all, by REST."""

    rows: tuple[EventRow, ...] = ()
    more: bool = False
    json_url: str = ""
    csv_url: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostView(View):
    """`/hosts/{host}`.

    leaks: the open ones. software: after the software filter; software_total: before it; inventory_at: when it was
    read, None = never sent.
    """

    template: ClassVar[str] = "host.html"
    partial: ClassVar[str | None] = "_host.html"

    shell: Shell
    query: HostQuery
    host: HostFacts
    chart: Chart
    processes: Processes
    findings: tuple[Finding, ...] = ()
    leaks: tuple[LeakRow, ...] = ()
    matches: tuple[Match, ...] = ()
    software: tuple[Software, ...] = ()
    software_total: int = 0
    inventory_at: datetime | None = None
    events: Events = Events()


# --- the rest ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class EnrolledHost:
    """A host that got its token at enrolled_at. arrived: its first reading since is here; then seen_at is the newest
    one's time, handles None where none could be read."""

    name: str
    enrolled_at: datetime
    arrived: bool = False
    seen_at: datetime | None = None
    handles: int | None = None
    processes: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HostsAddView(View):
    """`/hosts/add`.

    token: a fresh enrolment token, in clear, this once; None when the person may not add hosts, and in a refresh.
    expires_at: its end. server_url: this server as machines reach it, without a slash at the end.
    download_ready: the collector can be downloaded here; sha256: its digest as hex, if known. bundle_ready: with a
    Python of its own for Windows too. enrolled: of the last hour, newest first; enrolled_total: how many there are.
    """

    template: ClassVar[str] = "hosts_add.html"
    partial: ClassVar[str | None] = "_hosts_add.html"

    shell: Shell
    server_url: str
    token: str | None = None
    expires_at: datetime | None = None
    download_ready: bool = True
    sha256: str | None = None
    bundle_ready: bool = False
    enrolled: tuple[EnrolledHost, ...] = ()
    enrolled_total: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginView(View):
    """`/login`. next: the path to go to afterwards (checked by the route). error: what went wrong, in a sentence."""

    template: ClassVar[str] = "login.html"

    shell: Shell
    next: str = "/"
    user: str = ""
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorView(View):
    """Any page that failed. title: what is wrong, in a few words; detail: a sentence; mend: what to do, one each."""

    template: ClassVar[str] = "error.html"

    shell: Shell
    status: int
    title: str
    detail: str
    mend: tuple[str, ...] = ()
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DocsView(View):
    """`/docs`: Swagger UI over the OpenAPI document at openapi_url."""

    template: ClassVar[str] = "docs.html"

    shell: Shell
    openapi_url: str = "/openapi.json"
