"""The wire format of `POST /api/v1/snapshots`: decoding and validating a body, whole or not at all."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from server.analysis.instants import to_us
from server.analysis.readings import Count, Coverage, Instant, Process, Text
from server.problems import Fault, Problem

MOST_SNAPSHOTS = 1_000
MOST_PROCESSES = 20_000
MOST_ITEMS = 20_000
MOST_NAME_BYTES = 2_000  # of the name without case: what an index of every database takes
LONGEST_REASON = 300


class Os(Struct):
    """The operating system as the host tells it; `service_pack` is the bare name, `6a`."""

    family: Literal["windows", "linux", "macos", "other"]
    name: Text | None = None
    version: Text | None = None
    service_pack: Text | None = None


class Host(Struct):
    """Which machine speaks, and what it says of itself."""

    name: Annotated[str, Meta(min_length=1, max_length=1024)]
    os: Os
    booted_at: Instant | None = None
    labels: Annotated[dict[Text, Text], Meta(max_length=64)] = {}


class Collector(Struct):
    """What took the snapshots; `cost` is what ours say of themselves, and whatever else it holds is let pass."""

    version: Text | None = None
    source: Text | None = None
    interval_s: Count | None = None
    cost: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)  # a plain default can't be described in OpenAPI


class CoverageSent(Coverage):
    """With what the collector could not see of processes whose counts it gives; anything but a count is let pass."""

    types_denied: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    unnamed: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    broken: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class Snapshot(Struct):
    """One reading of every process at one time; (host, time) is its identity."""

    time: Instant
    processes: Annotated[list[Process], Meta(max_length=MOST_PROCESSES)]
    coverage: CoverageSent | None = None
    machine: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)  # as docs/collector.md has it; else let pass


class Item(Struct):
    """One installed program, service or driver."""

    name: Text
    vendor: Text | None = None
    version: Text | None = None


Items = Annotated[list[Item], Meta(max_length=MOST_ITEMS)]


class Inventory(Struct):
    """What is installed. A list given replaces the former whole; one left out stays."""

    time: Instant | None = None
    software: Items | None = None
    services: Items | None = None
    drivers: Items | None = None


class Push(Struct):
    """The body of a push."""

    host: Host
    snapshots: Annotated[list[Snapshot], Meta(max_length=MOST_SNAPSHOTS)] = []
    collector: Collector = msgspec.field(default_factory=Collector)
    sent_at: Instant | None = None
    inventory: Inventory | None = None


class Advice(Struct):
    """What the server would like to know: the programs to look at by name."""

    inspect: list[str]


class PushAnswer(Struct):
    """How many snapshots were new, how many were there already, and how far the host's clock is ahead."""

    accepted: int
    duplicates: int
    skew_s: float | None
    advice: Advice


T = TypeVar("T")

