"""What REST answers, as structures: they are encoded as they are, and OpenAPI describes them from here."""

from msgspec import UNSET, Struct, UnsetType

from server.analysis.readings import Machine
from server.ingest.wire import Advice

Time = str  # RFC 3339, UTC


class OsBody(Struct):
    """A host's operating system; `service_pack` is the bare name, `6a`."""

    family: str
    name: str | None
    version: str | None
    service_pack: str | None


class CoverageBody(Struct):
    """Processes there were, and how many of them could not be read. Of those whose counts are known, `types_denied` did
    not give their types and the names of `unnamed` may not be read; `broken` gave something that was not understood.
    Null: not told."""

    processes: int | None
    denied: int | None
    types_denied: int | None
    unnamed: int | None
    broken: int | None


class LevelBody(Struct):
    """A signature that a host shows: exposed, present, leaking or cleared."""

    id: str
    level: str


class CollectorBody(Struct):
    version: str | None
    source: str | None
    interval_s: int | None
    cost: dict[str, int | float | str | bool | None] | None


class HostBody(Struct):
    """A host in a list. `leaks`: programs that grow; times have the clock skew taken off."""

    name: str
    os: OsBody
    last_seen_at: Time | None
    reporting: bool
    handles: int | None
    processes: int | None
    coverage: CoverageBody
    worst_program: str | None
    worst_handles: int | None
    leaks: int
    signatures: list[LevelBody]
    labels: dict[str, str]
    collector: CollectorBody


class HostList(Struct):
    items: list[HostBody]
    next: str | None
    total: int


class ItemBody(Struct):
    """An installed program, service or driver."""

    name: str
    vendor: str | None
    version: str | None


class ProgramBody(Struct):
    """A program and the handles its processes hold in the newest snapshot; null: could not be read."""

    program: str
    handles: int | None
    processes: int


class MatchBody(Struct):
    """What a host shows of a signature. `applies_to`: whether its system is one that the signature lists. The fields
    from `program` on are those of the worst process; `programs` has each one."""

    host: str
    os: OsBody
    level: str
    applies_to: bool
    program: str | None
    pid: int | None
    handles: int | None
    distinct: int | None
    estimated: bool
    rate_per_hour: float | None
    first_seen_at: Time | None
    last_seen_at: Time | None
    peak: int | None
    software: ItemBody | None
    changed: str | None
    programs: list["MatchedProgram"]


class MatchedProgram(Struct):
    program: str
    pid: int
    level: str
    handles: int
    distinct: int | None
    estimated: bool
    rate_per_hour: float | None


class MatchList(Struct):
    items: list[MatchBody]
    next: str | None
    total: int


class SignatureMatch(Struct):
    """A signature on one host's page."""

    id: str
    title: str
    match: MatchBody


class HostDetail(Struct):
    """One host with all that is known of it. `skew_s`: how far its clock is ahead, where that is held and applied.
    `machine`: what its processes share, as of the newest snapshot; null: not told."""

    name: str
    os: OsBody
    last_seen_at: Time | None
    reporting: bool
    handles: int | None
    processes: int | None
    coverage: CoverageBody
    worst_program: str | None
    worst_handles: int | None
    leaks: list["LeakBody"]
    signatures: list[LevelBody]
    labels: dict[str, str]
    collector: CollectorBody
    booted_at: Time | None
    skew_s: int
    machine: Machine | None
    software: list[ItemBody]
    services: list[ItemBody]
    drivers: list[ItemBody]
    inventory_at: Time | None
    programs: list[ProgramBody]
    matches: list[SignatureMatch]


class ObjectBody(Struct):
    """Handles on objects of one name; `estimated`: scaled up from a sample."""

    type: str
    name: str
    count: int
    distinct: int | None
    estimated: bool


class ProcessBody(Struct):
    """One process at one time. `handles` null: could not be read; `types`, `objects` null: nothing was said."""

    pid: int
    started_at: Time | None
    name: str
    program: str
    user: str | None
    exe: str | None
    version: str | None
    handles: int | None
    limit: int | None
    types: dict[str, int] | None
    objects: list[ObjectBody] | None


