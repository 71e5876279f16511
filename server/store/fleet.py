"""The fleet as lists and counts: hosts, what they run, what they show. Reads only, but for forgetting a host."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    delete,
    func,
    literal,
    or_,
    select,
)

from server.analysis.events import DEFAULT_INTERVAL_S, MISSED_INTERVALS
from server.analysis.instants import SECOND
from server.store.cursors import Key, read_page
from server.store.holding import hold_host
from server.store.tables import PER_HOST, SHORT_LABEL, host_labels, host_state, hosts, leaks, matches

SHOWING = ("present", "leaking")
_FEW = 500


@dataclass(frozen=True, slots=True)
class HostFilter:
    """What a list of hosts is narrowed to; None or empty: not at all."""

    search: str = ""
    os: str = ""
    labels: Sequence[tuple[str, str]] = ()
    signature: str = ""
    leaking: bool | None = None
    reporting: bool | None = None


@dataclass(frozen=True, slots=True)
class HostPage:
    """`rows`: hosts joined with host_state; `signatures`: (id, level) by host id; `total`: all that match."""

    rows: Sequence[Any]
    signatures: Mapping[int, list[tuple[str, str]]]
    total: int
    next: str | None


@dataclass(frozen=True, slots=True)
class FleetCounts:
    hosts: int
    reporting: int
    showing: Mapping[str, int] = field(default_factory=dict)  # hosts per signature, present or leaking
    simulated: bool = False


def _silence_us() -> ColumnElement[Any]:
    """After how many microseconds without a snapshot a host counts as silent; as `is_reporting`."""
    interval_s = func.coalesce(host_state.c.interval_s, host_state.c.cadence_s, DEFAULT_INTERVAL_S)
    return literal(MISSED_INTERVALS * SECOND, BigInteger) * interval_s


def silent_since(now_us: int) -> ColumnElement[bool]:
    """Whether a host was heard and no longer is."""
    return host_state.c.shown_us < literal(now_us, BigInteger) - _silence_us()


def is_reporting(row: Any, now_us: int) -> bool:
    """Whether a host missed no more than three of its intervals; one that was never heard does not report."""
    interval_s = row.interval_s or row.cadence_s or DEFAULT_INTERVAL_S
    return row.shown_us is not None and now_us - row.shown_us <= MISSED_INTERVALS * interval_s * SECOND


def is_silent(row: Any, now_us: int) -> bool:
    """Whether a host was heard and no longer is."""
    return row.shown_us is not None and not is_reporting(row, now_us)


_WEIGHT = case((matches.c.level == "leaking", 3), (matches.c.level == "present", 2), else_=1)
_SHOWN = select(matches.c.host_id, func.max(_WEIGHT).label("weight")).group_by(matches.c.host_id).subquery("shown")
# 3 for a host that shows a signature leaking, 2 present, 1 exposed or cleared, 0 none; where _SHOWN is joined
_WORST_LEVEL: ColumnElement[Any] = func.coalesce(_SHOWN.c.weight, 0)


OPEN = (leaks.c.standing, leaks.c.state == "leaking")

OS_ORDER: Sequence[tuple[ColumnElement[Any], type]] = (
    (host_state.c.os_family, str),
    (func.coalesce(host_state.c.os_name, ""), str),
    (func.coalesce(host_state.c.os_version, ""), str),
    (func.coalesce(host_state.c.service_pack, ""), str),
)


def _sorts() -> Mapping[str, Sequence[tuple[ColumnElement[Any], type]]]:
    """By name of the order, its columns and their kinds."""
    return {
        "name": (),
        "os": OS_ORDER,
        "handles": ((func.coalesce(host_state.c.handles, -1), int),),
        "processes": ((func.coalesce(host_state.c.processes, -1), int),),
        "worst": ((func.coalesce(host_state.c.worst_handles, -1), int),),
        "leaks": ((_WORST_LEVEL, int), (host_state.c.leaks, int)),
        "last_seen": ((func.coalesce(host_state.c.shown_us, -1), int),),
    }


HOST_SORTS = tuple(_sorts())


def list_hosts(
    connection: Connection, wanted: HostFilter, *, sort: str, limit: int, cursor: str | None, now_us: int
) -> HostPage:
    """A page of hosts. `sort` is one of HOST_SORTS, with `-` before it for descending; Problem 422 for a bad cursor."""
    descends = sort.startswith("-")
    columns = (*_sorts()[sort.removeprefix("-")], (hosts.c.name_key, str))
    keys = [Key(column, kind, descends) for column, kind in columns]
    conditions = _conditions(connection, wanted, now_us)
    query = _hosts().where(*conditions)
    if sort.removeprefix("-") == "leaks":
        query = query.outerjoin(_SHOWN, _SHOWN.c.host_id == host_state.c.host_id)
    rows, next_cursor = read_page(connection, query, keys, sort=sort, limit=limit, cursor=cursor)
    listed = hosts.join(host_state, hosts.c.host_id == host_state.c.host_id) if conditions else host_state
    total = connection.scalar(select(func.count()).select_from(listed).where(*conditions))
    return HostPage(
        rows=rows,
        signatures=signatures_of(connection, [row.host_id for row in rows]),
        total=total or 0,
        next=next_cursor,
    )


def _hosts() -> Select[Any]:
    return select(hosts.c.name, hosts.c.name_key, host_state).join(host_state, hosts.c.host_id == host_state.c.host_id)


def _conditions(connection: Connection, wanted: HostFilter, now_us: int) -> list[ColumnElement[bool]]:
    """What is asked of other tables is asked of their `host_id` alone, apart from the host: a sharded database refuses
    most of what is asked host by host."""
    host_id = host_state.c.host_id
    found: list[ColumnElement[bool]] = []
    if wanted.search:
        named = hosts.c.name_key.contains(wanted.search.casefold(), autoescape=True)
        found.append(or_(named, host_id.in_(_mentioning(connection, wanted.search))))
    if wanted.os:
        found.append(host_state.c.os_family == wanted.os)
    found += [host_id.in_(hosts_labelled(key, value)) for key, value in wanted.labels]
    if wanted.signature:
        found.append(host_id.in_(select(matches.c.host_id).where(matches.c.signature_id == wanted.signature)))
    if wanted.leaking is not None:
        grows = select(matches.c.host_id).where(matches.c.level == "leaking")
        leaking = or_(host_state.c.leaks > 0, host_id.in_(grows))
        found.append(leaking if wanted.leaking else ~leaking)
    if wanted.reporting is not None:
        reports = and_(
            host_state.c.shown_us.is_not(None), host_state.c.shown_us >= literal(now_us, BigInteger) - _silence_us()
        )
        found.append(reports if wanted.reporting else ~reports)
    return found


def _mentioning(connection: Connection, search: str) -> Select[Any] | Sequence[int]:
    """The ids of hosts with a label of which this is part: as they are while there are few, so that they are looked for
    once for the list and its count; else how to find them."""
    lowered = search.lower()
    every = select(host_labels.c.host_id).where(
        or_(
            func.lower(host_labels.c.value).contains(lowered, autoescape=True),
            func.lower(host_labels.c.key).contains(lowered, autoescape=True),
        )
    )
    few = connection.scalars(every.distinct().limit(_FEW + 1)).all()
    return few if len(few) <= _FEW else every


def hosts_labelled(key: str, value: str) -> Select[Any]:
    """The ids of hosts with this label."""
    return select(host_labels.c.host_id).where(host_labels.c.key == key, host_labels.c.value == value)


def signatures_of(connection: Connection, host_ids: Sequence[int]) -> Mapping[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    if host_ids:
        rows = connection.execute(
            select(matches.c.host_id, matches.c.signature_id, matches.c.level)
            .where(matches.c.host_id.in_(host_ids))
            .order_by(matches.c.signature_id)
        )
        for row in rows:
            found[row.host_id].append((row.signature_id, row.level))
    return found


def find_host(connection: Connection, name: str) -> Any:
    """The host's row, hosts joined with host_state, or None."""
    host_id = connection.scalar(select(hosts.c.host_id).where(hosts.c.name_key == name.casefold()))
    if host_id is None:
        return None
    return connection.execute(_hosts().where(host_state.c.host_id == host_id)).one_or_none()


