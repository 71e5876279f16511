"""`GET /api/v1/hosts/{host}/series`: what it may be split by, its range, and thinning that keeps the extremes."""

from typing import Any

import pytest

from tests.pushing import body as push_body
from tests.pushing import compacted, process, push, snapshot, when
from tests.serving import Served

ALL = {"from": when(0), "to": when(300)}


def series(fleet: Served, host: str = "rich", **query: Any) -> Any:
    return fleet.reader.get(f"/api/v1/hosts/{host}/series", params=query)


def keys(fleet: Served, **query: Any) -> list[dict[str, Any]]:
    return [line["key"] for line in series(fleet, **ALL, **query).json()["series"]]


def test_the_total(fleet: Served) -> None:
    found = series(fleet, **ALL).json()
    assert found["times"] == [when(minute) for minute in range(0, 300, 5)]
    line = found["series"][0]
    assert line["key"] == {}
    assert line["last"] == [minute + (1 if minute % 50 == 0 else 6) for minute in range(0, 300, 5)]
    assert line["last"] == line["min"] == line["max"]


def test_keys_name_what_by_names(fleet: Served) -> None:
    started = when(-60)
    service = 'svc[=Dns,\n"x"]'
    assert keys(fleet, by="program") == [{"program": "Java"}, {"program": service}]
    assert keys(fleet, by="type") == [{"type": "Event"}, {"type": "File"}]
    assert keys(fleet, by="object") == [{"type": "Event", "object": "\\x-#"}]
    assert keys(fleet, by="process") == [
        {"program": "Java", "pid": 1, "started_at": started},
        {"program": service, "pid": 2, "started_at": started},
        {"program": "Java", "pid": 3, "started_at": started},
    ]


def test_gaps_are_null(fleet: Served) -> None:
    line = series(fleet, **ALL, by="program", program='SVC[=dns,\n"x"]').json()["series"][0]
    assert line["last"][:3] == [None, 5, 5]
    assert line["min"][0] is line["max"][0] is None


def test_programs_and_types_narrow(fleet: Served) -> None:
    assert keys(fleet, by="process", program="JAVA") == [one for one in keys(fleet, by="process") if one["pid"] != 2]
    assert keys(fleet, by="type", type="File") == [{"type": "File"}]
    assert keys(fleet, by="object", type="File") == []
    only_event = series(fleet, **ALL, type="Event").json()["series"][0]["last"]
    assert only_event == list(range(0, 300, 5))
    assert keys(fleet, by="program", program="nobody") == []


def test_the_highest_peaks_stay(fleet: Served) -> None:
    found = series(fleet, **ALL, by="process", top=1).json()
    assert ([line["key"]["pid"] for line in found["series"]], found["left_out"]) == ([1], 2)


@pytest.mark.parametrize("points", [2, 7, 59])
def test_thinning_keeps_the_extremes(fleet: Served, points: int) -> None:
    exact = series(fleet, **ALL).json()["series"][0]["last"]
    found = series(fleet, **ALL, points=points).json()
    line = found["series"][0]
    assert len(found["times"]) == len(line["last"]) == points
    assert (min(line["min"]), max(line["max"])) == (min(exact), max(exact))
    assert (found["times"][-1], line["last"][-1]) == (when(295), exact[-1])


def test_every_snapshot_where_there_are_no_more_than_points(fleet: Served) -> None:
    assert len(series(fleet, **ALL, points=60).json()["times"]) == 60


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [(10, 20, 3), (10.01, 19.99, 1), (0, 0, 1), (301, 400, 0), (-10, -1, 0), (20, 10, 0)],
)
def test_the_range_takes_both_its_ends(fleet: Served, start: float, end: float, count: int) -> None:
    assert len(series(fleet, **{"from": when(start), "to": when(end)}).json()["times"]) == count


def test_the_last_day_is_what_is_shown_unless_asked_otherwise(served: Served) -> None:
    push(served.database, push_body(*[snapshot(hour * 60) for hour in range(60)]))
    answer = series(served, "web-01").json()
    assert (answer["times"][0], answer["times"][-1]) == (when(35 * 60), when(59 * 60))
    assert len(series(served, "web-01", **{"from": when(0)}).json()["times"]) == 60


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"by": "pid"}, "by"),
        *[({"points": text}, "points") for text in ("1", "100001", "x", "-5", "2.0")],
        *[({"top": text}, "top") for text in ("0", "1001", "x")],
        ({"from": "yesterday"}, "from"),
        ({"to": "2025-06-02T00:00:00"}, "to"),
        ({"format": "html"}, "format"),
    ],
)
def test_a_bad_parameter_is_named(fleet: Served, query: dict[str, str], path: str) -> None:
    answer = series(fleet, **query)
    assert (answer.status_code, [fault["path"] for fault in answer.json()["errors"]]) == (422, [path])


def test_rows_and_blocks_of_every_step_make_one_series(served: Served) -> None:
    database = served.database
    for day in (0, 60, 110, 119):
        push(
            database,
            push_body(*[snapshot(day * 1_440 + minute, process(handles=minute)) for minute in range(0, 600, 5)]),
        )
    push(database, push_body(*[snapshot(120 * 1_440 + minute, process(handles=7)) for minute in range(0, 60, 5)]))
    compacted(database)
    found = series(served, "web-01", points=100_000, **{"from": when(0)}).json()
    assert found["times"] == sorted(found["times"])
    line = found["series"][0]
    assert None not in line["last"]
    assert {day: line["max"][at] for at, day in enumerate(time[:10] for time in found["times"])} == {
        "2025-06-02": 595,
        "2025-08-01": 595,
        "2025-09-20": 595,
        "2025-09-29": 595,
        "2025-09-30": 7,
    }
    assert all(low <= last <= high for low, last, high in zip(line["min"], line["last"], line["max"], strict=True))
