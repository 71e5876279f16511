"""The settings: one table with a help text each. The environment wins over `handlewatch.toml`, which wins over the
default; a bad value stops the start and says what a good one looks like."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class SettingsError(Exception):
    """A setting that can't be used; the text says which, why and what a good value looks like."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. `parse` turns the text into a value or raises ValueError."""

    name: str
    default: str
    parse: Callable[[str], Any]
    help: str
    example: str

    @property
    def variable(self) -> str:
        return f"HANDLEWATCH_{self.name.upper()}"


def _database_url(text: str) -> str:
    if text and not text.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise ValueError("must start with sqlite:/// or postgresql://")
    return text


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= 36_500:
        raise ValueError("must be from 1 to 36500")
    return days


def _public_url(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return text.rstrip("/")


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _maybe_path(text: str) -> Path | None:
    return _path(text) if text else None


SETTINGS = (
    Setting("data_dir", "var", _path, "Where the embedded database and other files of the server live.", "/var/lib/hw"),
    Setting(
        "database_url",
        "",
        _database_url,
        "The database; empty means SQLite in `data_dir`.",
        "postgresql://handlewatch:secret@db/handlewatch",
    ),
    Setting(
        "public_url",
        "",
        _public_url,
        "The address under which people and collectors reach the server; empty means: as the request says.",
        "https://handles.example.com",
    ),
    Setting(
        "signatures_dir", "", _maybe_path, "A directory with signatures of your own, beside the built-in ones.", "sigs"
    ),
    Setting(
        "downloads_dir",
        "",
        _maybe_path,
        "Where `handlewatch downloads build` puts the Windows bundle; empty means `downloads` in `data_dir`.",
        "/usr/local/share/handlewatch",
    ),
    Setting("keep_full_days", "14", _days, "Days for which every snapshot is kept.", "14"),
    Setting("keep_10min_days", "90", _days, "Days for which ten-minute steps are kept.", "90"),
    Setting("keep_hourly_days", "730", _days, "Days for which hourly steps are kept.", "730"),
    Setting("session_days", "14", _days, "Days after which a person has to sign in again.", "14"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force; see SETTINGS for what each means."""

    data_dir: Path
    database_url: str
    public_url: str
    signatures_dir: Path | None
    downloads_dir: Path
    keep_full_days: int
    keep_10min_days: int
    keep_hourly_days: int
    session_days: int


def load_settings(environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """Read every setting. A value may also lie in the file that `HANDLEWATCH_…_FILE` names (for secrets)."""
    from_file = _read_toml(file) if file else {}
    values = {}
    for setting in SETTINGS:
        text = _text(setting, environment, from_file)
        try:
            values[setting.name] = setting.parse(text)
        except ValueError as error:
            raise SettingsError(
                f"{setting.variable}={text!r} can't be used: {error}. A good value: {setting.example}"
            ) from error
    if not values["database_url"]:
        values["database_url"] = f"sqlite:///{(values['data_dir'] / 'handlewatch.db').resolve()}"
    values["downloads_dir"] = values["downloads_dir"] or values["data_dir"] / "downloads"
    return Settings(**values)


def _text(setting: Setting, environment: Mapping[str, str], from_file: Mapping[str, Any]) -> str:
    if setting.variable in environment:
        return environment[setting.variable]
    secret = environment.get(f"{setting.variable}_FILE")
    if secret is not None:
        try:
            return Path(secret).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"{setting.variable}_FILE names a file that can't be read: {error}") from error
    return str(from_file.get(setting.name, setting.default))


def _read_toml(file: Path) -> Mapping[str, Any]:
    if not file.exists():
        return {}
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not TOML: {error}") from error
    unknown = sorted(set(values) - {setting.name for setting in SETTINGS})
    if unknown:
        raise SettingsError(f"{file} names settings that don't exist: {', '.join(unknown)}")
    return values
