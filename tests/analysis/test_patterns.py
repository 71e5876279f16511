"""Wildcards mean what they say, and a regular expression that could run away is refused."""

import pytest

from server.analysis.patterns import PatternError, regex, wildcard


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("ntbackup.exe", "NTBACKUP.EXE", True),
        ("ntbackup.exe", "ntbackup_exe", False),
        ("ntbackup.exe", "xntbackup.exe", False),
        ("bp*.exe", "bpbkar32.exe", True),
        ("svchost.exe[Dnscache]", "svchost.exe[dnscache]", True),
        ("svchost.exe[*]", "svchost.exe[x]", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("*", "", True),
        ("*a*b*", "xxaxxbxx", True),
        ("*a*b*", "xxbxxaxx", False),
        ("a*b*b", "ab", False),
        ("a*b*b", "abb", True),
    ],
)
def test_a_wildcard_is_for_the_whole_name(pattern: str, name: str, fits: bool) -> None:
    assert bool(wildcard(pattern).fullmatch(name)) is fits


def test_many_stars_cost_no_more_than_one() -> None:
    assert not wildcard("*a" * 90 + "b").fullmatch("a" * 1024)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+b", r"(a|aa)*b", r"((ab)*c)*", r"(a*){20}", r"(?:a+){2,}", r"(\w+\s?)*$", r"(a)\1", r"(?P<x>a)(?P=x)",
        r"a*b*c*d*e", r"a{0,}b{0,}c+d+", r"(", "[[a]", "", " ", "a" * 501, r"(?x) a b", r"(a)(?(1)b|c)",
        r"(?:[^]+]+x)+",
    ],
)  # fmt: skip
def test_a_pattern_that_could_run_away_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        regex(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\\BaseNamedObjects\\V3SOCKHOOK$",
        r"^\\REGISTRY\\MACHINE\\SYSTEM\\(CurrentControlSet|ControlSet#)\\Services\\(a|b)\\Performance$",
        r"^/run/containerd/.+/log \(deleted\)$",
        r"/[0-9a-f]{12,64}-json\.log",
        r"\.log(\.\d+)? \(deleted\)$",
        r"(ab|cd)?x[*+]+y\*\+",
        r"(?<!x)(?:ab){3}[]a]*",
    ],
)
def test_a_plain_pattern_is_taken(pattern: str) -> None:
    assert regex(pattern).pattern == pattern


def test_a_pattern_does_not_mind_case() -> None:
    assert regex("^V3").search("v3sockhook")
