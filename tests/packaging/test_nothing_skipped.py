"""No test may be skipped or expected to fail: a missing system package has to fail the run instead."""

import ast
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
WAYS_OUT = {"skip", "skipif", "xfail", "importorskip"}


def ways_out(source: str) -> set[str]:
    """pytest.skip(…), @pytest.mark.skipif(…), from pytest import skip, and their like."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in WAYS_OUT:
            owner = ast.unparse(node.value)
            if owner in ("pytest", "pytest.mark"):
                found.add(f"{owner}.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module == "pytest":
            found |= {alias.name for alias in node.names} & WAYS_OUT
    return found


def test_no_test_is_skipped() -> None:
    found = {str(path.relative_to(TESTS)): ways_out(path.read_text()) for path in TESTS.rglob("*.py")}
    assert {name: ways for name, ways in found.items() if ways} == {}


def test_a_way_out_is_recognised() -> None:
    assert ways_out("import pytest\n@pytest.mark.skipif(True, reason='')\ndef test_x(): pytest.skip()") == {
        "pytest.mark.skipif",
        "pytest.skip",
    }
    assert ways_out("from pytest import xfail") == {"xfail"}
    assert ways_out("stream.skip(3)") == set()
