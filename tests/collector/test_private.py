"""What is the collector's own is for its owner alone, whatever others have laid there before."""

import os
from pathlib import Path

import pytest

from collector import private
from collector.state import StateDirectory, StateError

INHERITED_FROM_PROGRAM_DATA = (
    "D:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIIOID;GA;;;CO)(A;OICIID;0x1200a9;;;BU)(A;CIID;DCLCRPCR;;;BU)"
)


def test_a_state_directory_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    for mode in (0o777, 0o1777, 0o702):
        folder.chmod(mode)
        with pytest.raises(StateError, match=r"everybody may write to it; chmod o-w .*, or name another one"):
            StateDirectory(folder)
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)
    StateDirectory(folder).close()


def test_a_state_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, 4711, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 4712)
    with pytest.raises(StateError, match=r"belongs to another user .* chown 4712"):
        StateDirectory(tmp_path)


def test_a_state_directory_may_be_elsewhere_behind_a_link(tmp_path: Path) -> None:
    """As systemd has it for a user of the service's own."""
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "state").symlink_to("private")
    StateDirectory(tmp_path / "state").close()
    assert (tmp_path / "private" / "lock").exists()


@pytest.mark.parametrize("name", ["token.tmp", "token.json"])
def test_a_token_never_goes_through_a_link(tmp_path: Path, name: str) -> None:
    state = StateDirectory(tmp_path / "state")
    (tmp_path / "victim").write_text("as it was")
    (tmp_path / "state" / name).symlink_to(tmp_path / "victim")
    assert state.keep("token", {"token": "secret"})
    assert (tmp_path / "victim").read_text() == "as it was"
    assert not (tmp_path / "state" / "token.json").is_symlink()
    assert state.load("token") == {"token": "secret"}
    state.close()


def test_a_file_that_others_left_open_does_not_get_the_token(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    planted = tmp_path / "state" / "token.tmp"
    planted.touch(mode=0o666)
    planted.chmod(0o666)
    with planted.open() as held:
        assert state.keep("token", {"token": "secret"})
        assert held.read() == ""
    assert (tmp_path / "state" / "token.json").stat().st_mode & 0o777 == 0o600
    state.close()


def test_a_file_laid_there_in_the_same_moment_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the removal of what was there and the making of the new file."""
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: path.touch())
    with pytest.raises(FileExistsError):
        private.create(tmp_path / "token.tmp")


@pytest.mark.parametrize("name", ["clock.json", "lock"])
def test_notes_and_locks_go_through_no_link(tmp_path: Path, name: str) -> None:
    (tmp_path / "victim").write_text("as it was, and longer than a note would be" * 20)
    before = (tmp_path / "victim").read_text()
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / name).symlink_to(tmp_path / "victim")
    if name == "lock":
        with pytest.raises(StateError, match="cannot use"):
            StateDirectory(folder)
    else:
        state = StateDirectory(folder)
        assert not state.note("clock", {"last": 1})
        state.close()
    assert (tmp_path / "victim").read_text() == before


def test_what_could_not_be_kept_leaves_no_half_of_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    state = StateDirectory(tmp_path / "state")
    state.keep("token", {"token": "old"})
    monkeypatch.setattr(os, "fsync", no_room)
    assert not state.keep("token", {"token": "new"})
    assert state.load("token") == {"token": "old"}
    assert not (tmp_path / "state" / "token.tmp").exists()
    state.close()


@pytest.mark.parametrize(
    ("sddl", "writes"),
    [
        ("D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)", False),
        (INHERITED_FROM_PROGRAM_DATA, True),
        ("D:(A;OICI;FA;;;SY)(A;OICI;0x1200a9;;;WD)", False),
        ("D:(A;OICI;FA;;;SY)(A;OICI;0x1301ff;;;WD)", True),
        ("D:(A;OICIIO;FA;;;WD)", False),
        ("D:(D;;FA;;;WD)", False),
        ("D:(A;;FA;;;AU)", True),
        ("D:NO_ACCESS_CONTROL", True),
        ("", True),
    ],
)
def test_rights_on_windows_are_read_as_windows_writes_them(sddl: str, writes: bool) -> None:
    assert private.everybody_writes(sddl) is writes
