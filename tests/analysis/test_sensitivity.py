"""Of several settings that fit a program, the most specific one counts."""

import pytest

from server.analysis.sensitivity import Level, Sensitivity, level_for

ROLE = ("role", "build")
ROWS = [
    Sensitivity(1, "*", None, "low"),
    Sensitivity(2, "java*", None, "high"),
    Sensitivity(3, "java", None, "quiet"),
    Sensitivity(4, "*", ROLE, "normal"),
    Sensitivity(5, "[x]?", None, "quiet"),
    Sensitivity(6, "[x]*", None, "high"),
]


@pytest.mark.parametrize(
    ("program", "labels", "level"),
    [
        ("nginx", {}, "low"),
        ("Java", {}, "quiet"),
        ("javaw.exe", {}, "high"),
        ("java", {"role": "build"}, "normal"),
        ("java", {"role": "web"}, "quiet"),
        ("[x]1", {}, "high"),
        ("x1", {}, "low"),
    ],
)
def test_the_most_specific_wins(program: str, labels: dict[str, str], level: Level) -> None:
    assert level_for(ROWS, program, labels) == level
    assert level_for(reversed(ROWS), program, labels) == level


def test_without_any_it_is_normal() -> None:
    assert level_for([], "java", {}) == "normal"
