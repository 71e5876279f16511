"""Days of hours come out the same, in whatever pieces their snapshots are read."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from server.analysis.digest import NOTHING, Carry, Digest, Row, digest, join
from server.analysis.floors import laid_out
from server.analysis.frames import Frame, from_readings
from server.analysis.instants import DAY, HOUR, MINUTE, from_us
from server.analysis.readings import Process, Reading
from server.analysis.resting import Resting
from tests.histories import readings as any_reading

START = 20_000 * DAY + 21 * HOUR

# minutes between snapshots: some hours have several, some none
lives = st.lists(st.tuples(st.sampled_from([5, 20, 35, 60, 130, 700]), any_reading), min_size=1, max_size=14)


def taken(steps: list[tuple[int, Reading]]) -> list[tuple[int, int, Reading]]:
    at, found = START, []
    for minutes, reading in steps:
        at += minutes * MINUTE
        found.append((at, 0, reading))
    return found


def in_pieces(pieces: list[list[tuple[int, int, Reading]]]) -> list[Digest]:
    days: dict[int, Digest] = {}
    carry: Carry | None = None
    for piece in pieces:
        for one in digest([from_readings(piece)], carry, fold=False):
            days[one.day_us] = join(days[one.day_us], one) if one.day_us in days else one
            carry = one.carry
    return list(days.values())


def said(days: list[Digest]) -> dict[str, Any]:
    """What a day says by row and program, whatever their order."""
    found: dict[str, Any] = {}
    for day in days:
        for name in ("first", "last", "total", "elapsed"):
            found[f"{day.day_us} {name}"] = getattr(day, name).tolist()
        for name in ("held", "high", "kept"):
            for at, row in enumerate(day.rows):
                found[f"{day.day_us} {name} {row}"] = getattr(day, name)[..., at, :].tolist()
        for name in ("lived", "alive", "births", "there", "born", "life", "limit"):
            for at, program in enumerate(day.programs):
                values = getattr(day, name)[..., at, :]
                if (values != NOTHING).any():
                    found[f"{day.day_us} {name} {program}"] = values.tolist()
    return found


@settings(max_examples=60)
@given(lives, st.data())
def test_pieces_make_no_difference(steps: list[tuple[int, Reading]], data: st.DataObject) -> None:
    snapshots = taken(steps)
    hours = sorted({at // HOUR for at, _, _ in snapshots})
    cuts = data.draw(st.sets(st.sampled_from(hours)))
    pieces: list[list[tuple[int, int, Reading]]] = [[]]
    for before, one in zip([None, *snapshots], snapshots, strict=False):
        if before is not None and before[0] // HOUR != one[0] // HOUR and one[0] // HOUR in cuts:
            pieces.append([])
        pieces[-1].append(one)
    whole, cut = in_pieces([snapshots]), in_pieces(pieces)
    assert said(cut) == said(whole)
    assert cut[-1].carry.kept == whole[-1].carry.kept
    assert sorted(cut[-1].carry.alive, key=repr) == sorted(whole[-1].carry.alive, key=repr)
    laid, again = laid_out(whole, snapshots[-1][0] + HOUR), laid_out(cut, snapshots[-1][0] + HOUR)
    for part in fields(laid):
        mine, theirs = getattr(laid, part.name), getattr(again, part.name)
        assert np.array_equal(mine, theirs, equal_nan=True) if isinstance(mine, np.ndarray) else mine == theirs


def frame_of(counts: list[tuple[int, int, int]]) -> Frame:
    """(minute, pid, handles), one process of one program a snapshot."""

    return from_readings(
        [
            (START + minute * MINUTE, 0, Reading([Process(pid, from_us(START - pid * HOUR), "app", handles)]))
            for minute, pid, handles in counts
        ]
    )


def test_a_restart_gives_back_what_is_held_but_not_what_was_kept() -> None:
    frame = frame_of([(0, 1, 100), (30, 1, 150), (60, 1, 200), (90, 2, 100), (120, 2, 160)])
    (day,) = digest([frame], None, fold=False)[:1]
    (row,) = [at for at, row in enumerate(day.rows) if row == Row("app", None)]
    assert day.held[row, 21:24].tolist() == [100, 100, 160]
    assert day.kept[0, row, 21:24].tolist() == [0, 100, 160]


def nothing_rests(
    frame: Frame, _columns: NDArray[np.intp], carry: Carry | None, *, fold: bool, most_rows: int
) -> tuple[Frame, Resting]:
    assert (fold, most_rows > 0) == (False, True)
    none = np.zeros(0, np.int64)
    return frame, Resting({}, none, none, none, [], none, [], [] if carry is None else list(carry.alive))


counts = st.lists(st.sampled_from([3, 3, 3, 3, 9]), min_size=8, max_size=8)


@settings(max_examples=60)
@given(st.lists(st.tuples(counts, counts, st.booleans()), min_size=1, max_size=4), st.lists(st.booleans(), min_size=8))
def test_what_rests_is_told_as_if_it_were_gone_through(
    programs: list[tuple[list[int], list[int], bool]], told_types: list[bool]
) -> None:
    snapshots = []
    for at in range(8):
        taken = []
        for pid, (handles, types, single) in enumerate(programs):
            listed = {"file": types[at]} if told_types[pid] and types[at] != 9 else {}
            started = from_us(START - DAY + pid)
            taken.append(Process(pid, started, f"app{pid if single else 0}", handles[at], types=listed))
        snapshots.append((START + at * 50 * MINUTE, 0, Reading(taken)))
    pieces = [snapshots[:4], snapshots[4:]]
    found = in_pieces(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("server.analysis.digest.parted", nothing_rests)
        gone_through = in_pieces(pieces)
    assert said(found) == said(gone_through)
    mine, theirs = found[-1].carry, gone_through[-1].carry
    assert (mine.kept, mine.lived, mine.lives) == (theirs.kept, theirs.lived, theirs.lives)
    assert sorted(mine.alive, key=repr) == sorted(theirs.alive, key=repr)
