"""What `install` is told and what it refuses: nothing is written before all that it needs is there."""

import sys
from pathlib import Path

import pytest

from collector.cli import main
from collector.install import InstallError, own_python

SERVER = "https://handles.example"


def run(root: Path, *options: str, token: str = "hw_x") -> int:
    return main(["install", "--root", str(root), *options], {"HANDLEWATCH_TOKEN": token})


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.install_linux.zipapp", lambda server: b"the file")


def test_without_a_server_or_a_token_it_says_where_to_get_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "machine") == 2
    assert "server is missing: give --server URL" in capsys.readouterr().err
    assert run(tmp_path / "machine", "--server", SERVER, token="") == 2
    assert "/hosts/add" in capsys.readouterr().err
    assert not (tmp_path / "machine").exists()


@pytest.mark.parametrize(
    "option",
    [
        ("--interval", "0"),
        ("--server", "handles.example"),
        ("--names", "maybe"),
        ("--label", "seoul"),
        ("--label", "a\nb=c"),
    ],
)
def test_a_setting_that_the_service_could_not_use_is_refused_now(
    tmp_path: Path, option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--server", SERVER, *option) == 2
    assert list(tmp_path.rglob("settings.env")) == []
    assert capsys.readouterr().err.startswith("handlewatch-collector: ")


def test_a_bad_token_is_refused_and_never_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--server", SERVER, token="hw secret") == 2
    said = capsys.readouterr()
    assert "secret" not in said.out + said.err


def test_a_dry_run_says_what_it_would_do_and_does_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "machine", "--server", SERVER, "--dry-run") == 0
    said = capsys.readouterr().out.splitlines()
    assert f"would write {tmp_path}/machine/etc/handlewatch-collector/token" in said
    assert all(line.startswith("would ") for line in said)
    assert not (tmp_path / "machine").exists()


def test_uninstall_keeps_the_state_when_asked_to(tmp_path: Path) -> None:
    assert run(tmp_path, "--server", SERVER) == 0
    kept = tmp_path / "var/lib/private/handlewatch-collector/token.json"
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert main(["uninstall", "--root", str(tmp_path), "--keep-state"], {}) == 0
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == [kept]
    assert main(["uninstall", "--root", str(tmp_path)], {}) == 0
    assert not kept.parent.exists()


def test_settings_of_before_stay_until_they_are_given_anew(tmp_path: Path) -> None:
    assert run(tmp_path, "--server", SERVER, "--interval", "30", "--label", "a=b", "--label", "c=d") == 0
    assert run(tmp_path, "--interval", "90", token="") == 0
    text = (tmp_path / "etc/handlewatch-collector/settings.env").read_text()
    assert 'HANDLEWATCH_INTERVAL="90"' in text
    assert 'HANDLEWATCH_LABELS="a=b,c=d"' in text
    assert "hw_x" not in text


def test_a_python_in_a_home_is_not_what_a_service_runs_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python3").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    with pytest.raises(InstallError, match="for everybody"):
        own_python([tmp_path], ["/no/such/python3"])
