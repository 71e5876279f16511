"""`handlewatch settings`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli import app


def test_what_is_not_set_is_shown_as_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PUBLIC_URL", "SIGNATURES_DIR"):
        monkeypatch.delenv(f"HANDLEWATCH_{name}", raising=False)
    lines = CliRunner().invoke(app, ["settings"]).stdout.splitlines()
    assert "HANDLEWATCH_PUBLIC_URL=" in lines
    assert "HANDLEWATCH_SIGNATURES_DIR=" in lines
