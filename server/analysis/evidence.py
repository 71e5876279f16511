"""What a leak was recognised by, in numbers that its chart shows and in words that a person can check."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import Literal, NamedTuple, Protocol

from server.analysis.instants import DAY, HOUR, MINUTE, SECOND, from_us

MOST_PIECES = 60
_MOST_NAMED = 4  # restarts told one by one

Kind = Literal["days", "hours", "nights", "lives", "limit", "pinned", "race"]


class Piece(NamedTuple):
    """A stretch of time and the low of what was held in it."""

    from_us: int
    to_us: int
    low: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """kind: `days` and `hours`: the low of each piece lies above that of the one before; `nights`: like jumps at a like
    time of day; `lives`: each process climbs as the one before; `limit`: it runs into its limit; `pinned`: it stands at
    it; `race`: fast growth within minutes. pieces: oldest first. counted: `held`, or `kept`: what its processes took
    and kept, restarts taken out. restarts: when processes were replaced while it grew. share: of the program's growth,
    what `type` took. process: (pid, started) if one process alone leaks."""

    kind: Kind
    counted: Literal["held", "kept"] = "held"
    pieces: list[Piece] = field(default_factory=list)
    restarts: list[int] = field(default_factory=list)
    share: float | None = None
    process: tuple[int, int | None] | None = None

    @property
    def hours(self) -> float:
        return (self.pieces[-1].to_us - self.pieces[0].from_us) / HOUR if self.pieces else 0.0


class Numbers(Protocol):
    """What is told of a leak beside its evidence; a row of the leaks has them."""

    @property
    def type(self) -> str | None: ...
    @property
    def object(self) -> str | None: ...
    @property
    def limit(self) -> int | None: ...
    @property
    def started_us(self) -> int: ...


_PLURALS = {
    "file": "files",
    "deleted": "deleted files",
    "directory": "directories",
    "device": "devices",
    "socket": "sockets",
    "pipe": "pipes",
    "eventfd": "eventfds",
    "eventpoll": "epoll instances",
    "inotify": "inotify instances",
    "timerfd": "timerfds",
    "signalfd": "signalfds",
    "pidfd": "pidfds",
    "memfd": "memfds",
    "io_uring": "io_uring instances",
    "other": "other handles",
}


def called(kind: str | None, count: float | None = None) -> str:
    """Handles of a type in words: sockets, Event handles; handles where none is named. `count` 1: of a single one."""
    words = "handles" if kind is None else _PLURALS.get(kind) or f"{kind} handles"
    if count != 1:
        return words
    return "directory" if words == "directories" else words.removesuffix("s")


def words(leak: Numbers, evidence: Evidence) -> tuple[str, ...]:
    """Sentences, each with the figures to check it by; times are in UTC, as `told` writes them. `evidence` may have no
    pieces: then what they would show is left out."""
    found = [_growth(leak, replace(evidence, pieces=_since(leak, evidence.pieces)))] if evidence.pieces else []
    found += _of_restarts(evidence)
    found += _of_share(leak, evidence)
    if evidence.process is not None:
        pid, started_us = evidence.process
        since = "" if started_us is None else f", started {told(started_us)},"
        if evidence.kind in ("race", "pinned"):  # the others were not looked at
            found.append(f"The process is PID {pid}{since.removesuffix(',')}.")
        else:
            found.append(f"One process alone does this: PID {pid}{since} while the others of the program do not grow.")
    return tuple(found)


def _since(leak: Numbers, pieces: list[Piece]) -> list[Piece]:
    """Without the calm ones before it rose, but for the last of them, and without those after it had risen."""
    first = max(sum(piece.to_us <= leak.started_us for piece in pieces[:-1]) - 1, 0)
    while first < len(pieces) - 2 and pieces[first + 1].low <= pieces[first].low:
        first += 1
    last = len(pieces)
    while last > first + 2 and pieces[last - 1].low <= pieces[last - 2].low:
        last -= 1
    return pieces[first:last]


def told(moment_us: int) -> str:
    """2026-11-22 10:00 UTC."""
    return from_us(moment_us).strftime("%Y-%m-%d %H:%M UTC")


# --- the growth ---


def _growth(leak: Numbers, evidence: Evidence) -> str:
    match evidence.kind:
        case "days" | "hours":
            return _steadily(evidence)
        case "nights":
            return _nightly(leak, evidence)
        case "lives":
            return _by_lives(evidence)
        case "limit":
            return _into_limit(leak, evidence)
        case "pinned":
            return _at_limit(leak, evidence)
        case "race":
            return _racing(evidence)


def _steadily(evidence: Evidence) -> str:
    each, rose = _stretch(evidence.pieces), _rising(evidence.pieces)
    if evidence.counted == "kept":
        return f"With restarts taken out, what its processes took and kept {rose}, by the least of each {each}."
    return f"The lowest count of each {each} {rose}."


def _nightly(leak: Numbers, evidence: Evidence) -> str:
    pieces = evidence.pieces
    jump = (pieces[-1].low - pieces[0].low) / max(len(pieces) - 1, 1)
    at = _time_of_day([piece.from_us for piece in pieces[1:]])
    when = "at about the same time" if at is None else f"at about {at} UTC"
    kept = f"about {_number(jump)} a night" if jump >= 1 else "some"
    return (
        f"Each night {when} it takes {called(leak.type)} and keeps {kept}: "
        f"the lowest count between one such time and the next {_rising(pieces, 'night')}."
    )


def _by_lives(evidence: Evidence) -> str:
    pieces = evidence.pieces
    lives = len(evidence.restarts) + 1
    each = f"Each of {_number(lives)} processes one after another climbs as the one before did" if lives > 1 else ""
    if evidence.counted == "held":
        lows = ", ".join(_number(piece.low) for piece in pieces[-_MOST_NAMED:])
        return f"{each or 'It climbs as it did before'}; lately it held {lows}."
    growth = f"what they took and did not give back {_rising(pieces, _stretch(pieces))}"
    return f"{each}: {growth}." if each else f"With restarts taken out, {growth}."


def _into_limit(leak: Numbers, evidence: Evidence) -> str:
    first, last = evidence.pieces[0], evidence.pieces[-1]
    lasted = _lasting(last.to_us - first.from_us)
    text = f"Within {lasted}, from {told(first.from_us)} on, its lowest count {_rising(evidence.pieces)}"
    if leak.limit is None:
        return f"{text}."
    return f"{text}, which is {_share(last.low, leak.limit)} of its limit of {_number(leak.limit)}."


def _at_limit(leak: Numbers, evidence: Evidence) -> str:
    first, last = evidence.pieces[0], evidence.pieces[-1]
    low = min(piece.low for piece in evidence.pieces)
    limit = "" if leak.limit is None else f", {_share(low, leak.limit)} of its limit of {_number(leak.limit)}"
    lasted = _lasting(last.to_us - first.from_us)
    return f"For {lasted}, from {told(first.from_us)} on, it never held less than {_number(low)}{limit}."


def _racing(evidence: Evidence) -> str:
    first, last = evidence.pieces[0], evidence.pieces[-1]
    lasted = _lasting(last.to_us - first.from_us)
    return (
        f"Within {lasted}, from {told(first.from_us)} on, the lowest count of each {_stretch(evidence.pieces)} "
        f"{_rising(evidence.pieces)}."
    )


def _rising(pieces: Sequence[Piece], unit: str | None = None) -> str:
    """Of lows: rose 14 days in a row, from 812 to 4,377."""
    unit = unit or _stretch(pieces)
    ends = f"from {_number(pieces[0].low)} to {_number(pieces[-1].low)}"
    steps = [after.low - before.low for before, after in pairwise(pieces)]
    ups = sum(step > 0 for step in steps)
    if not steps:
        return f"was {_number(pieces[0].low)}"
    if ups < len(steps):
        return f"rose in {ups} of {len(steps)} steps, {ends}"
    if unit in ("day", "night", "hour"):
        return f"rose {len(steps)} {unit}s in a row, {ends}" if len(steps) > 1 else f"rose {ends}"
    return f"rose {len(steps)} times in a row, {ends}" if len(steps) > 1 else f"rose {ends}"


def _stretch(pieces: Sequence[Piece]) -> str:
    """How long each piece is: day, hour, 6 hours, 2 min."""
    length = median([piece.to_us - piece.from_us for piece in pieces])
    for unit, name in ((DAY, "day"), (HOUR, "hour")):
        if abs(length - unit) <= unit / 12:
            return name
    if length >= 2 * HOUR and length < 2 * DAY:
        return f"{round(length / HOUR)} hours"
    return _lasting(int(length))


def _time_of_day(moments: Sequence[int]) -> str | None:
    """The time of day around which these lie, to the half hour; None if they lie further than four hours apart."""
    if not moments:
        return None
    first = moments[0]
    offsets = [(moment - first + DAY // 2) % DAY - DAY // 2 for moment in moments]
    if max(offsets) - min(offsets) > 4 * HOUR:
        return None
    middle = first + int(median(offsets))
    return from_us(-(-(middle - 15 * MINUTE) // (30 * MINUTE)) * 30 * MINUTE).strftime("%H:%M")


# --- what else is to be known of it ---


def _of_restarts(evidence: Evidence) -> list[str]:
    restarts = evidence.restarts
    if not restarts:
        return []
    times = [told(one) for one in restarts]
    if len(times) > _MOST_NAMED:
        when = f"{_number(len(times))} restarts meanwhile, the last at {times[-1]},"
    elif len(times) == 1:
        when = f"A restart at {times[0]}"
    else:
        when = f"Restarts at {', '.join(times[:-1])} and {times[-1]}"
    if evidence.counted == "held":
        return [f"{when} did not change it."]
    anew = any(b.low > a.low for a, b in pairwise(evidence.pieces) if a.from_us >= restarts[0])
    return [f"{when} gave back what was held until then{'; then it began anew' if anew else ''}."]


def _of_share(leak: Numbers, evidence: Evidence) -> list[str]:
    named = "" if leak.object is None else f" Of their names it is {leak.object} that grows."
    if leak.type is None:
        return [f"No one type of handle explains the growth.{named}"]
    if evidence.share is None:
        return [f"It is {called(leak.type)} that grow.{named}"]
    return [f"{_share(evidence.share, 1.0)} of the program's growth are {called(leak.type)}.{named}"]


# --- figures ---


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _share(part: float, whole: float) -> str:
    share = 100 * part / whole if whole else 0.0
    return f"{share:.0f} %" if share >= 10 or share == 0 else f"{share:.1f} %"


def _lasting(length_us: int) -> str:
    for unit, name in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")):
        if length_us >= 2 * unit:
            return f"{round(length_us / unit)} {name}"
    return f"{max(round(length_us / SECOND), 1)} seconds" if length_us < MINUTE else f"{round(length_us / MINUTE)} min"
