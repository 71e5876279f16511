"""How soon to speak of a program: the level that the most specific of an operator's settings gives it. Pure."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from re import Pattern
from typing import Literal, NamedTuple, get_args

from server.analysis.patterns import wildcard

Level = Literal["quiet", "low", "normal", "high"]
LEVELS: tuple[Level, ...] = get_args(Level)


class Sensitivity(NamedTuple):
    """`program`: a pattern as `patterns.wildcard` reads it; `label`: None on every host. A higher number is newer."""

    number: int
    program: str
    label: tuple[str, str] | None
    level: Level


_compiled = lru_cache(maxsize=1_024)(wildcard)


def level_for(rows: Iterable[Sensitivity], program: str, labels: Mapping[str, str]) -> Level:
    """`normal` where none fits."""
    found = setting_for(rows, program, labels)
    return found.level if found else "normal"


def setting_for(rows: Iterable[Sensitivity], program: str, labels: Mapping[str, str]) -> Sensitivity | None:
    """One with a label wins over one without, then a name over a pattern, then the longer pattern, then the newer."""
    fitting = [row for row in rows if _holds(row, labels) and _pattern(row).fullmatch(program)]
    return max(fitting, key=_specific) if fitting else None


def _holds(row: Sensitivity, labels: Mapping[str, str]) -> bool:
    return row.label is None or labels.get(row.label[0]) == row.label[1]


def _pattern(row: Sensitivity) -> Pattern[str]:
    return _compiled(row.program)


def _specific(row: Sensitivity) -> tuple[bool, bool, int, int]:
    plain = row.program.replace("*", "").replace("?", "")
    return row.label is not None, plain == row.program, len(plain), row.number
