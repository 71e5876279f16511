"""Names are folded to templates as the golden file says, which the server's own folding reads as well."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.names import template

GOLDEN = json.loads((Path(__file__).resolve().parents[1] / "wire" / "name-templates.json").read_text("utf-8"))


@pytest.mark.parametrize("pair", GOLDEN, ids=lambda pair: pair["name"] or "empty")
def test_a_name_folds_as_the_golden_file_says(pair: dict[str, str]) -> None:
    assert template(pair["name"]) == pair["template"]


def test_the_golden_file_is_not_empty() -> None:
    assert len(GOLDEN) >= 25


@given(st.text(alphabet="aAf09x-_.\\/{}#é", max_size=60))
def test_folding_a_template_again_changes_nothing(name: str) -> None:
    assert template(template(name)) == template(name)


@given(st.integers(min_value=0), st.integers(min_value=0))
def test_names_that_differ_in_a_number_that_stands_apart_are_one(first: int, second: int) -> None:
    assert template(f"foo-{first}") == template(f"foo-{second}")
