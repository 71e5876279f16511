"""Which known leak a host shows, at which level: a signature judged against a host's facts and readings. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from server.analysis.catalogue import Signature
from server.analysis.facts import HostFacts, Item
from server.analysis.growth import growing, rate_per_hour
from server.analysis.instants import DAY
from server.analysis.versions import version_key

Level = Literal["exposed", "present", "leaking", "cleared"]
LEVELS: tuple[Level, ...] = ("leaking", "present", "exposed", "cleared")  # the worst first
Key = tuple[str, int, int | None]  # of a process: its program without case, pid, started_us


@dataclass(frozen=True, slots=True)
class Trace:
    """The handles on matching objects that one process held at each reading that looked at its objects.

    `times` are microseconds, ascending; an object that was absent from a look counts 0, a reading that did not look
    is left out (or negative). The arrays may be empty: nothing looked at, but `alive` still tells whether the process
    is in the host's newest snapshot. `distinct` is negative where not known.
    """

    program: str
    image: str
    pid: int
    started_us: int | None
    times: NDArray[np.int64]
    counts: NDArray[np.int64]
    distinct: NDArray[np.int64]
    estimated: bool
    alive: bool

    @property
    def key(self) -> Key:
        return self.program.casefold(), self.pid, self.started_us


@dataclass(frozen=True, slots=True)
class ProgramMatch:
    """A process that holds such handles now; `named` = the signature names its program."""

    program: str
    image: str
    pid: int
    started_us: int | None
    handles: int
    distinct: int | None
    estimated: bool
    level: Literal["present", "leaking"]
    rate_per_hour: float | None
    named: bool

    @property
    def key(self) -> Key:
        return self.program.casefold(), self.pid, self.started_us


@dataclass(frozen=True, slots=True)
class Match:
    """What a host shows of a signature; `program` to `rate_per_hour` are those of the worst process.

    Once cleared, `program`, `pid` and `started_us` are those of the process that showed it last, and `handles` is
    what it still holds. `handles` is None where nothing was looked at. `first_seen_us`, `last_seen_us` and `peak`
    are of readings with at least the least count in one process, None if there never was one. `software` is what
    matched, kept after it went; `evidence` says in which list it stands (`software`, `service`, `driver`,
    `process`), and `installed` whether it still stands there. `software_changed` says what became of it since the
    handles showed, and `changed`, once cleared, what changed in all.
    """

    signature_id: str
    level: Level
    applies_to: bool
    program: str | None = None
    pid: int | None = None
    started_us: int | None = None
    handles: int | None = None
    distinct: int | None = None
    estimated: bool = False
    rate_per_hour: float | None = None
    programs: tuple[ProgramMatch, ...] = ()
    first_seen_us: int | None = None
    last_seen_us: int | None = None
    peak: int | None = None
    software: Item | None = None
    evidence: str | None = None
    installed: bool = False
    software_changed: str | None = None
    changed: str | None = None

    @property
    def key(self) -> Key | None:
        """Of the process it is about, as a trace's."""
        if self.program is None or self.pid is None:
            return None
        return self.program.casefold(), self.pid, self.started_us


@dataclass(frozen=True, slots=True)
class _Look:
    """A trace summed up: the readings at or over the least count, and the newest one."""

    trace: Trace
    handles: int | None
    distinct: int | None
    hit: bool
    first_us: int = 0
    last_us: int = 0
    last_count: int = 0
    peak: int = 0


def judge(signature: Signature, facts: HostFacts, traces: Sequence[Trace], before: Match | None) -> Match | None:
    """What the host shows, or None if nothing and it never did.

    `traces` holds, of each process, all looks of the 24 h that end with the newest one, or all there are; more does
    no harm. `before` is the former answer for this host, or None, and stands for whatever is older. Each process
    that `before.programs` names should come as a trace, with empty arrays if it was not looked at since, so that
    `alive` is known; one that does not come counts as alive while its image runs and no trace of that image came.
    """
    looks = [_look(signature, trace, before) for trace in traces]
    showing = _showing(signature, facts, looks, before)
    # A signature that asks for growth has not shown for having been over the least count.
    hits = [look for look in looks if look.hit] if showing or not signature.must_grow or _ever(before) else []
    seen = _seen(signature, facts, hits, before)
    if showing:
        return _shown(seen, showing, changed=_software_change(signature, facts, before) if _shows(before) else None)
    if seen.first_seen_us is not None:
        return _cleared(signature, facts, looks, before=before, seen=seen)
    if seen.installed and signature.matters_on(facts.os):
        held = [look.handles for look in looks if look.trace.alive and look.handles is not None]
        return replace(seen, handles=max(held, default=None))
    return None


