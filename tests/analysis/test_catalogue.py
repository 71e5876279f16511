"""A signature file is taken as documented, or refused with the place, the reason and a way out."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from server.analysis import catalogue
from server.analysis.catalogue import SignatureError, parse_signature, read_catalogue
from server.analysis.facts import HostFacts, Item, OsFacts

ROOT = Path(__file__).resolve().parents[2]
LEAST: dict[str, Any] = {
    "id": "x-1",
    "title": "X leaks",
    "match": {"type": "Event"},
    "cause": "It forgets.",
    "resolution": "Update it.",
}


def written(**changes: object) -> str:
    return yaml.safe_dump(LEAST | changes)


def refusal(text: str) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        parse_signature(text)
    return caught.value


def test_the_least_that_can_be_said_is_taken() -> None:
    signature = parse_signature(written())
    assert (signature.id, signature.least_count, signature.must_grow, signature.subject) == ("x-1", 1, False, "type")


@pytest.mark.parametrize("key", sorted(LEAST))
def test_a_key_that_must_be_there_is_missed(key: str) -> None:
    assert key in refusal(yaml.safe_dump({name: value for name, value in LEAST.items() if name != key})).detail


@pytest.mark.parametrize(
    ("change", "path", "hint"),
    [
        ({"titel": "x"}, "titel", "title"),
        ({"match": {"progams": {}}}, "match.progams", "programs"),
        ({"match": {"object": "(a+)+"}}, "match.object", ""),
        ({"match": {"least_count": 0}}, "match.least_count", ""),
        ({"match": {"programs": {"mode": "maybe", "names": ["a"]}}}, "match.programs.mode", ""),
        ({"match": {"programs": {"mode": "hint", "names": ["a", " "]}}}, "match.programs.names[1]", ""),
        ({"applies_to": [{"family": "windows", "version": 4.0}]}, "applies_to[0].version", "quotes"),
        ({"applies_to": [{"family": "windows", "version": "new"}]}, "applies_to[0].version", "4.0"),
        ({"applies_to": {"family": "windows"}}, "applies_to", "list"),
        ({"software": {"any": []}}, "software.any", ""),
        ({"software": {"any": [{"name": "a", "version": "x"}]}}, "software.any[0].version", ""),
        ({"references": [{"id": "Q1", "url": "javascript:alert(1)"}]}, "references[0].url", ""),
        ({"id": "Not An Id"}, "id", ""),
    ],
)
def test_a_refusal_names_the_place_and_a_way_out(change: dict[str, object], path: str, hint: str) -> None:
    error = refusal(written(**change))
    assert error.path == path
    assert hint in error.hint


@pytest.mark.parametrize(
    "text",
    ["", "- a", "a: [", "id: x\nid: y", "id: &a x\ntitle: *a", "[" * 3000, "d: 2001-13-45", "\0", "!!python/name:os x"],
)
def test_what_is_not_plain_yaml_is_refused(text: str) -> None:
    refusal(text)


def test_a_file_without_end_is_refused() -> None:
    refusal(written(notes="x" * catalogue.LONGEST_FILE))


@given(st.text(alphabet="a:-[]{}&*!|>'\"#?\n 1", max_size=80))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    refusal(text)


def test_a_catalogue_keeps_the_first_of_one_id_and_tells_of_all_that_is_wrong() -> None:
    files = [("a.yaml", written()), ("b.yaml", written(title="Again")), ("c.yaml", "x")]
    signatures, problems = read_catalogue(files)
    assert [signature.said.title for signature in signatures.values()] == ["X leaks"]
    assert [problem.source for problem in problems] == ["b.yaml", "c.yaml"]
    assert "a.yaml" in str(problems[0].error)


def test_a_condition_on_programs_leaves_others_out_and_a_hint_does_not() -> None:
    condition = parse_signature(written(match={"programs": {"mode": "condition", "names": ["bp*.exe"]}, "object": "x"}))
    hint = parse_signature(written(match={"programs": {"mode": "hint", "names": ["bp*.exe"]}, "object": "x"}))
    images = ["BPCD.exe", "java"]
    assert [condition.wants(image, image, "Event", "x") for image in images] == [True, False]
    assert [hint.wants(image, image, "Event", "x") for image in images] == [True, True]
    assert [hint.names(image, image) for image in images] == [True, False]


def test_a_program_can_be_one_service_of_an_image() -> None:
    match = {"programs": {"mode": "condition", "names": ["svchost.exe[netprofm]"]}, "type": "Process"}
    signature = parse_signature(written(match=match))
    assert signature.wants("svchost.exe", "svchost.exe[NetProfM]", "process", None)
    assert not signature.wants("svchost.exe", "svchost.exe[Dnscache]", "Process", None)


def test_each_subject_wants_its_own_counts() -> None:
    by_object = parse_signature(written(match={"object": "x"}))
    by_type = parse_signature(written(match={"type": "Event"}))
    total = parse_signature(written(match={}))
    rows = [("Event", "x"), ("Event", "y"), ("Event", None), ("Key", None), (None, None)]
    wanted = [[s.wants("a", "a", *row) for row in rows] for s in (by_object, by_type, total)]
    assert wanted == [
        [True, False, False, False, False],
        [False, False, True, False, False],
        [False, False, False, False, True],
    ]


def test_software_must_be_of_the_version_and_what_forbids_absent() -> None:
    software = {"any": [{"name": "^App$", "vendor": "acme", "version": "<2.0"}], "none": [{"name": "hotfix 1"}]}
    signature = parse_signature(written(software=software))

    def installed(*items: Item) -> bool:
        return signature.installed(HostFacts(OsFacts("windows"), software=items)) is not None

    assert installed(Item("App", "ACME Inc.", "1.9"))
    assert installed(Item("App", None, "1.9"))
    assert not installed(Item("App", "Other", "1.9"))
    assert not installed(Item("App", "ACME", "2.0"))
    assert not installed(Item("App", "ACME", None))
    assert not installed(Item("App", "ACME", "1.9"), Item("Hotfix 1"))


def test_two_systems_told_apart_by_the_year_in_their_name() -> None:
    signature = parse_signature(written(applies_to=[{"family": "windows", "name": "Windows Server 2003"}]))
    assert signature.applies_to(OsFacts("windows", "Microsoft® Windows Server 2003 Service Pack 2", "5.2.3790", "2"))
    assert not signature.applies_to(OsFacts("windows", "Windows Server 2008", "6.0.6001"))


def test_every_key_is_documented() -> None:
    docs = (ROOT / "docs" / "signatures.md").read_text("utf-8")
    assert {field.encode_name for field in msgspec.structs.fields(catalogue.SignatureFile)} <= set(catalogue.KEYS)
    assert [key for key in catalogue.KEYS if f"`{key}`" not in docs and f".{key}`" not in docs] == []


def test_the_example_in_the_documentation_is_taken() -> None:
    docs = (ROOT / "docs" / "signatures.md").read_text("utf-8")
    example = docs.split("```yaml\n")[1].split("```")[0]
    assert parse_signature(example).id == "acme-agent-wakeup"
