"""Judges one host: which signatures it shows, which of its programs leak, how it stands, what happened on it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import Connection

from server.analysis.calm import Calm, calm_since, still_calm
from server.analysis.catalogue import Signature
from server.analysis.events import Event, History, derive, looked_back, software_changes
from server.analysis.facts import HostFacts, Item
from server.analysis.frames import ABSENT, Frame, between
from server.analysis.instants import DAY, HOUR, SECOND
from server.analysis.names import folds_case
from server.analysis.naming import with_objects
from server.analysis.signatures import Match, Trace, judge
from server.analysis.standing import Points, Standing, going_on, is_partial, needed_from, seeming_to_grow, standing
from server.analysis.traces import traces
from server.analysis.worth import EACH
from server.jobs import detecting
from server.store import history, judgements
from server.store.blocks import SECTIONS
from server.store.calm import facts_of_state, programs_of, read_calm, record_calm, snapshots_of, write_calm
from server.store.database import Database
from server.store.events import add_events, replace_events
from server.store.verdicts import told_leaks

MOST_ADVICE = 20
FEW_HOURS = 6 * HOUR


def judge_host(database: Database, host_id: int, catalogue: Mapping[str, Signature]) -> None:
    """Judge a host by its history as it is now; what arrives meanwhile is judged next time."""
    if not judge_calm(database, host_id, catalogue):
        judge_wholly(database, host_id, catalogue)


def judge_calm(database: Database, host_id: int, catalogue: Mapping[str, Signature]) -> bool:
    """Judge a host by its snapshots since the last judgement alone, if nothing happened in them; else False. What is
    recorded is what `judge_wholly` would record."""
    with database.read() as connection:
        state = judgements.state_of(connection, host_id)
        if state is None or state.dirty_us is None or state.digested_us != state.shown_us // EACH * EACH:
            return False
        before = read_calm(connection, host_id)
        if before is None or not _goes_on(state, before, catalogue):
            return False
        rows = history.recent_rows(connection, host_id, state.dirty_us, state.shown_us)
        if len(rows) < state.pushed_seq - state.judged_seq:
            return False
        rows = sorted(rows, key=lambda row: row.shown_us)
        snapshots = snapshots_of(rows)
        calm = still_calm(before, snapshots, judged_seq=state.pushed_seq)
        if calm is None or calm.newest_us != state.shown_us:
            return False
        known = told_leaks(connection, host_id) if before.leaks or state.leaks else []
        leaks = detecting.detect_calm(connection, host_id, state, known, rows[-1])
    if leaks is None:
        return False
    counts = [(one.shown_us, one.counts) for one in snapshots]
    now = going_on(programs_of(rows[-1]), counts, _points(state), state.dirty_us, fold=folds_case(state.os_family))
    advice = list(dict.fromkeys([*(leak.program for leak in leaks.open), *state.advice]))[:MOST_ADVICE]
    before_seq = state.judged_seq
    with database.write() as connection:
        if not known:
            record_calm(connection, host_id, calm, now, judged_before=before_seq, advice=advice, leaks=0)
        elif judgements.still_to_judge(connection, host_id, before_seq):
            leaking = detecting.record(connection, host_id, leaks)
            record_calm(connection, host_id, calm, now, judged_before=before_seq, advice=advice, leaks=leaking)
    return True


def _goes_on(state: Any, before: Calm, catalogue: Mapping[str, Signature]) -> bool:
    """Whether what is new came after the last judgement, of the same host as far as is known, and lies in no block."""
    later = state.dirty_us > before.newest_us and state.dirty_us + before.skew_s * SECOND >= state.sealed_us
    same = before.judged_seq == state.judged_seq and before.slot_us == state.digested_us
    return later and same and before.facts == facts_of_state(state, *_marks(catalogue))


def judge_wholly(database: Database, host_id: int, catalogue: Mapping[str, Signature]) -> None:
    """Judge a host by all that its history tells.

    1. read its state, then its history back to the oldest snapshot not yet judged; 2. judge, without a transaction:
    first up to each change of what is installed, by what was installed until then, so that it makes no difference
    whether that was judged in time; 3. record, and note up to which push it is judged.
    """
    with database.read() as connection:
        state = judgements.state_of(connection, host_id)
        if state is None:
            return
        inventory = judgements.inventory_of(connection, host_id)
        former = judgements.former_inventories(connection, host_id)
        before = judgements.matches_of(connection, host_id)
        recent = history.Recent(connection, host_id, -(2**62), 2**62)
        leaks = detecting.detect(connection, host_id, state, recent)
        young = _is_young(connection, host_id, state)
        anew = former or young or (leaks is not None and leaks.days)
        looks = _Looks(connection, host_id, state, recent).of(catalogue, before, everything=bool(anew))
        older = _before(connection, host_id, state, looks)
    verdicts: Mapping[str, Match | None] = before
    told: Mapping[str, Sequence[Trace]]
    for until_us, lists in former:
        frames = _until(looks, until_us - 1)
        if frames:
            facts = judgements.facts_of(state, lists, _running(frames))
            told = _traces(catalogue, frames, verdicts, state.dirty_us)
            verdicts = _judged(catalogue, facts, told, verdicts)
    images = _running(looks)
    told = _traces(catalogue, looks, verdicts, state.dirty_us)
    verdicts = _judged(catalogue, judgements.facts_of(state, inventory, images), told, verdicts)
    settled = not (young or any(told.values())) and all(before.get(one) == match for one, match in verdicts.items())
    calm = _calm(state, leaks, looks, recent, catalogue) if settled else None
    now = _standing(state, looks)
    suspects = _suspects(state, leaks, looks, anew=bool(anew))
    advice = _advice(suspects, verdicts, catalogue, images)
    if leaks is not None:
        leaks = replace(leaks, leaks=with_objects(leaks.leaks, looks, fold=folds_case(state.os_family)))
    happened = _happened(state, [*older, *looks])
    software = list(_software(former, inventory))
    with database.write() as connection:
        if not judgements.still_to_judge(connection, host_id, state.judged_seq):
            return  # forgotten meanwhile, or judged by somebody else
        for signature_id, match in verdicts.items():
            if match != before.get(signature_id):
                judgements.record_match(connection, host_id, signature_id, match)
        leaking = 0 if leaks is None else detecting.record(connection, host_id, leaks)
        if happened is not None:
            replace_events(connection, host_id, happened.from_us, happened.events)
        add_events(connection, host_id, software)
        cadence_s = state.cadence_s if happened is None else happened.cadence_s
        judgements.record_standing(
            connection,
            host_id,
            now,
            judged_seq=state.pushed_seq,
            advice=advice,
            cadence_s=cadence_s,
            leaks=leaking,
            digested_us=None if leaks is None else leaks.until_us,
        )
        write_calm(connection, host_id, calm)


def _calm(
    state: Any,
    leaks: detecting.Detected | None,
    looks: Sequence[Frame],
    recent: history.Recent,
    catalogue: Mapping[str, Signature],
) -> Calm | None:
    """What tells of the next snapshots whether anything happens, where no signature shows."""
    row = recent.newest
    if leaks is None or leaks.window is None or row is None or row.shown_us != state.shown_us:
        return None
    raced = any(leak.track.racer is not None for leak in leaks.open)
    if raced or (leaks.open and any(frame.object_rows for frame in looks)):
        return None
    ((_, newest),) = history.assembled([row])
    return calm_since(
        leaks.window,
        newest.processes,
        snapshots_of([row])[0],
        facts=facts_of_state(state, *_marks(catalogue)),
        leaks=bool(leaks.leaks),
        judged_seq=state.pushed_seq,
        slot_us=leaks.until_us,
        typed=any(signature.subject == "type" for signature in catalogue.values()),
    )


def _marks(catalogue: Mapping[str, Signature]) -> list[str]:
    """What tells catalogues apart."""
    return [repr(signature.said) for signature in catalogue.values()]


def _is_young(connection: Connection, host_id: int, state: Any) -> bool:
    first_us = history.oldest_us(connection, host_id)
    return first_us is None or state.shown_us is None or state.shown_us - first_us < FEW_HOURS


def _suspects(state: Any, leaks: detecting.Detected | None, looks: Sequence[Frame], *, anew: bool) -> list[str]:
    """What leaks, and what seems to grow: looked for when hours are digested, and while there are few."""
    leaking = [] if leaks is None else [leak.program for leak in leaks.open]
    if anew:
        return [*leaking, *seeming_to_grow(looks, fold=folds_case(state.os_family))]
    return [*leaking, *state.advice]


def _points(state: Any) -> Points:
    return [(at_us, count) for at_us, count in state.sparkline]


def _standing(state: Any, looks: Sequence[Frame]) -> Standing:
    fold = folds_case(state.os_family)
    former = _points(state)
    if state.dirty_us is None or needed_from(former, state.shown_us, state.dirty_us) is None:
        return standing(looks, fold=fold)
    return standing(looks, fold=fold, former=former, from_us=state.dirty_us)


@dataclass(frozen=True, slots=True)
class _Looks:
    """What is read of a host's history to judge it, but for what leaks."""

    connection: Connection
    host_id: int
    state: Any
    recent: history.Recent

    def of(self, catalogue: Mapping[str, Signature], before: Mapping[str, Match], *, everything: bool) -> list[Frame]:
        """The frames from a day before what is not yet judged; of a host on which no signature can show, those alone
        that tell how it stands and what happened on it."""
        if self.state.shown_us is None:
            return []
        newest_us = self.state.shown_us
        dirty_us = newest_us if self.state.dirty_us is None else self.state.dirty_us
        day_us = min(newest_us, dirty_us) - DAY
        subjects = {signature.subject for signature in catalogue.values()}
        named = any(match.programs for match in before.values())
        everything = everything or named or bool(subjects - {"object"})
        short_us = needed_from(self.state.sparkline, newest_us, dirty_us)
        if short_us is not None and self.state.dirty_us is not None and not everything:
            since_us = max(day_us, min(short_us, looked_back(dirty_us)))
            frames = self._read(since_us, SECTIONS - {"types"})
            if not is_partial(frames, newest_us) and not self._names_objects(day_us, newest_us):
                return frames
        return self._read(day_us, SECTIONS if "type" in subjects else SECTIONS - {"types"})

    def _read(self, since_us: int, sections: frozenset[str]) -> list[Frame]:
        newest_us = self.state.shown_us
        return history.read_frames(
            self.connection, self.host_id, since_us, newest_us, sections=sections, recent=self.recent
        )

    def _names_objects(self, since_us: int, newest_us: int) -> bool:
        return history.names_objects(self.connection, self.host_id, since_us, newest_us, self.recent)


