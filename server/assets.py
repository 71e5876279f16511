"""Finds the folders that are not Python: templates, migrations, static files, signatures.

In a wheel, templates and migrations lie in `server/_data/`, put there by the build hook; in a checkout they lie beside
the package. Nothing here depends on the working directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent


class AssetsMissingError(RuntimeError):
    """The installation lacks a folder that it should have; the message names it."""


def _folder(name: str, *, landmark: str) -> Path:
    """The folder of that name which holds `landmark`: in the wheel's data, else beside the package."""
    places = [_PACKAGE / "_data" / name, _PACKAGE.parent / name]
    for place in places:
        if (place / landmark).is_file():
            return place
    looked = " and ".join(str(place) for place in places)
    raise AssetsMissingError(f"{name}/{landmark} is not in this installation (looked in {looked}); install it again")


def templates_dir() -> Path:
    """The Jinja2 templates."""
    return _folder("templates", landmark="base.html")


def migrations_dir() -> Path:
    """Alembic's script location."""
    return _folder("migrations", landmark="env.py")


def static_dir() -> Path:
    """What is served under /static; front-end libraries are in its `vendor/`."""
    return _PACKAGE / "static"


def signatures_dir() -> Path:
    """The signatures that come with the product, one YAML file each."""
    return _PACKAGE / "signatures"
