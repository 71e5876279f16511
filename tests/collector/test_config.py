"""Settings come from the command line, else the environment; a bad one says what a good one looks like."""

from pathlib import Path

import pytest

from collector.cli import parser
from collector.config import READING, RUNNING, STATE, ConfigError, Setting, Settings, default_state, resolve

DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "collector.md"
NEEDED = {"HANDLEWATCH_SERVER": "http://localhost:8765", "HANDLEWATCH_TOKEN": "hw_1", "HOME": "/home/ann"}


def settings(*arguments: str, **environment: str) -> Settings:
    return resolve(parser().parse_args(["run", *arguments]), RUNNING + READING, NEEDED | environment)


def test_the_command_line_wins_over_the_environment() -> None:
    found = settings("--server", "https://hw.example.org/", HANDLEWATCH_INTERVAL="30")
    assert (found.server, found.token, found.interval) == ("https://hw.example.org", "hw_1", 30)


def test_all_else_has_a_default_that_works() -> None:
    found = settings()
    assert (found.interval, found.spool_mb, found.types_budget_ms, found.names) == (60, 64, 150, True)
    assert found.host_name
    assert found.labels == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--server", "hw.example.org"], "not an address such as https://"),
        (["--interval", "0"], "not a whole number of seconds from 1 to 3600"),
        (["--interval", "1.5"], "not a whole number"),
        (["--names", "maybe"], "not on or off"),
        (["--label", "seoul"], "not of the form key=value"),
        (["--token", "two words"], "not a token"),
        (["--server", "https://[::1"], "not an address such as https://"),
        (["--server", "https://hw.example.org:99999"], "not an address such as https://"),
        (["--server", "https://ann:pass@hw.example.org"], "without a name or password"),
    ],
)
def test_a_bad_value_says_what_a_good_one_looks_like(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(*arguments)


def test_a_bad_token_is_not_printed() -> None:
    with pytest.raises(ConfigError) as caught:
        settings("--token", "secret words")
    assert "secret" not in str(caught.value)


def test_a_password_in_an_address_is_not_printed() -> None:
    with pytest.raises(ConfigError) as caught:
        settings("--server", "https://ann:secret@hw.example.org")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["state", "root", "interval", "host-name"])
def test_an_option_that_is_empty_counts_as_not_set(name: str) -> None:
    assert settings(f"--{name}", "") == settings()


def test_a_machine_without_a_name_is_asked_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "")
    with pytest.raises(ConfigError, match="--host-name NAME"):
        settings()


def test_a_missing_server_says_both_ways_to_name_it() -> None:
    with pytest.raises(ConfigError, match="--server URL or set HANDLEWATCH_SERVER"):
        settings(HANDLEWATCH_SERVER="")


def test_the_token_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hw_2\n")
    assert settings(HANDLEWATCH_TOKEN="", HANDLEWATCH_TOKEN_FILE=str(tmp_path / "token")).token == "hw_2"


def test_a_token_file_that_cannot_be_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "packed").write_bytes(b"\x1f\x8b\xff")
    for file, fault in (("none", "cannot read {}, which {} names: No such file or directory"), ("packed", "not text")):
        with pytest.raises(ConfigError) as caught:
            settings(HANDLEWATCH_TOKEN="", HANDLEWATCH_TOKEN_FILE=str(tmp_path / file))
        assert str(caught.value).endswith(fault.format(tmp_path / file, "HANDLEWATCH_TOKEN_FILE"))


def test_a_missing_token_says_every_way_to_give_it() -> None:
    with pytest.raises(ConfigError, match=r"--token TOKEN or set HANDLEWATCH_TOKEN, .* HANDLEWATCH_TOKEN_FILE"):
        settings(HANDLEWATCH_TOKEN="")


def test_help_says_where_the_state_is_kept(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["run", "--help"])
    said = "".join(capsys.readouterr().out.split())
    by_default = default_state({"HOME": str(tmp_path)})
    assert str(by_default.relative_to(Path.home()) if by_default.is_relative_to(Path.home()) else by_default) in said


def test_labels_are_repeated_or_listed() -> None:
    assert settings("--label", "site=seoul", "--label", "role=a=b").labels == {"site": "seoul", "role": "a=b"}
    assert settings(HANDLEWATCH_LABELS="site=seoul, role=backup").labels == {"site": "seoul", "role": "backup"}


@pytest.mark.parametrize("setting", [*RUNNING, *READING, STATE], ids=lambda setting: setting.name)
def test_every_setting_is_documented(setting: Setting) -> None:
    text = DOCUMENTATION.read_text("utf-8")
    assert f"`{setting.flag}`" in text
    assert f"`{setting.env}`" in text