def fleet_counts(connection: Connection, now_us: int) -> FleetCounts:
    reports = host_state.c.shown_us >= literal(now_us, BigInteger) - _silence_us()
    every = connection.execute(select(func.count(), func.count(case((reports, 1)))).select_from(host_state)).one()
    showing = connection.execute(
        select(matches.c.signature_id, func.count())
        .where(matches.c.level.in_(SHOWING))
        .group_by(matches.c.signature_id)
    ).all()
    return FleetCounts(
        hosts=every[0],
        reporting=every[1],
        showing={row[0]: row[1] for row in showing},
        simulated=has_simulated(connection),
    )


def has_simulated(connection: Connection) -> bool:
    """Whether any host says by its label that it is simulated."""
    labelled = select(host_labels.c.host_id).where(host_labels.c.key == "simulated").limit(1)
    return connection.execute(labelled).first() is not None


def os_choices(connection: Connection) -> Sequence[tuple[str, int]]:
    """Families and how many hosts have them."""
    family = host_state.c.os_family
    rows = connection.execute(select(family, func.count()).group_by(family).order_by(family))
    return [(row[0], row[1]) for row in rows]


def label_choices(connection: Connection, limit: int = 100) -> Sequence[tuple[str, str, int]]:
    """The commonest labels, but for very long ones: key, value, hosts."""
    rows = connection.execute(
        select(host_labels.c.key, host_labels.c.value, func.count())
        .where(SHORT_LABEL)
        .group_by(host_labels.c.key, host_labels.c.value)
        .order_by(func.count().desc(), host_labels.c.key, host_labels.c.value)
        .limit(limit)
    )
    return sorted((row[0], row[1], row[2]) for row in rows)


def fastest_growing(connection: Connection, host_ids: Sequence[int]) -> Mapping[int, Any]:
    """The fastest leak of each of these hosts that has one."""
    if not host_ids:
        return {}
    slowest_first = select(leaks).where(leaks.c.host_id.in_(host_ids), *OPEN).order_by(leaks.c.rate_per_hour)
    return {row.host_id: row for row in connection.execute(slowest_first)}


def silent_hosts(connection: Connection, now_us: int, limit: int) -> Sequence[Any]:
    """Hosts that should have reported and have not, the latest to fall silent first."""
    newest_first = host_state.c.shown_us.desc()
    # first which ones, from the index alone
    which = select(host_state.c.host_id).where(silent_since(now_us)).order_by(newest_first).limit(limit)
    found = connection.scalars(which).all()
    return connection.execute(_hosts().where(host_state.c.host_id.in_(found)).order_by(newest_first)).all()


def forget_host(connection: Connection, host_id: int) -> None:
    """Delete all that is known of a host, held before, so that no push takes it up in between."""
    hold_host(connection, host_id)
    for table in (hosts, *PER_HOST):
        connection.execute(delete(table).where(table.c.host_id == host_id))
