"""The settings of an installed collector: a file of lines NAME="VALUE", as systemd and `run --settings` read them."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from collector.config import ConfigError

HEAD = """\
# Settings of the Handlewatch collector; docs/collector.md has them all. Restart it after a change.
"""


def written(settings: Mapping[str, str]) -> str:
    return HEAD + "".join(f'{name}="{_escaped(value)}"\n' for name, value in sorted(settings.items()))


def read(path: Path) -> dict[str, str]:
    """Variable to value; empty where there is no such file. Raises ConfigError for one that cannot be understood."""
    found = {}
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the settings in {path}: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        name, equals, value = line.partition("=")
        try:
            (parsed,) = shlex.split(value) or [""]
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise ConfigError(f'line {number} of {path} is not of the form NAME="VALUE"; correct it or remove it')
        found[name.strip()] = parsed
    return found


def _escaped(value: str) -> str:
    if not value.isprintable():
        raise ConfigError(f"{value!r} has a character in it that a line of settings cannot hold")
    return value.replace("\\", "\\\\").replace('"', '\\"')
