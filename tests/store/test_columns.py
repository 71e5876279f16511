"""Snapshots stored as columns, and the frames put together from them."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.analysis.frames import from_readings
from server.analysis.readings import MOST, Process, Reading
from server.store.blocks import compress
from server.store.columns import Assembly, columns_of_reading, pack_columns, pack_counts, unpack_columns, unpack_counts
from tests.histories import START, contents, histories

Sent = list[tuple[int, int, Reading]]


def assembled(sent: Sent) -> Assembly:
    assembly = Assembly()
    for time_us, skew_s, reading in sent:
        assembly.add(time_us, skew_s, unpack_columns(pack_columns(columns_of_reading(reading))))
    return assembly


@given(histories)
def test_columns_make_the_frame_that_their_readings_make(sent: Sent) -> None:
    found, wanted = assembled(sent).frame(), from_readings(sent)
    assert contents(found) == contents(wanted)
    for name in ("times", "skews", "seen", "denied", "intervals", "booted", "partial"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name))


@given(histories)
def test_cells_say_how_large_the_frame_will_be(sent: Sent) -> None:
    assembly = assembled(sent)
    assert assembly.cells == assembly.frame().cells


@given(st.lists(st.integers(0, MOST + 1)))
def test_counts_come_back(counts: list[int]) -> None:
    assert unpack_counts(pack_counts(counts)).tolist() == counts


@pytest.mark.parametrize("data", [b"", b"\0", b"\x03abc", b"\x02a"])
def test_what_is_no_list_of_counts_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"width|multiple"):
        unpack_counts(data)


def test_the_same_processes_have_the_same_listing() -> None:
    one, other = (columns_of_reading(Reading([Process(1, START, "java", count)])) for count in (5, 6))
    assert one.listing == other.listing
    assert one.handles != other.handles


def test_snapshots_of_older_versions_can_be_read() -> None:
    reading = Reading([Process(1, START, "java", 5, limit=9, types={"file": 5})], interval_s=60)
    assert unpack_columns(compress(msgspec.msgpack.encode(reading))) == columns_of_reading(reading)
