"""The fleet that measurements are fed with."""

import msgspec
import numpy as np

from bench.fleet import Shape, envelope, frame_of, host, live_order, snapshot
from server.analysis.frames import ABSENT
from server.ingest.wire import decode_push

SHAPE = Shape(hosts=2, minutes=120, typed=0.5, named=0.2, jitter_ms=30, seed=3)


def test_a_host_comes_out_the_same_each_time() -> None:
    one, other = host(SHAPE, 1), host(SHAPE, 1)
    assert (one.handles == other.handles).all()
    assert one.processes == other.processes


def test_each_minute_has_as_many_processes_as_there_are_slots() -> None:
    assert ((host(SHAPE, 0).handles != ABSENT).sum(axis=0) == SHAPE.processes).all()


def test_types_add_up_to_what_their_process_holds() -> None:
    one = host(SHAPE, 0)
    there = one.handles[one.typed_rows] != ABSENT
    assert (one.types.sum(axis=1) == one.handles[one.typed_rows])[there].all()


def test_about_a_third_of_the_counts_differ_from_those_before() -> None:
    handles = host(SHAPE, 0).handles
    both = (handles[:, 1:] >= 0) & (handles[:, :-1] >= 0)
    assert 0.2 < np.mean((handles[:, 1:] != handles[:, :-1])[both]) < 0.4


def test_every_snapshot_that_is_not_lost_comes_once() -> None:
    histories = [host(SHAPE, number) for number in range(SHAPE.hosts)]
    sent = [(number, column) for _, number, columns in live_order(histories) for column in columns]
    assert sorted(sent) == [(number, at) for number, one in enumerate(histories) for at in range(len(one.times))]


def test_a_snapshot_fits_the_wire_format_and_says_what_the_frame_says() -> None:
    one = host(SHAPE, 0)
    sent = decode_push(msgspec.json.encode({**envelope(one), "snapshots": [snapshot(one, 7)]}))
    frame = frame_of(one, slice(7, 8))
    counts = frame.handles.last[:, 0]
    assert [process.handles for process in sent.snapshots[0].processes] == counts[counts != ABSENT].tolist()
