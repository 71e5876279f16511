"""The server folds names to templates as the golden file says, which the collector's own folding reads as well."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.analysis.names import template

GOLDEN = json.loads((Path(__file__).resolve().parents[1] / "wire" / "name-templates.json").read_text("utf-8"))
HOSTILE = st.text(alphabet="af09xX-#z1_ \\{}é３", max_size=1024) | st.text(max_size=1024)


@pytest.mark.parametrize("pair", GOLDEN, ids=lambda pair: pair["name"] or "empty")
def test_a_name_folds_as_the_golden_file_says(pair: dict[str, str]) -> None:
    assert template(pair["name"]) == pair["template"]


@settings(max_examples=500)
@given(HOSTILE)
def test_a_template_is_its_own_template(name: str) -> None:
    assert template(template(name)) == template(name)


@given(HOSTILE)
def test_a_template_is_no_longer_than_the_name(name: str) -> None:
    assert len(template(name)) <= len(name)


@given(st.integers(min_value=0), HOSTILE)
def test_names_in_any_session_are_one(session: int, name: str) -> None:
    assert template(f"\\Sessions\\{session}\\{name}") == template(f"\\{name}")


@given(st.uuids(), st.uuids(), st.text(alphabet="ghijk", max_size=5))
def test_names_that_differ_in_a_guid_are_one(first: object, second: object, word: str) -> None:
    assert template(f"{word}-{{{first}}}") == template(f"{word}-{{{second}}}") == f"{word}-{{#}}"


@given(st.from_regex(r"\A[g-z][0-9]{1,2}[g-z]+\Z"))
def test_a_digit_inside_a_word_stays(word: str) -> None:
    assert template(f"\\BaseNamedObjects\\{word}") == f"\\BaseNamedObjects\\{word}"
