"""The collector stays what the zipapp needs: syntax of Python 3.10, nothing newer from the library, httpx in one place,
no look at its own files, and never `platform`, whose calls crash under Wine."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CODE = Path(__file__).resolve().parents[2] / "collector"
MODULES = sorted(CODE.rglob("*.py"))
NEWER_THAN_3_10 = {"tomllib", "StrEnum", "ExceptionGroup", "UTC", "Self", "assert_never", "TaskGroup", "batched"}


def names_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id


def imported_in(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CODE)))
def test_each_module_is_plain_python_3_10(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"), feature_version=(3, 10))
    names, imported = set(names_in(tree)), imported_in(tree)
    assert not names & NEWER_THAN_3_10
    assert not names & {"__file__", "importlib", "pkgutil"}
    assert "platform" not in imported
    assert ("httpx" in imported) == (path.name == "sender.py")
    assert imported <= set(sys.stdlib_module_names) | {"collector", "httpx"}