def _shows(match: Match | None) -> bool:
    return match is not None and match.level in ("present", "leaking")


def _ever(match: Match | None) -> bool:
    return match is not None and match.first_seen_us is not None


def _look(signature: Signature, trace: Trace, before: Match | None) -> _Look:
    known = np.flatnonzero(trace.counts >= 0)
    if not len(known):
        former = _former(trace.key, before)
        return _Look(trace, former.handles if former else None, former.distinct if former else None, hit=False)
    newest = int(known[-1])
    handles, objects = int(trace.counts[newest]), int(trace.distinct[newest])
    distinct = objects if objects >= 0 else None
    hits = np.flatnonzero(trace.counts >= signature.least_count)
    if not len(hits):
        return _Look(trace, handles, distinct, hit=False)
    return _Look(
        trace,
        handles,
        distinct,
        hit=True,
        first_us=int(trace.times[hits[0]]),
        last_us=int(trace.times[hits[-1]]),
        last_count=int(trace.counts[hits[-1]]),
        peak=int(trace.counts[hits].max()),
    )


def _showing(
    signature: Signature, facts: HostFacts, looks: Iterable[_Look], before: Match | None
) -> tuple[ProgramMatch, ...]:
    """The living processes whose newest look has at least the least count, the worst first."""
    found = [match for look in looks if (match := _program(signature, look, before)) is not None]
    found += _unlooked(facts, looks, before)
    return tuple(
        sorted(found, key=lambda match: (match.level != "leaking", -match.handles, match.pid, match.started_us or 0))
    )


def _program(signature: Signature, look: _Look, before: Match | None) -> ProgramMatch | None:
    trace, former = look.trace, _former(look.trace.key, before)
    if not trace.alive or look.handles is None or look.handles < signature.least_count:
        return None
    known = trace.counts >= 0
    times, counts = trace.times[known], trace.counts[known]
    if not len(times):
        return former
    reach = int(np.searchsorted(times, times[-1] - DAY, side="left"))
    grows = growing(times, counts)
    if signature.must_grow and not grows and former is None:
        return None
    return ProgramMatch(
        program=trace.program,
        image=trace.image,
        pid=trace.pid,
        started_us=trace.started_us,
        handles=look.handles,
        distinct=look.distinct,
        estimated=trace.estimated,
        level="leaking" if grows else "present",
        rate_per_hour=rate_per_hour(times[reach:], counts[reach:]),
        named=signature.names(trace.image, trace.program),
    )


def _unlooked(facts: HostFacts, looks: Iterable[_Look], before: Match | None) -> list[ProgramMatch]:
    """Processes known from before of which no trace came: they keep their count while they can be thought alive."""
    if before is None or not before.programs:
        return []
    running = {image.casefold() for image in facts.images}
    traced = {look.trace.image.casefold() for look in looks}
    return [
        match for match in before.programs if match.image.casefold() in running and match.image.casefold() not in traced
    ]


def _seen(signature: Signature, facts: HostFacts, hits: Sequence[_Look], before: Match | None) -> Match:
    """What holds at any level: when and how high it showed, the software. The level stays `exposed` for now."""
    now = signature.installed(facts)
    match = Match(signature_id=signature.id, level="exposed", applies_to=signature.applies_to(facts.os))
    if now is not None:
        match = replace(match, software=now.item, evidence=now.kind, installed=True)
    elif before is not None and before.software is not None:
        match = replace(match, software=before.software, evidence=before.evidence)
    spans = [(look.first_us, look.last_us, look.peak) for look in hits]
    if before is not None and before.first_seen_us is not None:
        first = before.first_seen_us
        spans.append((first, before.last_seen_us or first, before.peak or 0))
    if not spans:
        return match
    firsts, lasts, peaks = zip(*spans, strict=True)
    return replace(match, first_seen_us=min(firsts), last_seen_us=max(lasts), peak=max(peaks))


