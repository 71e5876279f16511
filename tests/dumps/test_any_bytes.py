"""Whatever the bytes: a dump within the wire's bounds, or one of two refusals; and in time linear in their number."""

import random
import time
import tracemalloc
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.analysis.readings import Reading
from server.dumps.dump import Damaged, Dump, NotUnderstood
from server.dumps.reading import FORMATS, read_dump
from tests.dumps.samples import SAMPLES

CONTENTS = {path.name: path.read_bytes() for path in SAMPLES}
MADE_BY = {"get": "get-process"} | dict.fromkeys(("typeperf", "logman", "perfmon", "relog", "process"), "pdh-csv")
LEGIBLE = st.lists(
    st.one_of(
        st.sampled_from([line for content in CONTENTS.values() for line in content.splitlines(keepends=True)]),
        st.binary(max_size=40),
    ),
    max_size=40,
).map(b"".join)


def check(dump: Dump) -> None:
    assert dump.format in FORMATS
    for moment in dump.moments:
        assert moment.time is None or moment.time.tzinfo is not None
        processes = moment.processes
        assert len({process.pid for process in processes}) == len(processes)
        assert len(processes) <= 20_000
        assert all(process.name for process in processes)
        sent = msgspec.json.encode(Reading(processes=processes))
        assert b"\\u0000" not in sent
        assert msgspec.json.decode(sent, type=Reading) == Reading(processes=processes)


def read(content: bytes, format: str | None = None) -> None:
    with suppress(Damaged, NotUnderstood):
        check(read_dump(content, format=format))


@given(st.binary(max_size=400))
def test_random_bytes(content: bytes) -> None:
    for format in [None, *FORMATS]:
        read(content, format)


@given(LEGIBLE)
def test_lines_of_all_formats_in_any_order(content: bytes) -> None:
    for format in [None, *FORMATS]:
        read(content, format)


@pytest.mark.parametrize("name", list(CONTENTS))
def test_samples_with_bytes_changed(name: str) -> None:
    chance = random.Random(name)
    for _ in range(150):
        content = bytearray(CONTENTS[name])
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(content))
            change = chance.randrange(4)
            if change == 0:
                content[at] = chance.randrange(256)
            elif change == 1:
                del content[at : at + chance.randrange(1, 30)]
            elif change == 2:
                content[at:at] = content[: chance.randrange(200)]
            else:
                content[at:at] = chance.choice([b'"', b",", b"\n", b"9" * 30, b"\t", b"-1", b"\xff", b": ", b"\0"])
            if not content:
                content = bytearray(b" ")
        read(bytes(content))
        for format in FORMATS:
            read(bytes(content), format)


@pytest.mark.parametrize("name", list(CONTENTS))
def test_every_sample_is_recognised_and_whole(name: str) -> None:
    dump = read_dump(CONTENTS[name])
    first = name.split("-")[0].split(".")[0]
    assert dump.format == MADE_BY.get(first, first)
    check(dump)


def test_other_files_are_not_understood_and_the_formats_are_told() -> None:
    for content in (b"", b"hello\nworld\n", b"\x7fELF\x02\x01\x01", b'{"a": 1}', b"a,b,c\n1,2,3\n"):
        with pytest.raises(NotUnderstood, match="pslist"):
            read_dump(content)
    with pytest.raises(NotUnderstood, match='"procexp" is no format'):
        read_dump(b"", format="procexp")


HOSTILE = {
    "blank lines": b"\n",
    "blanks": b" ",
    "one long line": b"a",
    "quotes": b'"',
    "commas": b",",
    "open brackets": b"(",
    "dashes": b"-" * 60 + b"\n",
    "heads": b"x pid: 1 ",
    "digits": b"1",
    "spaced pids": b" pid: " * 10 + b"\n",
    "times": b"0:00:00.000 ",
    "nuls": b"\0",
    "korean": b"\xb0\xa1",
    "returns": b"\r",
}
HEADINGS = [
    b"",
    b"System pid: 4\n",
    b"Handle type summary:\n",
    b"Process,PID,Type,Handle,Name\n",
    b'"(PDH-CSV 4.0) (GMT)(0)","\\\\A\\Process(x)\\Handle Count"\n',
    b"Name,Id,Handles\n",
    b"Node,HandleCount,Name,ProcessId\n",
    b"Name  Pid Pri Thd Hnd\n",
    b"    User Time   Kernel Time    Ws   Faults  Commit Pri Hnd Thd Pid Name\n",
    b"p1\nfcwd\n",
    b"000000D6 a Event 0060 x\n",
]


@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize("kind", list(HOSTILE))
def test_a_megabyte_of_anything_takes_no_more_than_a_moment(kind: str, heading: bytes) -> None:
    content = heading + HOSTILE[kind] * ((1 << 20) // len(HOSTILE[kind]))
    before = time.process_time()
    read(content)
    assert time.process_time() - before < 2


def test_what_is_kept_of_a_listing_is_bounded_by_its_length() -> None:
    content = b"System pid: 4\n" + b"".join(b"   4: Event         \\%07d\n" % n for n in range(20_000))
    tracemalloc.start()
    read(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * len(content)