class CompareMoment(Struct):
    """One of two moments: the processes meant that were there, and their handles together; null: not known."""

    time: Time
    pids: list[int]
    handles: int | None


class ChangeBody(Struct):
    """Handles of one type (`name` null) or of one name at both moments; null: not known."""

    type: str
    name: str | None
    a: int | None
    b: int | None
    difference: int | None


class CompareBody(Struct):
    """Two moments of one program or process side by side, what grew most first."""

    host: str
    program: str | None
    pid: int | None
    a: CompareMoment
    b: CompareMoment
    types: list[ChangeBody]
    objects: list[ChangeBody]


class ProcessList(Struct):
    """The processes of the newest snapshot at or before the time asked for; `time` null: there is none."""

    time: Time | None
    processes: list[ProcessBody]


class SeriesBody(Struct):
    """One line; null where the value is not known. At full resolution the three lists are the same."""

    key: dict[str, str | int | None]
    last: list[int | None]
    min: list[int | None]
    max: list[int | None]


class SeriesList(Struct):
    """Lines over the same times, highest peak first. `left_out`: series beyond `top`."""

    times: list[Time]
    series: list[SeriesBody]
    left_out: int


class GrowingBody(Struct):
    """A program of a host, and how fast it grew on average over that day."""

    host: str
    program: str
    rate_per_hour: float
    handles: int
    day: Time


class GrowingList(Struct):
    items: list[GrowingBody]


class ReferenceBody(Struct):
    id: str
    title: str | None
    url: str | None
    date: str | None


class SignatureBody(Struct):
    """A known leak; `hosts` counts hosts by level."""

    id: str
    title: str
    references: list[ReferenceBody]
    type: str | None
    object: str | None
    least_count: int
    programs: list[str]
    cause: str
    resolution: str
    hosts: dict[str, int]


class SignatureList(Struct):
    items: list[SignatureBody]
    next: str | None


class EventBody(Struct):
    """What happened on a host. `kind`: silence, reboot, software, restart or limit; `until`: the end of a silence, null
    while it lasts; `detail`: what `text` says, apart."""

    time: Time
    until: Time | None
    host: str
    kind: str
    text: str
    detail: dict[str, str | int | None]


class EventList(Struct):
    """Events, newest first."""

    items: list[EventBody]
    next: str | None


class FullestBody(Struct):
    """A process with all its handles, of whatever type, and its own limit."""

    pid: int
    started_at: Time | None
    handles: int
    limit: int


class LeakBody(Struct):
    """A program that leaks, or leaked, on a host. `type` null: no one type explains it; `object`: the name template
    that grows. `triage` is what holds now: muting ends by itself. Ranges are [earliest, latest]. `rate_per_hour`: the
    net average since `started_at`. `limit_of`: `process`, its own limit, or `system`, what the operating system gives
    any; `limit_process`: the process that is nearest to its own, whose count is to be held against it, since `handles`
    may be of one type or of several processes; `exhausted_at` null: no honest forecast. `muted_above_rate_per_hour`:
    muted until it grows faster."""

    id: str
    host: str
    program: str
    type: str | None
    object: str | None
    state: str
    phase: str
    triage: str
    started_at: Time
    started_range: tuple[Time, Time]
    detected_at: Time
    at_limit_at: Time | None
    resolved_at: Time | None
    resolved_by: str | None
    last_seen_at: Time
    handles: int | None
    rate_per_hour: float
    rate_low: float
    rate_high: float
    limit: int | None
    limit_of: str | None
    limit_process: FullestBody | None
    exhausted_at: Time | None
    exhausted_range: tuple[Time, Time | None] | None
    signatures: list[LevelBody]
    assignee: str | None
    note: str | None
    muted_until: Time | None
    muted_above_rate_per_hour: float | None
    group: str


class LeakList(Struct):
    items: list[LeakBody]
    next: str | None
    total: int


class PieceBody(Struct, rename={"from_time": "from", "to_time": "to"}):
    """A stretch of time and the low of what was held in it."""

    from_time: Time
    to_time: Time
    low: int


class LeakingProcess(Struct):
    pid: int
    started_at: Time | None


