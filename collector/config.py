"""Settings of the collector: one table, from the command line, else the environment, else a default that works."""

import os
import socket
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from collector.schedule import LONGEST_INTERVAL_S, SHORTEST_INTERVAL_S
from collector.wire import is_token


class ConfigError(Exception):
    """A setting is missing or wrong; the message says what a good one looks like."""


def _server(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if "@" in text:
        raise ValueError("without a name or password before the host: the token is all that a server asks for")
    if not good or parts.query or parts.fragment:
        raise ValueError("an address such as https://handlewatch.example.org")
    return text.rstrip("/")


def _token(text: str) -> str:
    token = text.strip()
    if not is_token(token):
        raise ValueError("a token as `handlewatch token create` prints it")
    return token


def _whole(least: int, most: int, unit: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.strip().isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"a whole number of {unit} from {least} to {most}")
        return int(text)

    return parse


def _switch(text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise ValueError("on or off")
    return text.lower() == "on"


def _host_name(text: str) -> str:
    if not text.strip() or len(text) > 255:
        raise ValueError("a name of at most 255 characters")
    return text.strip()


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table. `default` is text as a person would write it; None where there is none."""

    name: str
    metavar: str
    parse: Callable[[str], Any]
    default: str | None
    help: str

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def env(self) -> str:
        return "HANDLEWATCH_" + self.name.upper()


READING = (
    Setting("host_name", "NAME", _host_name, None, "the name this machine goes by; default: its own"),
    Setting("root", "DIR", Path, "/", "where this machine's /proc and /etc are seen, for a collector in a container"),
)
RUNNING = (
    Setting("server", "URL", _server, None, "the Handlewatch server"),
    Setting("token", "TOKEN", _token, None, "a host, relay or enroll token; better in HANDLEWATCH_TOKEN_FILE"),
    Setting(
        "interval",
        "S",
        _whole(SHORTEST_INTERVAL_S, LONGEST_INTERVAL_S, "seconds"),
        "60",
        "seconds between readings; the server may advise another",
    ),
    Setting("spool_mb", "MB", _whole(1, 1_000_000, "megabytes"), "64", "room on disk for what waits for the server"),
    Setting("spool_days", "DAYS", _whole(0, 3650, "days"), "0", "drop what has waited longer; 0: only by room"),
    Setting(
        "types_budget_ms",
        "MS",
        _whole(0, 60_000, "milliseconds"),
        "150",
        "CPU time a reading may spend on types and names, and never over 5 %% of the interval; 0: counts only",
    ),
    Setting("names", "on|off", _switch, "on", "whether names of files and sockets of suspects are sent"),
)
STATE_DEFAULT = (  # as default_state finds it, for the help
    r"%%ProgramData%%\Handlewatch"
    if os.name == "nt"
    else "/var/lib/handlewatch-collector for root, else ~/.local/state/handlewatch-collector"
)
STATE = Setting(
    "state", "DIR", Path, None, f"where the spool and this collector's own token are kept; default: {STATE_DEFAULT}"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """All of them, parsed. `server` and `token` are empty for `show`, which needs neither."""

    state: Path
    host_name: str
    labels: dict[str, str]
    root: Path
    server: str = ""
    token: str = ""
    interval: int = 60
    spool_mb: int = 64
    spool_days: int = 0
    types_budget_ms: int = 150
    names: bool = True


def add_arguments(parser: ArgumentParser, settings: tuple[Setting, ...]) -> None:
    for setting in (*settings, STATE):
        default = f" (default {setting.default})" if setting.default else ""
        text = f"{setting.help}{default} [{setting.env}]"
        parser.add_argument(setting.flag, dest=setting.name, metavar=setting.metavar, help=text)
    parser.add_argument(
        "--label",
        action="append",
        metavar="K=V",
        dest="label",
        help="a label of this machine; may be repeated [HANDLEWATCH_LABELS=k=v,k=v]",
    )


def resolve(arguments: Namespace, settings: tuple[Setting, ...], environment: Mapping[str, str]) -> Settings:
    """The settings of one run.

    Raises ConfigError naming the setting at fault.
    """
    found: dict[str, Any] = {}
    for setting in (*settings, STATE):
        text = getattr(arguments, setting.name)
        where = setting.flag
        if not text:
            text, where = given_in(setting, environment), setting.env
        if text is None:
            text, where = setting.default, "its default"
        if text is None:
            continue
        try:
            found[setting.name] = setting.parse(text)
        except ValueError as error:
            secret = setting.name == "token" or (setting.name == "server" and "@" in text)
            shown = "" if secret else f" {text!r}"
            raise ConfigError(f"{setting.name}{shown} (from {where}) is not {error}") from error
    for setting in settings:
        if setting.name in ("server", "token") and setting.name not in found:
            ways = f"give {setting.flag} {setting.metavar} or set {setting.env}"
            if setting.name == "token":
                ways += f", or better name a file that holds it in {setting.env}_FILE"
            raise ConfigError(f"{setting.name} is missing: {ways}")
    if "state" not in found:
        found["state"] = default_state(environment)
    if "host_name" not in found:
        found["host_name"] = socket.gethostname()
    if not found["host_name"]:
        raise ConfigError("this machine has no name: give it one with --host-name NAME")
    return Settings(labels=labels_in(arguments.label, environment), **found)


def given_in(setting: Setting, environment: Mapping[str, str]) -> str | None:
    """Empty counts as not set; a secret may also be in a file named by a variable with `_FILE` added."""
    if environment.get(setting.env):
        return environment[setting.env]
    file = environment.get(f"{setting.env}_FILE") if setting.name == "token" else None
    if not file:
        return None
    try:
        return Path(file).read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"cannot read {file}, which {setting.env}_FILE names: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}, which {setting.env}_FILE names, is not text") from error


def labels_in(given: list[str] | None, environment: Mapping[str, str]) -> dict[str, str]:
    texts = given if given else [text for text in environment.get("HANDLEWATCH_LABELS", "").split(",") if text.strip()]
    labels = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"label {text!r} is not of the form key=value, such as site=seoul")
        labels[key.strip()] = value.strip()
    return labels


def default_state(environment: Mapping[str, str]) -> Path:
    if os.name == "nt":
        return Path(environment.get("ProgramData") or r"C:\ProgramData") / "Handlewatch"
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/handlewatch-collector")
    base = environment.get("XDG_STATE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".local" / "state") / "handlewatch-collector"
    except RuntimeError as error:
        raise ConfigError("this user has no home directory: name one for the spool with --state DIR") from error
