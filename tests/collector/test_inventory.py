"""What is installed travels when it has changed and once a day, and until the server has taken it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.service import InventoryNews
from collector.sources import Machine, Reading
from collector.state import StateDirectory
from collector.wire import Coverage, Inventory, Item

NOON = 1795348800.0
DAY = 86_400.0
V3 = Item("V3 Pro 2000 Deluxe", "AhnLab", "5.0")


class Source:
    name = "windows"

    def __init__(self) -> None:
        self.installed: Inventory | None = Inventory(software=[V3], services=[Item("V3MonNT")])
        self.asked = 0

    def machine(self) -> Machine:
        return Machine(os={"family": "windows"}, booted_at=None)

    def inventory(self) -> Inventory | None:
        self.asked += 1
        return self.installed

    def memory_mb(self) -> float | None:
        return None

    def read(self, *, now: float, inspect: frozenset[str] = frozenset()) -> Reading:
        return Reading([], Coverage())


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDirectory]:
    found = StateDirectory(tmp_path)
    yield found
    found.close()


def test_it_travels_with_its_time_until_it_is_taken(source: Source, state: StateDirectory) -> None:
    news = InventoryNews(source, state)
    news.look(now=NOON, steady=0)
    expected = {
        "time": "2026-11-22T12:00:00Z",
        "software": [{"name": "V3 Pro 2000 Deluxe", "vendor": "AhnLab", "version": "5.0"}],
        "services": [{"name": "V3MonNT"}],
    }
    assert news.offer(NOON) == news.offer(NOON + 60) == {"inventory": expected}
    news.accepted()
    assert news.offer(NOON + 120) == {}
    assert InventoryNews(source, state).offer(NOON + 120) == {}


def test_a_collector_that_starts_anew_knows_what_was_told(source: Source, state: StateDirectory) -> None:
    for number in range(2):
        news = InventoryNews(source, state)
        news.look(now=NOON, steady=0)
        assert bool(news.offer(NOON + number)) is (number == 0)
        news.accepted()


def test_a_change_is_told_within_minutes(source: Source, state: StateDirectory) -> None:
    news = InventoryNews(source, state)
    news.look(now=NOON, steady=0)
    news.offer(NOON)
    news.accepted()
    source.installed = Inventory(software=[])
    news.look(now=NOON + 60, steady=60)
    assert (source.asked, news.offer(NOON + 60)) == (1, {})
    news.look(now=NOON + 900, steady=900)
    assert news.offer(NOON + 900)["inventory"]["software"] == []


@pytest.mark.parametrize(("later", "told"), [(DAY - 1, False), (DAY, True), (-1, True)])
def test_it_is_told_again_after_a_day_or_when_the_clock_was_set_back(
    source: Source, state: StateDirectory, later: float, told: bool
) -> None:
    news = InventoryNews(source, state)
    news.look(now=NOON, steady=0)
    news.offer(NOON)
    news.accepted()
    assert bool(news.offer(NOON + later)) is told


def test_what_the_server_refuses_is_offered_again_when_it_has_changed_in_a_day_or_by_the_next_run(
    source: Source, state: StateDirectory
) -> None:
    news = InventoryNews(source, state)
    news.look(now=NOON, steady=0)
    news.offer(NOON)
    news.refused()
    assert news.offer(NOON + 60) == {}
    assert news.offer(NOON + DAY) != {}
    again = InventoryNews(source, state)
    again.look(now=NOON, steady=0)
    assert again.offer(NOON + 60) != {}
    source.installed = Inventory(software=[])
    news.look(now=NOON + 900, steady=900)
    assert news.offer(NOON + 900) != {}


def test_a_source_that_does_not_look_says_nothing(source: Source, state: StateDirectory) -> None:
    source.installed = None
    news = InventoryNews(source, state)
    news.look(now=NOON, steady=0)
    assert news.offer(NOON) == {}
