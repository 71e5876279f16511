"""Names of objects come from small samples of the types that may be asked, scaled up by what the objects tell."""

import pytest

from collector.sources.windows_buffers import HandleTable
from collector.sources.windows_objects import NAMEABLE, ObjectNames, TooLong, TypeNames
from collector.wire import NamedObject
from tests.collector.windows.machine import TYPES, FakeProcess, FakeWindows, Object

V3 = Object("Event", r"\Sessions\1\BaseNamedObjects\V3SOCKHOOK")
FOLDED = r"\BaseNamedObjects\V3SOCKHOOK"


def look(windows: FakeWindows, *, clock_s: float = 0.0) -> list[NamedObject]:
    """The names of process 8."""
    table = HandleTable(windows.handles())
    types = TypeNames(windows, 0)
    types.learn(table)
    windows.asked.clear()
    try:
        return ObjectNames(windows, types, clock=lambda: clock_s).look(table, 8, deadline=1.0)
    finally:
        assert windows.open_handles == {}


def backup(*objects: Object) -> FakeWindows:
    return FakeWindows(FakeProcess(8, "ntbackup.exe", objects=list(objects)))


def test_the_types_that_may_be_asked_are_these_and_no_others() -> None:
    assert sorted(NAMEABLE) == [
        "Desktop", "Directory", "Event", "Job", "Key", "Mutant", "Section", "Semaphore", "SymbolicLink", "Timer",
        "WindowStation",
    ]  # fmt: skip


@pytest.mark.parametrize("type_name", TYPES)
def test_only_types_on_the_list_are_asked_for_names(type_name: str) -> None:
    windows = backup(*[Object(type_name, r"\Device\NamedPipe\never")] * 40)
    look(windows)
    assert set(windows.asked) == ({type_name} & NAMEABLE)


def test_a_handle_that_has_become_a_file_meanwhile_is_not_asked() -> None:
    windows = backup(*[V3] * 3)
    windows.turned = {(8, 8): Object("File", r"\Device\NamedPipe\never")}
    assert look(windows) == [NamedObject("Event", FOLDED, 3, 1, estimated=True)]
    assert windows.asked == ["Event", "Event"]


def test_few_handles_are_all_asked_and_counted_exactly() -> None:
    windows = backup(V3, V3, Object("Event"), Object("Mutant", r"\BaseNamedObjects\lock-17"), Object("File", "x"))
    assert look(windows) == [
        NamedObject("Event", FOLDED, 2, 1),
        NamedObject("Mutant", r"\BaseNamedObjects\lock-#", 1, 1),
    ]


def test_many_handles_to_one_object_are_told_by_the_object_itself() -> None:
    windows = backup(*[V3] * 5000, *[Object("Event")] * 80)
    assert look(windows) == [NamedObject("Event", FOLDED, 5000, 1, estimated=True)]
    assert len(windows.asked) == 32


def test_many_objects_are_told_from_many_handles_to_one() -> None:
    windows = backup(*(Object("Event", rf"\BaseNamedObjects\job-{number}") for number in range(5000)))
    assert look(windows) == [NamedObject("Event", r"\BaseNamedObjects\job-#", 5000, 5000, estimated=True)]


def test_an_object_that_others_hold_as_well_is_counted_by_the_sample() -> None:
    shared = Object("Section", r"\BaseNamedObjects\pool", open=90_000)
    [found] = look(backup(*[shared, Object("Section")] * 500))
    assert 300 < found.count < 700
    assert (found.distinct, found.estimated) == (1, True)


def test_handles_closed_meanwhile_are_left_out() -> None:
    windows = backup(*[V3] * 20)
    windows.closed = {(8, 4 * number) for number in range(2, 12)}
    [found] = look(windows)
    assert (found.count, found.estimated) == (20, True)


def test_a_process_that_denies_access_says_so() -> None:
    windows = backup(V3)
    windows.denied = {8}
    with pytest.raises(PermissionError):
        look(windows)


def test_a_look_ends_with_its_budget() -> None:
    with pytest.raises(TooLong):
        look(backup(V3), clock_s=2.0)


def test_at_most_twenty_names_are_given() -> None:
    words = [rf"\BaseNamedObjects\{chr(97 + number)}" for number in range(26)]
    found = look(backup(*(Object("Event", word) for word in words), Object("Event", words[-1])))
    assert len(found) == 20
    assert found[0].name == words[-1]