class EvidenceBody(Struct):
    """What a leak was recognised by. `words`: in sentences. `kind`: days, hours, nights, lives, limit, pinned or race.
    `counted`: `held`, or `kept`, what its processes took and kept, restarts taken out. `share`: of the program's
    growth, what `type` took. `process`: the one that leaks, if it is one alone."""

    words: list[str]
    kind: str
    counted: str
    pieces: list[PieceBody]
    restarts: list[Time]
    share: float | None
    process: LeakingProcess | None


class LogEntry(Struct):
    """What became of a leak. `kind`: started, detected, returned, at_limit, resolved, in the host's time; changed, by a
    person, in the server's time, with the new values in `changes`."""

    time: Time
    kind: str
    by: str | None
    changes: dict[str, str | float | None]


class RelatedBody(Struct):
    """Other open leaks of the same group, and other hosts that have them."""

    leaks: int
    hosts: int


class LeakDetail(LeakBody):
    """One leak with its evidence and its log, oldest first."""

    evidence: EvidenceBody
    log: list[LogEntry]
    related: RelatedBody


class LeakChanges(Struct):
    """What a person says of a leak; what is left out stays. `triage` `muted` lasts until `muted_until`, until it grows
    faster than `muted_above_rate_per_hour`, or for ever; either of them mutes by itself. `state`: `resolved`, or
    `leaking` for what a person resolved. An empty or null text takes the old one away."""

    triage: str | UnsetType = UNSET
    muted_until: str | UnsetType | None = UNSET
    muted_above_rate_per_hour: float | UnsetType | None = UNSET
    assignee: str | UnsetType | None = UNSET
    note: str | UnsetType | None = UNSET
    state: str | UnsetType = UNSET


class ManyLeakChanges(LeakChanges, kw_only=True):
    """The same for up to 500 leaks: for all of them or, if one is refused, for none."""

    ids: list[str]


class LeakGroupBody(Struct):
    """Leaks of the same program, type and object across hosts. `hosts`: how many have one. `handles_lost`: what the
    open ones took since they began and still hold; `handles` and `rate_per_hour` are sums over the open ones too, and
    `at_limit` counts those that stand at their limit. `exhausted_at`: when the next of them reaches its. `triage`:
    leaks by triage. `signatures`: at their worst."""

    id: str
    program: str
    type: str | None
    object: str | None
    hosts: int
    leaks: int
    open: int
    resolved: int
    at_limit: int
    handles_lost: int
    handles: int
    rate_per_hour: float
    first_seen_at: Time
    first_detected_at: Time
    last_detected_at: Time
    exhausted_at: Time | None
    triage: dict[str, int]
    signatures: list[LevelBody]


class LeakGroupList(Struct):
    items: list[LeakGroupBody]
    next: str | None
    total: int


class SensitivityBody(Struct):
    """How soon programs that fit the pattern `program` are reported on hosts with `label`; null: on all hosts."""

    id: int
    program: str
    label: str | None
    level: str
    created_at: Time
    created_by: str


class SensitivityList(Struct):
    items: list[SensitivityBody]


class SensitivityRequest(Struct):
    """`program`: a name, in which `*` stands for any characters; `label`: `key:value`; `level`: quiet (never reported),
    low, normal or high."""

    program: str
    level: str
    label: str | None = None


class StatusBody(Struct):
    """`pending_hosts`: hosts with acknowledged snapshots that are not judged yet."""

    pending_hosts: int
    hosts: int
    reporting: int
    version: str
    database: str


class ImportAnswer(Struct, rename={"from_time": "from", "to_time": "to"}):
    """What became of a dump file: as of a push, and what was understood. `processes`: of its newest moment.
    `partial`: it lists only some processes, or only some handles of a process, whose total then stays unknown."""

    accepted: int
    duplicates: int
    skew_s: float
    advice: Advice
    format: str
    host: str
    moments: int
    from_time: Time
    to_time: Time
    processes: int
    partial: bool
    notes: list[str]


class EnrollRequest(Struct):
    host: str


class EnrollAnswer(Struct):
    """The host's own token, shown this once."""

    host: str
    token: str


class FaultBody(Struct):
    path: str
    detail: str


class ProblemBody(Struct):
    """RFC 9457: why a request was refused."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FaultBody]
