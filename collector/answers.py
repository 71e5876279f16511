"""What a server's answer means, and how long to wait after one. Pure: no I/O, no clock of its own."""

import json
import math
import random
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from enum import Enum

from collector.schedule import LONGEST_INTERVAL_S, SHORTEST_INTERVAL_S
from collector.wire import JsonObject

BACKOFF_FIRST_S = 1.0
BACKOFF_MOST_S = 300.0
SLOWLY_S = 300.0
RETRY_AFTER_MOST_S = 3600.0
MOST_INSPECTED = 1000


class Meaning(Enum):
    """Of an answer to a push."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # this batch: smaller ones may do
    FORBIDDEN = "forbidden"  # this token
    MISPLACED = "misplaced"  # no such server there: an address to be corrected
    LATER = "later"  # anything that may pass by itself


@dataclass(frozen=True, slots=True)
class Answer:
    """As it came: `status` None means that none came, and `body` says why. `takes`: the media types that it says it
    takes there."""

    status: int | None
    body: bytes = b""
    retry_after: str | None = None
    location: str | None = None
    takes: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is a sentence for a person; `envelope` that the fault lies outside the snapshots."""

    meaning: Meaning
    reason: str = ""
    retry_after_s: float | None = None
    envelope: bool = False
    accepted: int = 0
    duplicates: int = 0
    skew_s: float = 0.0
    inspect: frozenset[str] = frozenset()
    interval_s: int | None = None


def judge(answer: Answer, *, now: float) -> Verdict:
    """Only a 200 whose body is JSON with a count of `accepted` says that the snapshots are the server's."""
    status = answer.status
    if status is None:
        return Verdict(Meaning.LATER, answer.body.decode("utf-8", "replace"))
    problem = _object(answer.body)
    if status == 200:
        return _acknowledgement(problem)
    reason = _reason(status, problem, answer)
    if status in (400, 413, 422):
        return Verdict(Meaning.REFUSED, reason, envelope=_is_about_envelope(problem))
    if status in (401, 403):
        return Verdict(Meaning.FORBIDDEN, reason)
    if 300 <= status < 400 or status in (404, 405, 410, 415):
        return Verdict(Meaning.MISPLACED, reason)
    return Verdict(Meaning.LATER, reason, retry_after_s=retry_after(answer.retry_after, now=now))


def _acknowledgement(body: JsonObject | None) -> Verdict:
    accepted = _count(body, "accepted")
    if body is None or accepted is None:
        return Verdict(Meaning.LATER, "answered 200, but not as a Handlewatch server does")
    advice = body.get("advice")
    advice = advice if isinstance(advice, dict) else {}
    inspect = advice.get("inspect")
    names = inspect if isinstance(inspect, list) else []
    skew = body.get("skew_s")
    return Verdict(
        Meaning.ACCEPTED,
        accepted=accepted,
        duplicates=_count(body, "duplicates") or 0,
        skew_s=_seconds(skew),
        inspect=frozenset(name.lower() for name in names[:MOST_INSPECTED] if isinstance(name, str)),
        interval_s=_interval(_count(advice, "interval_s")),
    )


def _seconds(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
    except OverflowError:  # a whole number of hundreds of digits
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0


def _interval(advised: int | None) -> int | None:
    return None if advised is None else min(max(advised, SHORTEST_INTERVAL_S), LONGEST_INTERVAL_S)


def _count(body: JsonObject | None, name: str) -> int | None:
    value = None if body is None else body.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _object(body: bytes) -> JsonObject | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _reason(status: int, problem: JsonObject | None, answer: Answer) -> str:
    said = [f"answered {status}"]
    if problem is not None:
        said += [str(problem[key]).rstrip(".") for key in ("title", "detail") if problem.get(key)]
        told = str(problem.get("detail"))
        faults = [f"{error.get('path')}: {error.get('detail')}" for error in _errors(problem)[:3]]
        said += [fault for fault in faults if fault not in told]
    if answer.location:
        said.append(f"it points to {answer.location}")
    # it goes to logs and terminals: no line of the server's own making, no escape sequence
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in "; ".join(said)[:500])


def _errors(problem: JsonObject) -> list[JsonObject]:
    errors = problem.get("errors")
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _is_about_envelope(problem: JsonObject | None) -> bool:
    paths = [str(error.get("path", "")) for error in _errors(problem or {})]
    return bool(paths) and not any(path.startswith("snapshots") for path in paths)


def retry_after(value: str | None, *, now: float) -> float | None:
    """Seconds to wait by a Retry-After header, which gives seconds or a date; an hour at most."""
    if not value:
        return None
    try:
        seconds = float(min(max(int(value), 0), 10**9))
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, TypeError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = moment.timestamp() - now
    return min(max(seconds, 0.0), RETRY_AFTER_MOST_S)


@dataclass(slots=True)
class Backoff:
    """Waits that double up to five minutes, each anywhere in its upper half so that a fleet does not march in step."""

    jitter: random.Random = field(default_factory=random.Random)
    failures: int = 0

    def reset(self) -> None:
        self.failures = 0

    def next(self, at_least: float | None = None) -> float:
        """Seconds until the next try; what the server asked for in `at_least` is only ever lengthened."""
        whole = min(BACKOFF_FIRST_S * 2.0**self.failures, BACKOFF_MOST_S)
        self.failures = min(self.failures + 1, 30)
        wait = self.jitter.uniform(whole / 2, whole)
        return wait if at_least is None else at_least + self.jitter.uniform(0, max(1.0, at_least / 10))

    def slowly(self) -> float:
        """For what only a person can mend."""
        return self.jitter.uniform(SLOWLY_S * 0.8, SLOWLY_S * 1.2)