_decoder = msgspec.json.Decoder(Push)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)  # possessive, to the end if it is not closed: linear
_SOUND = re.compile(rb'(?:[^"]++|"[^"\\]{0,1024}+"){1,20000}+')  # many at a time, but not all: others want to run too
_LONE = re.compile("[\ud800-\udfff]")
_WHERE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<key>key` in `)?\$\.?(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\[\d+\]|[^.\[\]]+")
_MISSING = re.compile(r"missing required field `(?P<field>.+?)`$")


def decode_push(body: bytes) -> Push:
    """The body as a Push. Raises Problem 400 if it is no JSON, 422 with the path of the field at fault."""
    push = decode_json(body, _decoder)
    require_plausible(push.host, push.sent_at, push.inventory, [snapshot.time for snapshot in push.snapshots])
    for i, snapshot in enumerate(push.snapshots):
        if len({process.pid for process in snapshot.processes}) < len(snapshot.processes):
            _refuse_twins(i, snapshot)
    return push


def decode_json(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """What the decoder makes of the body; what is over-long or can't be stored in strings is mended. Raises Problem 400
    if it is no JSON, 422 with the path of the field at fault."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise Problem(400, f"The body is not UTF-8: byte {error.start} is {body[error.start]:#04x}.") from error
    if b"\\u0000" in body:
        body = _mend(body)
    try:
        return _decode(body, decoder)
    except _Mendable:
        return _decode(_mend(body), decoder, mended=True)


class _Mendable(Exception):
    """What is wrong may be an over-long string or a lone surrogate, which are mended, not refused."""


def _decode(body: bytes, decoder: "msgspec.json.Decoder[T]", *, mended: bool = False) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        if not mended and "`str` of length <=" in str(error):
            raise _Mendable from error
        raise refusal(error, body) from error
    except msgspec.DecodeError as error:
        if not mended and _SURROGATE.search(body):
            raise _Mendable from error
        raise Problem(400, f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise Problem(400, "The body is nested too deeply.") from error


def _mend(body: bytes) -> bytes:
    """The body with every string cut to 1,024 characters, and NUL and lone surrogates replaced by U+FFFD."""

    def mend(token: bytes) -> bytes:
        if len(token) <= 1026 and b"\\u" not in token:
            return token
        try:
            text: str = json.loads(token.decode())
        except ValueError:
            return token  # left for the decoder to refuse
        text = _LONE.sub("\ufffd", text.replace("\0", "\ufffd"))[:1024]
        return json.dumps(text, ensure_ascii=False).encode()

    parts: list[bytes] = []  # only where something is mended: a body can hold millions of tokens
    end = at = 0
    while at < len(body):
        sound = _SOUND.match(body, at)
        if sound:
            at = sound.end()
            continue
        match = _TOKEN.match(body, at)
        if match is None:
            break  # which can't be: what is not sound begins with a quote
        mended = mend(match.group())
        if mended != match.group():
            parts += (body[end:at], mended)
            end = match.end()
        at = match.end()
    return b"".join((*parts, body[end:]))


def refusal(error: msgspec.ValidationError, body: bytes) -> Problem:
    """The 422 for what msgspec found in the body, with the path as the wire format writes it."""
    match = _WHERE.match(str(error))
    what, path = (match["what"], match["path"] or "") if match else (str(error), "")
    missing = _MISSING.search(what)
    if missing:
        path = f"{path}.{missing['field']}" if path else missing["field"]
        what = "is required"
    if path.endswith("[...]"):
        path = _with_key(path.removesuffix("[...]"), body)
    what = what if len(what) <= LONGEST_REASON else f"{what[:LONGEST_REASON]}…"
    return refuse(path, what.replace("`", "").replace("Expected", "expected", 1))


def _with_key(path: str, body: bytes) -> str:
    """The path of a mapping with the key whose value msgspec refused, which it does not name; without the key where
    the rest of the body hides it."""
    kind = {"types": Count, "labels": Text}.get(path.rpartition(".")[2], Any)
    try:
        inside = msgspec.Raw(body)
        for step in _STEP.findall(path):
            if step.startswith("["):
                inside = msgspec.json.decode(inside, type=list[msgspec.Raw])[int(step[1:-1])]
            else:
                inside = msgspec.json.decode(inside, type=dict[str, msgspec.Raw])[step]
        items = msgspec.json.decode(inside, type=dict[str, msgspec.Raw]).items()
        return f"{path}.{next(key for key, value in items if not _fits(value, kind))}"
    except (msgspec.MsgspecError, RecursionError, LookupError, StopIteration):
        return path  # not JSON further on, or a key that is there twice


def _fits(value: msgspec.Raw, kind: Any) -> bool:
    try:
        msgspec.json.decode(value, type=kind)
    except msgspec.ValidationError:
        return False
    return True


def refuse(path: str, what: str) -> Problem:
    fault = Fault(path, what)
    return Problem(422, f"{path or 'The body'}: {what}.", [fault])


def require_plausible(
    host: Host, sent_at: datetime | None, inventory: Inventory | None, times: Sequence[datetime]
) -> None:
    """Problem 422 for a name or a time that can't be. `times`: of the snapshots."""
    name = host.name
    if not name.strip() or name in (".", ".."):
        raise refuse("host.name", "a host needs a name")
    if len(name.casefold().encode()) > MOST_NAME_BYTES:
        raise refuse("host.name", f"must be at most {MOST_NAME_BYTES:,} bytes")
    for path, moment in (
        ("sent_at", sent_at),
        ("host.booted_at", host.booted_at),
        ("inventory.time", inventory.time if inventory else None),
        *((f"snapshots[{i}].time", time) for i, time in enumerate(times)),
    ):
        if moment is not None and to_us(moment) < 0:
            raise refuse(path, "a time before 1970 can't be")


def _refuse_twins(i: int, snapshot: Snapshot) -> None:
    seen: dict[object, int] = {}
    for j, process in enumerate(snapshot.processes):
        first = seen.setdefault((process.pid, process.started_at), j)
        if first != j:
            raise refuse(f"snapshots[{i}].processes[{j}]", f"has the same pid and started_at as processes[{first}]")
