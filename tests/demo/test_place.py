from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.demo.place import taken_place
from server.settings import Settings, SettingsError, load_settings

NOW = datetime(2026, 11, 22, 10, 3, 20, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    variables = {"DATA_DIR": str(tmp_path), "DATABASE_URL": "postgresql://db/real", "PUBLIC_URL": "https://real.test"}
    return load_settings({f"HANDLEWATCH_{name}": value for name, value in variables.items()})


def test_the_demo_keeps_to_a_database_of_its_own(settings: Settings, tmp_path: Path) -> None:
    with taken_place(settings, NOW) as place:
        own = place.settings(settings)
    assert own.database_url == f"sqlite:///{tmp_path}/demo/handlewatch.db"
    assert own.public_url == ""


def test_a_later_run_has_the_anchor_of_the_first(settings: Settings) -> None:
    with taken_place(settings, NOW) as first:
        (first.folder / "handlewatch.db").touch()
    with taken_place(settings, NOW + timedelta(days=3)) as second:
        assert (first.anchor, first.fresh) == (NOW.replace(minute=0, second=0), True)
        assert (second.anchor, second.seed, second.fresh) == (first.anchor, first.seed, False)


def test_without_a_database_the_story_begins_anew(settings: Settings) -> None:
    with taken_place(settings, NOW):
        pass
    with taken_place(settings, NOW + timedelta(days=3)) as second:
        assert second.anchor == NOW.replace(minute=0, second=0) + timedelta(days=3)


def test_two_demos_do_not_share_a_folder(settings: Settings) -> None:
    with taken_place(settings, NOW), pytest.raises(SettingsError, match="another demo"), taken_place(settings, NOW):
        pass


@pytest.mark.parametrize("text", [None, "{", "[]", '{"anchor": "2026-11-22T10:00:00", "seed": 1}'])
def test_a_lost_anchor_is_said_with_what_to_do(settings: Settings, text: str | None) -> None:
    with taken_place(settings, NOW) as place:
        (place.folder / "handlewatch.db").touch()
        (place.folder / "story.json").unlink()
    if text is not None:
        (place.folder / "story.json").write_text(text)
    with pytest.raises(SettingsError, match=r"story\.json.* remove .* to begin anew"), taken_place(settings, NOW):
        pass