def _before(connection: Connection, host_id: int, state: Any, looks: Sequence[Frame]) -> Sequence[Frame]:
    """The two snapshots before the time from which events need them, where all that was read begins later."""
    if state.dirty_us is None:
        return []
    found: list[Frame] = []
    first_us = min((int(frame.shown.min()) for frame in looks), default=state.dirty_us)
    from_us = looked_back(state.dirty_us)
    missing = 2 - sum(int((frame.shown < from_us).sum()) for frame in looks)
    while missing > 0 and (frame := history.frame_at(connection, host_id, min(first_us, from_us) - 1)) is not None:
        found.append(frame)
        first_us, missing = int(frame.shown[0]), missing - 1
    return found


def _happened(state: Any, frames: Sequence[Frame]) -> History | None:
    """What the snapshots not yet judged tell of; None if all are."""
    return None if state.dirty_us is None else derive(frames, state.dirty_us, fold=folds_case(state.os_family))


def _software(
    former: Sequence[tuple[int, Mapping[str, tuple[Item, ...]]]], inventory: Mapping[str, tuple[Item, ...]]
) -> Iterator[Event]:
    """What changed each time a list was replaced, until the one that there is now."""
    for (until_us, _), (before, after) in zip(
        former, pairwise([*(lists for _, lists in former), inventory]), strict=True
    ):
        yield from software_changes(before, after, until_us)


