"""What the application refuses to start with."""

from pathlib import Path

import pytest

from server.app import create_app
from server.settings import SettingsError, load_settings


def start(tmp_path: Path, **settings: str) -> None:
    create_app(load_settings({"HANDLEWATCH_DATA_DIR": str(tmp_path)} | settings))


def test_a_signatures_directory_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not a directory"):
        start(tmp_path, HANDLEWATCH_SIGNATURES_DIR=str(tmp_path / "missing"))


def test_a_signature_that_is_wrong_stops_the_start_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("id: mine\n")
    with pytest.raises(SettingsError, match=r"mine\.yaml"):
        start(tmp_path, HANDLEWATCH_SIGNATURES_DIR=str(tmp_path))


def test_a_bad_setting_says_what_a_good_one_looks_like() -> None:
    with pytest.raises(SettingsError, match=r"HANDLEWATCH_KEEP_FULL_DAYS='x'.*A good value: 14"):
        load_settings({"HANDLEWATCH_KEEP_FULL_DAYS": "x"})
