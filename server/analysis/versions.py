"""Versions as vendors write them, compared as well as can be: `4.0.1381`, `1.2.0f`, `7.0 build 719`, `2.0rc1`."""

import re
from dataclasses import dataclass

Part = tuple[int, int, str]

_PART = re.compile(r"[0-9]+|[a-z]+")
_CLAUSE = re.compile(r"(>=|<=|==|!=|>|<|=)?\s*(v?[0-9][\w .+~:-]{0,62})", re.ASCII | re.IGNORECASE)
_EARLIER = frozenset(
    {"a", "alpha", "b", "beta", "c", "rc", "cr", "m", "milestone", "dev", "pre", "preview", "snapshot"}
)
_PRE, _END, _WORD, _NUMBER = range(4)
_ZERO: Part = (_NUMBER, 0, "")
_LONGEST = 256


def _parts(text: str) -> list[Part]:
    """Numbers and words in order, without the words before the first number; digits of any length compare right."""
    parts: list[Part] = []
    for token in _PART.findall(text[:_LONGEST].lower()):
        if token.isdigit():
            digits = token.lstrip("0")
            parts.append((_NUMBER, len(digits), digits))
        elif parts:
            parts.append((_PRE if token in _EARLIER else _WORD, 0, token))
    return parts


def version_key(text: str) -> tuple[Part, ...]:
    """A key that orders versions: `5.0` equals `5`, `2.0rc1` comes before `2.0`, `1.2.0f` after `1.2.0`.

    Never raises; a text without a number in it comes before every version.
    """
    kept: list[Part] = []
    for part in reversed(_parts(text)):
        if part == _ZERO and (not kept or kept[-1][0] != _NUMBER):
            continue
        kept.append(part)
    kept.reverse()
    return (*kept, (_END, 0, "")) if kept or _parts(text) else ()


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Clauses that must all hold: `>=1.3.0, <1.3.3`. A bare version stands for what it begins: `4.0` for `4.0.1381`."""

    clauses: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> "VersionRange":
        """Raises ValueError for what is not a list of clauses."""
        clauses = []
        for clause in text.split(","):
            match = _CLAUSE.fullmatch(clause.strip())
            if match is None:
                raise ValueError(f"{clause.strip()!r} is not a version or a comparison such as >=1.3.0")
            clauses.append((match[1] or "=", match[2]))
        return cls(tuple(clauses))

    def holds(self, version: str | None) -> bool:
        """A version that is not known lies in no range."""
        if version is None or not version_key(version):
            return False
        return all(_holds(version, operator, bound) for operator, bound in self.clauses)


def _holds(version: str, operator: str, bound: str) -> bool:
    if operator in ("=", "=="):
        return _is_within(version, bound)
    if operator == "!=":
        return not _is_within(version, bound)
    key, edge = version_key(version), version_key(bound)
    match operator:
        case ">=":
            return key >= edge
        case "<=":
            return key <= edge
        case ">":
            return key > edge
        case _:
            return key < edge


def _is_within(version: str, bound: str) -> bool:
    wanted, parts = _parts(bound), _parts(version)
    parts += [_ZERO] * (len(wanted) - len(parts))
    return parts[: len(wanted)] == wanted
