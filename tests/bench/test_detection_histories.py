"""What is written of a corpus is read back as the same hosts."""

from pathlib import Path

import numpy as np

from bench.detection.corpus import build
from server.evaluation.histories import read, read_bodies, write
from server.ingest.wire import decode_push
from tests.histories import contents


def test_a_written_history_is_read_back_as_it_was(tmp_path: Path) -> None:
    hosts = build(3, hosts=6, days=1.5)
    assert write(tmp_path, hosts) == 6
    for host, again in zip(hosts, read(tmp_path), strict=True):
        assert (again.name, again.os_family, again.zone_h) == (host.name, host.os_family, host.zone_h)
        assert contents(again.frame) == contents(host.frame)
        assert (again.order == host.order).all()
        assert (again.frame.booted == host.frame.booted).all()
        assert again.labels == host.labels


def test_bodies_hold_no_more_than_two_hundred_snapshots_in_the_order_of_sending(tmp_path: Path) -> None:
    host = build(3, hosts=1, days=3)[0]
    host.order = np.roll(host.order, 50)  # as if a clock had been set back
    write(tmp_path, [host])
    pushes = [decode_push(body) for body in read_bodies(tmp_path / f"{host.name}.jsonl.zst")]
    assert max(len(push.snapshots) for push in pushes) <= 200
    (again,) = read(tmp_path)
    assert (again.order == host.order).all()
