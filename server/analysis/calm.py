"""Whether nothing happened on a host since it was judged, told from its newest snapshots alone: who went through all of
its history then would find what stands already."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from server.analysis.events import MISSED_INTERVALS
from server.analysis.frames import Frame, Ints, ProcessKey
from server.analysis.instants import SECOND
from server.analysis.racing import could_race, ranges


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot as it was stored. listing: tells lists of processes, with their limits, apart; layout: whose types
    are counted; counts: what each process holds, in the order of the list, UNKNOWN where that could not be read."""

    time_us: int
    shown_us: int
    skew_s: int
    interval_s: int
    booted_us: int
    partial: bool
    objects: bool
    listing: bytes
    layout: bytes
    counts: Ints


class Calm(msgspec.Struct, array_like=True, frozen=True):
    """A host as it was judged last. facts: what was known of it; leaks: whether any stand; slot_us: up to where hours
    were digested; layout: empty where it does not matter; least, most: of each process in the three hours that fast
    leaks are told from; the rest: as the newest snapshot tells it."""

    facts: bytes
    leaks: bool
    judged_seq: int
    newest_us: int
    slot_us: int
    skew_s: int
    interval_s: int
    booted_us: int
    listing: bytes
    layout: bytes
    least: bytes
    most: bytes
    limits: bytes


def calm_since(
    window: Frame,
    keys: Sequence[ProcessKey],
    newest: Snapshot,
    *,
    facts: bytes,
    leaks: bool,
    judged_seq: int,
    slot_us: int,
    typed: bool,
) -> Calm | None:
    """What tells of the next snapshots whether anything happens; None where that takes more. `window`: the snapshots
    that fast leaks are told from, which tell of none; `keys`: the processes of the newest, in its order; `typed`: it
    matters whose types are told."""
    if newest.partial or newest.interval_s <= 0 or newest.booted_us > newest.time_us or not keys:
        return None
    rows = {key: row for row, key in enumerate(window.processes)}
    if window.step_s or len(rows) != len(window.processes) or not all(key in rows for key in keys):
        return None
    if not len(set(keys)) == len(keys) == len(newest.counts):
        return None
    least, most, limits = (values[[rows[key] for key in keys]] for values in ranges(window))
    return Calm(
        facts=facts,
        leaks=leaks,
        judged_seq=judged_seq,
        newest_us=newest.shown_us,
        slot_us=slot_us,
        skew_s=newest.skew_s,
        interval_s=newest.interval_s,
        booted_us=newest.booted_us,
        listing=newest.listing,
        layout=newest.layout if typed else b"",
        least=least.tobytes(),
        most=most.tobytes(),
        limits=limits.tobytes(),
    )


def still_calm(calm: Calm, snapshots: Sequence[Snapshot], *, judged_seq: int) -> Calm | None:
    """The same after these snapshots, in order of time, or None if something may have happened: who is there, limits
    and boot are the same, none is late, nothing was silent, no objects were looked at, no process may race, and what
    can't be read never could."""
    least, most, limits = (np.frombuffer(values, np.int64) for values in (calm.least, calm.most, calm.limits))
    before_us = calm.newest_us
    for one in snapshots:
        same = (one.listing, one.skew_s, one.interval_s, one.booted_us) == (
            calm.listing, calm.skew_s, calm.interval_s, calm.booted_us,
        )  # fmt: skip
        on_time = 0 < one.shown_us - before_us <= MISSED_INTERVALS * one.interval_s * SECOND
        if not (same and on_time) or one.partial or one.objects or (calm.layout and one.layout != calm.layout):
            return None
        known = one.counts >= 0
        least = np.where(known & ((most < 0) | (one.counts < least)), one.counts, least)
        most = np.maximum(most, one.counts)
        before_us = one.shown_us
    if not snapshots or (most[snapshots[-1].counts < 0] >= 0).any() or could_race(least, most, limits):
        return None
    return msgspec.structs.replace(
        calm, judged_seq=judged_seq, newest_us=before_us, least=least.tobytes(), most=most.tobytes()
    )