def _shown(seen: Match, showing: tuple[ProgramMatch, ...], *, changed: str | None) -> Match:
    worst = showing[0]
    return replace(
        seen,
        level=worst.level,
        program=worst.program,
        pid=worst.pid,
        started_us=worst.started_us,
        handles=worst.handles,
        distinct=worst.distinct,
        estimated=worst.estimated,
        rate_per_hour=worst.rate_per_hour,
        programs=showing,
        software_changed=changed,
    )


def _cleared(
    signature: Signature, facts: HostFacts, looks: Sequence[_Look], *, before: Match | None, seen: Match
) -> Match:
    """Whose handles went, and what changed: about the software first, then about the process."""
    since = before.last_seen_us if before is not None else None
    news = [look for look in looks if look.hit and (since is None or look.last_us > since)]
    software = _software_change(signature, facts, before if _shows(before) or not news else None)
    if before is None or news:  # without a former answer, what showed is in these looks
        last = max(news, key=lambda look: (look.last_us, look.last_count))
        gone = _process_change(signature, last.trace.program, last.trace.pid, held=last.last_count, now=last)
        culprit = replace(seen, program=last.trace.program, pid=last.trace.pid, started_us=last.trace.started_us)
        now: _Look | None = last
    else:
        now = next((look for look in looks if look.trace.key == before.key), None)
        culprit = replace(seen, program=before.program, pid=before.pid, started_us=before.started_us)
        if before.level == "cleared":
            gone = (before.changed or "").removeprefix(f"{before.software_changed}; ")
        else:
            gone = _process_change(signature, before.program, before.pid, held=before.handles, now=now)
    return replace(
        culprit,
        level="cleared",
        handles=now.handles if now is not None and now.trace.alive else 0,
        software_changed=software,
        changed="; ".join(part for part in (software, gone) if part),
    )


def _process_change(
    signature: Signature, program: str | None, pid: int | None, *, held: int | None, now: _Look | None
) -> str:
    if now is None or not now.trace.alive:
        return f"{program} (pid {pid}) ended"
    what = {"object": "handles on the object", "type": f"{signature.said.match.type} handles", "total": "handles"}
    return f"{what[signature.subject]} fell from {held or 0} to {now.handles or 0}"


def _software_change(signature: Signature, facts: HostFacts, before: Match | None) -> str | None:
    """What happened to the software since the handles showed; the newest change, if there were several."""
    if before is None:
        return None
    change = None
    if before.software is not None and before.installed:
        change = _difference(signature, facts, before.software, before.evidence or "software")
    return change or before.software_changed


def _difference(signature: Signature, facts: HostFacts, old: Item, kind: str) -> str | None:
    now = signature.installed(facts)
    if kind != "software":
        if any(old.name.casefold() == item.name.casefold() for item in _listed(facts, kind)):
            return None
        return f"{old.name} runs no more" if kind == "process" else f"{kind} {old.name} removed"
    fitting = [item for item in facts.software if any(rule.names(item) for rule in signature.software)]
    if old in fitting:
        fix = signature.forbids(facts)
        return f"{fix.label} installed" if now is None and fix is not None else None
    if now is not None and now.item in fitting:
        new = now.item
    else:
        new = max(fitting, key=lambda item: version_key(item.version or ""), default=old)
    if new is old:
        return f"{old.label} removed"
    if new.name.casefold() != old.name.casefold():
        return f"{old.label} replaced by {new.label}"
    if new.version and old.version and new.version != old.version:
        return f"{old.name} updated from {old.version} to {new.version}"
    return None


def _listed(facts: HostFacts, kind: str) -> tuple[Item, ...]:
    match kind:
        case "service":
            return facts.services
        case "driver":
            return facts.drivers
        case _:
            return tuple(Item(image) for image in facts.images)


def _former(key: Key, before: Match | None) -> ProgramMatch | None:
    return next((match for match in before.programs if match.key == key), None) if before is not None else None
