"""Numbers, rates, times and systems as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from server.web import render as r
from server.web.views import Os

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(("value", "text"), [(12345, "12,345"), (0, "0"), (-1200, "−1,200"), (None, "–")])
def test_numbers_have_thousands_separators(value: int | None, text: str) -> None:
    assert r.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(350.4, "+350/h"), (1.25, "+1.2/h"), (3, "+3/h"), (0.04, "+0.04/h"), (-12, "−12/h"), (0, "0/h"), (None, "–")],
)
def test_rates_have_a_sign_and_an_hour(value: float | None, text: str) -> None:
    assert r.rate(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (40, "40 s"), (1560, "26 min"), (17_100, "4 h 45 min"), (7_200, "2 h"), (93_600, "1 d 2 h"), (777_600, "9 d"),
        (62_899_200, "728 d"), (63_072_000, "2 y"), (800_000_000, "25 y"), (None, "–"),
    ],
)  # fmt: skip
def test_durations_have_two_units_at_most(seconds: float | None, text: str) -> None:
    assert r.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.00312, "3.1 ms"), (0.08, "80 ms"), (0, "0.0 ms"), (1.24, "1.2 s"), (31, "31 s")]
)
def test_work_under_a_second_is_told_in_milliseconds(seconds: float, text: str) -> None:
    assert r.took(seconds) == text


def test_ages_go_both_ways() -> None:
    assert r.age(NOW - timedelta(minutes=26), NOW) == "26 min ago"
    assert r.age(NOW + timedelta(hours=3), NOW) == "in 3 h"
    assert r.age(NOW, NOW) == "just now"
    assert r.age(None, NOW) == "never"


def test_a_moment_holds_the_absolute_time() -> None:
    html = r.moment(NOW - timedelta(hours=1), NOW)
    assert 'datetime="2026-11-22T09:00:00Z"' in html
    assert "2026-11-22 09:00:00 UTC" in html


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(95, 100, "95 %"), (1, 40, "2.5 %"), (1, 10**6, "< 0.1 %"), (0, 9, "0 %"), (5, 0, "–"), (None, 9, "–")],
)
def test_shares_stay_legible(part: int | None, whole: int, text: str) -> None:
    assert r.percent(part, whole) == text


def test_systems_name_their_service_pack() -> None:
    nt = Os(family="windows", name="Windows NT Server", version="4.0.1381", service_pack="6a")
    assert r.system(nt) == "Windows NT Server 4.0.1381 SP6a"
    assert r.system_short(nt) == "Windows NT Server 4.0 SP6a"
    assert (
        r.system(Os(family="linux", name="Debian GNU/Linux 13 (trixie)", version="13"))
        == "Debian GNU/Linux 13 (trixie)"
    )
    assert r.system(Os(family="macos")) == "macOS"


def test_bytes_are_in_binary_units() -> None:
    assert [r.size(n) for n in (512, 31_457_280, 5 * 1024**4, None)] == ["512 B", "30 MiB", "5120 GiB", "–"]
