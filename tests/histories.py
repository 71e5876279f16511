"""Hypothesis strategies for what hosts may send, and a plain reading of it to compare with."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from server.analysis.frames import Frame
from server.analysis.instants import SECOND, to_us
from server.analysis.readings import MOST, Coverage, ObjectCount, Process, Reading

START = datetime(2026, 11, 1, tzinfo=UTC)
NAMES = ("ntbackup.exe", "java", "svchost.exe", "Ünïcode\n")
TYPES = ("Event", "File", "socket")

counts = st.one_of(st.integers(0, 300), st.integers(0, MOST))

objects = st.lists(
    st.builds(
        ObjectCount,
        type=st.sampled_from(TYPES),
        name=st.sampled_from(("\\BaseNamedObjects\\V3SOCKHOOK", "", "x")),
        count=counts,
        distinct=st.none() | counts,
        estimated=st.booleans(),
    ),
    max_size=3,
    unique_by=lambda item: (item.type, item.name),
)

processes = st.builds(
    Process,
    pid=st.integers(1, 4),
    started_at=st.none() | st.sampled_from([START - timedelta(days=day) for day in (0, 1)]),
    name=st.sampled_from(NAMES),
    handles=st.none() | counts,
    limit=st.none() | st.sampled_from([1024, 4096]),
    types=st.dictionaries(st.sampled_from(TYPES), counts, max_size=3),
    objects=st.none() | objects,
    instance=st.none() | st.sampled_from(["Dnscache", ""]),
    user=st.none() | st.just("root"),
)

readings = st.builds(
    Reading,
    processes=st.lists(processes, max_size=5, unique_by=lambda process: (process.pid, process.started_at)),
    coverage=st.none() | st.builds(Coverage, processes=st.none() | st.integers(0, 99), denied=st.integers(0, 9)),
)

# minutes apart, with gaps; skews of clocks that are set
histories = st.lists(
    st.tuples(st.sampled_from([1, 1, 1, 5, 59, 600]), st.sampled_from([0, 0, 0, -90, 3600]), readings),
    min_size=1,
    max_size=12,
).map(
    lambda steps: [
        (to_us(START) + 60 * SECOND * sum(step for step, _, _ in steps[: i + 1]), skew, reading)
        for i, (_, skew, reading) in enumerate(steps)
    ]
)


def contents(frame: Frame) -> dict[int, object]:
    """All that a full-resolution frame says, by time, free of the order of its rows."""
    return {int(time): _column(frame, column) for column, time in enumerate(frame.times)}


def _column(frame: Frame, column: int) -> object:
    said = {}
    for row, key in enumerate(frame.processes):
        count = int(frame.handles.last[row, column])
        if count == -2:
            continue
        types = {
            name: int(frame.types.last[i, column])
            for i, (owner, name) in enumerate(frame.type_rows)
            if owner == row and frame.types.last[i, column] > 0
        }
        listed = {
            (kind, name): (
                int(frame.objects.last[i, column]),
                int(frame.distinct[i, column]),
                bool(frame.estimated[i, column]),
            )
            for i, (owner, kind, name) in enumerate(frame.object_rows)
            if owner == row and frame.objects.last[i, column] >= 0
        }
        said[key] = (count, int(frame.limits[row, column]), types, bool(frame.looked[row, column]), listed)
    return (int(frame.skews[column]), int(frame.seen[column]), int(frame.denied[column]), said)


def told(history: list[tuple[int, int, Reading]]) -> dict[int, object]:
    """The same, straight from the readings; the first content of a time stays."""
    result: dict[int, object] = {}
    for time, skew, reading in history:
        said = {}
        for p in reading.processes:
            started = None if p.started_at is None else to_us(p.started_at)
            key = (p.pid, started, p.name, p.instance, p.exe, p.user, p.version)
            listed = {
                (item.type, item.name): (item.count, -1 if item.distinct is None else item.distinct, item.estimated)
                for item in p.objects or []
            }
            said[key] = (
                -1 if p.handles is None else p.handles,
                -1 if p.limit is None else p.limit,
                {name: count for name, count in p.types.items() if count > 0},
                p.objects is not None,
                listed,
            )
        coverage = reading.coverage or Coverage()
        seen = -1 if coverage.processes is None else coverage.processes
        denied = -1 if coverage.denied is None else coverage.denied
        result.setdefault(time, (skew, seen, denied, said))
    return result
