"""The crowd of `bench.memory`: each host sends what a simulated one does, under its own name, as collectors do."""

import numpy as np

from bench.fleet import Shape
from bench.memory.crowd import Crowd
from server.ingest.body import unpack_body
from server.ingest.wire import decode_push

CROWD = Crowd(Shape(hosts=5, minutes=20, processes=10, lost=0.1, late=0.1), different=2)


def test_every_host_sends_what_the_simulated_one_does() -> None:
    sent: dict[str, list[int]] = {}
    for requests in CROWD.pushes(["token"] * 5):
        for request in requests:
            push = decode_push(unpack_body(request.body, "gzip"))
            handles = sum(process.handles or 0 for one in push.snapshots for process in one.processes)
            sent.setdefault(push.host.name, []).append(handles)
    simulated = [np.where(one.handles >= 0, one.handles, 0).sum(axis=0).tolist() for one in CROWD.simulated()]
    arriving = [sorted(sums) for sums in simulated]
    assert [sorted(sent[name]) for name in CROWD.names()] == [arriving[number % 2] for number in range(5)]


def test_peers_get_as_many_samples_under_the_same_names() -> None:
    lines = [line for requests in CROWD.texts() for request in requests for line in request.body.decode().splitlines()]
    assert {line.partition('host="')[2].partition('"')[0] for line in lines} == set(CROWD.names())
    assert len(lines) == sum(CROWD.simulated()[number % 2].samples for number in range(5))
