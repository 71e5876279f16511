"""The evidence of a leak in words: the figures are those of its pieces, and nothing is said that they do not show."""

from dataclasses import dataclass

import pytest

from server.analysis.evidence import Evidence, Kind, Piece, called, words
from server.analysis.instants import DAY, HOUR, MINUTE

MIDNIGHT = 1_795_305_600_000_000  # 2026-11-22
HOOK = "\\BaseNamedObjects\\V3SOCKHOOK"


@dataclass(frozen=True)
class Leak:
    type: str | None = None
    object: str | None = None
    limit: int | None = None
    started_us: int = MIDNIGHT


def pieces(*lows: int, length: int = DAY, start: int = MIDNIGHT) -> list[Piece]:
    return [Piece(start + n * length, start + (n + 1) * length, low) for n, low in enumerate(lows)]


def test_a_steady_climb_is_told_by_the_lows_of_its_days() -> None:
    said = words(Leak(type="Event"), Evidence("days", pieces=pieces(812, 1_000, 4_377), share=0.963))
    assert said[0] == "The lowest count of each day rose 2 days in a row, from 812 to 4,377."
    assert said[1] == "96 % of the program's growth are Event handles."


def test_a_climb_with_a_step_back_is_not_told_as_one_without() -> None:
    said = words(Leak(), Evidence("days", pieces=pieces(10, 30, 20, 40)))
    assert said[0] == "The lowest count of each day rose in 2 of 3 steps, from 10 to 40."


def test_calm_days_before_it_began_are_not_counted() -> None:
    said = words(Leak(started_us=MIDNIGHT + 2 * DAY), Evidence("days", pieces=pieces(30, 31, 30, 40, 50)))
    assert said[0] == "The lowest count of each day rose 2 days in a row, from 30 to 50."
    said = words(Leak(started_us=MIDNIGHT + 9 * DAY), Evidence("days", pieces=pieces(30, 31)))
    assert said[0] == "The lowest count of each day rose from 30 to 31."


def test_calm_days_after_it_ended_are_not_counted() -> None:
    said = words(Leak(), Evidence("days", pieces=pieces(30, 40, 50, 50, 50)))
    assert said[0] == "The lowest count of each day rose 2 days in a row, from 30 to 50."


def test_a_nightly_job_is_told_with_its_time() -> None:
    said = words(Leak(type="socket"), Evidence("nights", pieces=pieces(100, 140, 180, start=MIDNIGHT + 2 * HOUR)))
    assert "at about 02:00 UTC it takes sockets and keeps about 40 a night" in said[0]
    assert "rose 2 nights in a row, from 100 to 180" in said[0]


def test_restarts_that_give_all_back_are_not_told_as_changing_nothing() -> None:
    restarts = [MIDNIGHT + DAY]
    held = words(Leak(), Evidence("days", pieces=pieces(1, 2), restarts=restarts))
    kept = words(Leak(), Evidence("days", counted="kept", pieces=pieces(1, 2, 3), restarts=restarts))
    last = words(Leak(), Evidence("days", counted="kept", pieces=pieces(1, 2, 2), restarts=restarts))
    assert "A restart at 2026-11-23 00:00 UTC did not change it." in held
    assert "A restart at 2026-11-23 00:00 UTC gave back what was held until then; then it began anew." in kept
    assert "A restart at 2026-11-23 00:00 UTC gave back what was held until then." in last


def test_many_restarts_are_counted() -> None:
    said = words(Leak(), Evidence("days", pieces=pieces(1, 2), restarts=[MIDNIGHT + n * HOUR for n in range(12)]))
    assert "12 restarts meanwhile, the last at 2026-11-22 11:00 UTC, did not change it." in said


def test_what_stands_at_its_limit_is_told_by_the_share_it_holds() -> None:
    said = words(Leak(limit=1024), Evidence("pinned", pieces=pieces(1_020, 1_019, length=3 * HOUR)))
    assert said[0].endswith("it never held less than 1,019, 100 % of its limit of 1,024.")


def test_a_fast_leak_is_told_in_minutes() -> None:
    evidence = Evidence("race", pieces=pieces(10, 500, 990, length=2 * MINUTE), process=(187, None))
    said = words(Leak(), evidence)
    assert said[0].startswith("Within 6 minutes, from 2026-11-22 00:00 UTC on, the lowest count of each 2 minutes rose")
    assert said[-1] == "The process is PID 187."


def test_the_name_that_grows_is_told() -> None:
    said = words(Leak(type="Event", object=HOOK), Evidence("days", pieces=pieces(1, 2)))
    assert f"Of their names it is {HOOK} that grows." in said[-1]


@pytest.mark.parametrize("kind", ["days", "hours", "nights", "lives", "limit", "pinned", "race"])
@pytest.mark.parametrize("counted", ["held", "kept"])
@pytest.mark.parametrize("lows", [(), (5,), (5, 5), (5, 9, 2**53 - 1)])
def test_every_kind_has_words_however_little_is_known(kind: Kind, counted: str, lows: tuple[int, ...]) -> None:
    evidence = Evidence(kind, counted, pieces(*lows))  # type: ignore[arg-type]
    said = words(Leak(), evidence)
    assert len(said) == (2 if lows else 1)
    assert all(one.endswith(".") and ".." not in one for one in said)


@pytest.mark.parametrize(
    ("kind", "many", "one"),
    [(None, "handles", "handle"), ("socket", "sockets", "socket"), ("directory", "directories", "directory")],
)
def test_types_are_called_as_people_call_them(kind: str | None, many: str, one: str) -> None:
    assert called(kind) == many
    assert called(kind, 1) == one