def _until(frames: Sequence[Frame], until_us: int) -> list[Frame]:
    cut = [between(frame, -(2**63), until_us) for frame in frames]
    return [frame for frame in cut if len(frame.times)]


def _traces(
    catalogue: Mapping[str, Signature],
    frames: Sequence[Frame],
    before: Mapping[str, Match | None],
    dirty_us: int | None,
) -> dict[str, list[Trace]]:
    """By signature."""
    return {one.id: _new(frames, one, before.get(one.id), dirty_us) for one in catalogue.values()}


def _judged(
    catalogue: Mapping[str, Signature],
    facts: HostFacts,
    told: Mapping[str, Sequence[Trace]],
    before: Mapping[str, Match | None],
) -> dict[str, Match | None]:
    return {one.id: judge(one, facts, told[one.id], before.get(one.id)) for one in catalogue.values()}


def _new(frames: Sequence[Frame], signature: Signature, before: Match | None, dirty_us: int | None) -> list[Trace]:
    """The traces; empty ones for processes that the former answer names and that were not looked at since, as their
    last look was judged when all of the day before it was read."""
    known = {program.key for program in before.programs} if before else set()
    found = []
    for trace in traces(frames, signature, before):
        judged = not len(trace.times) or (dirty_us is None or int(trace.times[-1]) < dirty_us)
        if judged and trace.key in known:
            nothing = np.zeros(0, np.int64)
            trace = replace(trace, times=nothing, counts=nothing, distinct=nothing)
        found.append(trace)
    return found


def _running(frames: Sequence[Frame]) -> frozenset[str]:
    """The image names in the newest snapshot of these frames."""
    newest_us = max((int(frame.shown.max()) for frame in frames), default=None)
    names: set[str] = set()
    for frame in frames:
        for column in (frame.shown == newest_us).nonzero()[0]:
            names.update(frame.processes[row].name for row in (frame.handles.last[:, column] != ABSENT).nonzero()[0])
    return frozenset(names)


def _advice(
    suspects: Sequence[str],
    verdicts: Mapping[str, Match | None],
    catalogue: Mapping[str, Signature],
    images: frozenset[str],
) -> list[str]:
    """The programs that a collector should look at by name: what grows, what shows a signature, and, where the
    software of a signature is installed, the programs it names."""
    wanted = list(suspects)
    for signature_id, match in verdicts.items():
        if match is None:
            continue
        wanted += [program.program for program in match.programs]
        signature = catalogue[signature_id]
        wanted += sorted(image for image in images if signature.programs and signature.names(image, image))
    return list(dict.fromkeys(wanted))[:MOST_ADVICE]
