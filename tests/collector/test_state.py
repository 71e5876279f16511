"""The state directory belongs to one collector; what is kept in it is whole or not there."""

from pathlib import Path

import pytest

from collector.state import StateDirectory, StateError


def test_a_second_collector_is_told_so(tmp_path: Path) -> None:
    first = StateDirectory(tmp_path / "state")
    with pytest.raises(StateError, match="another collector already uses"):
        StateDirectory(tmp_path / "state")
    first.close()
    StateDirectory(tmp_path / "state").close()


def test_a_directory_that_cannot_be_made_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match=r"Not a directory; name one .* with --state"):
        StateDirectory(tmp_path / "file" / "state")


def test_facts_are_kept_for_the_owner_alone(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    assert state.keep("token", {"token": "secret"})
    assert state.load("token") == {"token": "secret"}
    assert (tmp_path / "state" / "token.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    state.forget("token")
    assert state.load("token") == {}
    state.close()


@pytest.mark.parametrize("damage", ["", "{", "[]", "\x00"])
def test_damaged_facts_are_none(tmp_path: Path, damage: str) -> None:
    state = StateDirectory(tmp_path)
    (tmp_path / "clock.json").write_text(damage)
    assert state.load("clock") == {}
    state.close()


def test_a_note_covers_the_one_before_and_what_was_kept_there(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    state.keep("clock", {"last": 1})
    for facts in ({"last": 1795348800, "shift": 17, "highest": 1795348800}, {"last": 2}):
        assert state.note("clock", facts)
        assert state.load("clock") == facts
    assert state.note("fresh", {"last": 3})
    assert (tmp_path / "fresh.json").stat().st_mode & 0o777 == 0o600
    state.close()


def test_a_note_that_cannot_be_written_is_not_an_error(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    (tmp_path / "clock.json").mkdir()
    assert not state.note("clock", {"last": 1})
    assert state.load("clock") == {}
    state.close()


def test_no_room_is_not_an_error(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    (tmp_path / "clock.tmp").mkdir()
    assert not state.keep("clock", {"last": 1})
    state.close()
