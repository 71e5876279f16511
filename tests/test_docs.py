"""The guides are complete: a setting, command or API call that they leave out fails the build."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from fastapi.routing import iter_route_contexts

from server.app import create_app
from server.cli import app
from server.settings import SETTINGS, Setting, load_settings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
OPERATING = (DOCS / "operating.md").read_text()
GUIDES = {path.name: path.read_text() for path in [ROOT / "README.md", *DOCS.glob("*.md")]}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_in_the_guide_with_its_default(setting: Setting) -> None:
    row = re.search(rf"^\| `{setting.variable}` \| (?P<default>[^|]+) \|", OPERATING, re.MULTILINE)
    assert row is not None
    if setting.default:
        assert setting.default in row["default"]


def commands(command: object, path: str) -> Iterator[str]:
    children: dict[str, object] | None = getattr(command, "commands", None)
    for name, child in (children or {}).items():
        yield from commands(child, f"{path} {name}")
    if children is None:
        yield path


@pytest.mark.parametrize("path", list(commands(typer.main.get_command(app), "handlewatch")))
def test_every_command_is_in_a_guide(path: str) -> None:
    group, _, name = path.rpartition(" ")
    spelt = re.compile(rf"{re.escape(group)} (?:{re.escape(name)}\b|[a-z]+(?:\\?\|[a-z]+)*\\?\|{re.escape(name)}\b)")
    assert any(spelt.search(text) for text in GUIDES.values())


def test_every_api_call_is_in_the_guide(tmp_path: Path) -> None:
    settings = load_settings({"HANDLEWATCH_DATA_DIR": str(tmp_path)})
    text = GUIDES["api.md"]
    calls = {
        f"{method} {route.path}"
        for route in iter_route_contexts(create_app(settings).routes)
        for method in route.methods or ()
        if route.path and method != "HEAD" and re.match(r"/api/|/metrics|/healthz|/readyz|/downloads", route.path)
    }
    assert calls
    missing = [call for call in calls if call not in text]
    assert missing == []


@pytest.mark.parametrize("name", list(GUIDES))
def test_links_between_the_guides_lead_somewhere(name: str) -> None:
    folder = ROOT if name == "README.md" else DOCS
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", GUIDES[name]):
        assert (folder / target).exists(), target
