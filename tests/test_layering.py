"""Arrows go one way, from what speaks down to what is pure; server and collector never meet."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RANK = {
    "analysis": 0,
    "dumps": 0,
    "store": 1,
    "access": 2,
    "ingest": 2,
    "evaluation": 3,
    "exporting": 3,
    "jobs": 3,
    "web": 4,
    "demo": 5,
}


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return names


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize(("package", "other"), [("server", "collector"), ("collector", "server")])
def test_server_and_collector_never_import_each_other(package: str, other: str) -> None:
    guilty = [path for path in modules(package) if any(name.split(".")[0] == other for name in imports_of(path))]
    assert guilty == []


def test_arrows_inside_the_server_go_down() -> None:
    guilty = []
    for folder, rank in RANK.items():
        for path in modules(f"server/{folder}"):
            for name in imports_of(path):
                parts = name.split(".")
                if parts[0] == "server" and len(parts) > 1 and RANK.get(parts[1], -1) > rank:
                    guilty.append(f"{path.relative_to(ROOT)} imports {name}")
    assert guilty == []


@pytest.mark.parametrize("package", ["server/analysis", "server/dumps"])
def test_pure_code_does_no_io(package: str) -> None:
    forbidden = {"sqlalchemy", "fastapi", "starlette", "httpx", "socket", "time", "asyncio", "threading"}
    guilty = [
        f"{path.name} imports {name}"
        for path in modules(package)
        for name in imports_of(path)
        if name.split(".")[0] in forbidden
    ]
    assert guilty == []
