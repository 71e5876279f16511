"""What charts show of a leak, in figures: its line through the lows, its forecast, and nothing that is not known."""

from types import SimpleNamespace
from typing import Any

import pytest

from server.analysis.evidence import Evidence, Piece
from server.analysis.instants import DAY, HOUR, SECOND
from server.web.pages.overlays import ahead_s, of_host, of_leak
from server.web.views_chart import Forecast
from tests.store.leaking import NOW, a_leak

START = NOW - 5 * DAY
END_S = (NOW - HOUR) // SECOND


def row(**more: Any) -> SimpleNamespace:
    said = {"started_us": START, "last_seen_us": NOW - HOUR, "handles": 1_290, "rate_per_hour": 10.0, "limit": 2_000}
    return SimpleNamespace(**a_leak(1, 1, **(said | more)))


def rising(*lows: int) -> Evidence:
    return Evidence("days", pieces=[Piece(START + n * DAY, START + (n + 1) * DAY, low) for n, low in enumerate(lows)])


def test_the_line_goes_through_the_lows() -> None:
    trend = of_leak(row(), rising(100, 340, 580)).trends[0]
    assert trend.from_value == 100
    assert trend.to_value == 100 + 10 * 119


def test_without_pieces_the_line_ends_at_what_is_held() -> None:
    assert of_leak(row(), Evidence("days")).trends[0].to_value == 1_290


def test_the_line_of_one_that_is_over_ends_with_its_rise() -> None:
    over = row(state="resolved", resolved_us=NOW)
    assert of_leak(over, rising(100, 340, 580, 580, 580)).trends[0].to_s == (START + 3 * DAY) // SECOND


def test_what_shrinks_has_no_line() -> None:
    assert of_leak(row(rate_per_hour=-1.0), rising(5, 4)).trends == ()


FORECAST = {"exhausted_us": NOW + 71 * HOUR, "exhausted_from_us": NOW + 60 * HOUR, "exhausted_to_us": NOW + 90 * HOUR}


def test_a_forecast_reaches_from_what_is_held_to_the_limit() -> None:
    found = of_leak(row(**FORECAST), rising(100, 340)).forecasts
    times = {name: (NOW + hours * HOUR) // SECOND for name, hours in (("earliest_s", 60), ("likely_s", 71))}
    assert found == (
        Forecast(from_s=END_S, from_value=1_290, limit=2_000, latest_s=(NOW + 90 * HOUR) // SECOND, **times),
    )
    assert of_leak(row(**FORECAST), rising(1, 2), room=1_900).forecasts[0].limit == 1_900


@pytest.mark.parametrize(
    "more",
    [{"exhausted_us": None}, {"limit": None}, {"handles": None}, {"phase": "at_limit"}, {"state": "resolved"}],
)
def test_nothing_is_forecast_where_something_is_not_known_or_it_is_late(more: dict[str, Any]) -> None:
    assert of_leak(row(**(FORECAST | more)), rising(1, 2)).forecasts == ()


def test_the_plot_reaches_ahead_to_the_latest_end_within_reason() -> None:
    overlay = of_leak(row(**FORECAST), rising(1, 2))
    to_s = NOW // SECOND
    assert ahead_s(overlay, span_s=30 * 86_400, to_s=to_s) == 90 * 3_600 + 30 * 86_400 // 25
    assert ahead_s(overlay, span_s=86_400, to_s=to_s) == 43_200
    assert ahead_s(of_leak(row(), rising(1, 2)), span_s=86_400, to_s=to_s) == 0


def test_a_chart_of_all_programs_shows_when_leaks_began_and_no_limits() -> None:
    overlay = of_host([row(**FORECAST), row(state="resolved", resolved_us=NOW)], program=None)
    assert [mark.label for mark in overlay.marks] == ["java begins"]
    assert overlay.forecasts == ()


def test_a_chart_of_a_program_forecasts_from_what_its_one_process_holds() -> None:
    assert of_host([row(**FORECAST)], program="java", held=1_400).forecasts[0].from_value == 1_400
    assert of_host([row(**(FORECAST | {"handles": 100}))], program="java", held=1_400).forecasts == ()
    assert of_host([row(**FORECAST)], program="java").forecasts == ()
    assert len(of_host([row(**FORECAST, type=None)], program="java").forecasts) == 1
