"""Versions are ordered as their vendors mean them, and odd ones raise nothing."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.analysis.versions import VersionRange, version_key


def test_versions_are_ordered() -> None:
    ascending = [
        "",
        "1.0",
        "1.2.0",
        "1.2.0f",
        "1.2.1",
        "1.10",
        "2.0rc1",
        "2.0",
        "7.0",
        "7.0 build 719",
        "7.0 build 1000",
    ]
    assert all(version_key(low) < version_key(high) for low, high in pairwise(ascending))


@pytest.mark.parametrize("same", ["5", "5.0", "v5.0.0", "Version 05.0"])
def test_zeros_and_leading_words_make_no_difference(same: str) -> None:
    assert version_key(same) == version_key("5.0")


@pytest.mark.parametrize(
    ("clauses", "inside", "outside"),
    [
        ("4.0", ["4.0", "4.0.1381", "4.00.1381", "4"], ["4.1", "40", "5.0", "3.51"]),
        (">=1.3.0, <1.3.3", ["1.3.0", "1.3", "1.3.2"], ["1.2.9", "1.3.3", "1.3.10"]),
        ("!=2.0", ["2.1"], ["2.0.5"]),
        (">1.2.0, <=1.2.0h", ["1.2.0f", "1.2.0h"], ["1.2.0", "1.2.0i"]),
    ],
)
def test_a_range_holds_what_lies_in_it(clauses: str, inside: list[str], outside: list[str]) -> None:
    versions = VersionRange.parse(clauses)
    assert [version for version in inside + outside if versions.holds(version)] == inside


@pytest.mark.parametrize("unknown", [None, "", "n/a"])
def test_a_version_not_known_lies_in_no_range(unknown: str | None) -> None:
    assert not VersionRange.parse("!=2.0").holds(unknown)


@pytest.mark.parametrize("clauses", ["", "new", ">=", "1.0,", "~1.0"])
def test_what_is_no_range_is_refused(clauses: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        VersionRange.parse(clauses)


@given(st.text(max_size=1024), st.text(alphabet="0123456789.ab", max_size=1024))
def test_any_text_has_a_key_that_compares(first: str, second: str) -> None:
    low, high = sorted([version_key(first), version_key(second)])
    assert low <= high
    VersionRange.parse(">=1.0").holds(first)
