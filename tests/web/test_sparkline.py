"""The small charts: gaps stay gaps, and noise does not look like a climb."""

from hypothesis import given
from hypothesis import strategies as st

from server.web.colours import COLOURS, assign
from server.web.sparkline import sparkline


def test_a_gap_breaks_the_line() -> None:
    line = sparkline([1, 2, None, 3, 4])
    assert line is not None
    assert line.line.count("M") == 2


def test_a_lone_reading_is_a_dot() -> None:
    line = sparkline([None, 7, None])
    assert line is not None
    assert line.line.endswith("h0")
    assert line.area == ""


def test_nothing_known_is_no_chart() -> None:
    assert sparkline([]) is None
    assert sparkline([None, None]) is None


def test_small_noise_on_a_high_count_stays_in_the_middle() -> None:
    line = sparkline([10_000, 10_001, 10_000])
    assert line is not None
    heights = [float(point.split()[1]) for point in line.line.replace("M", "L").split("L")[1:]]
    assert all(11 < height < 13 for height in heights)


@given(st.lists(st.none() | st.integers(0, 2**53 - 1), max_size=60))
def test_every_point_lies_in_the_box(values: list[int | None]) -> None:
    line = sparkline(values)
    if line is None:
        return
    for point in line.line.replace("h0", "").replace("M", "L").split("L")[1:]:
        x, y = map(float, point.split())
        assert 0 <= x <= line.width
        assert 0 <= y <= line.height


@given(st.lists(st.text(max_size=8), unique_by=str.casefold, max_size=COLOURS))
def test_up_to_eight_names_have_eight_colours(names: list[str]) -> None:
    assert len(set(assign(names).values())) == len(names)


def test_a_name_tends_to_keep_its_colour() -> None:
    assert assign(["java", "nginx"])["java"] == assign(["java", "postgres", "sshd"])["java"]
    assert set(assign(map(str, range(30))).values()) == set(range(COLOURS))
