"""The build hook: puts into a wheel what is not Python, and refuses to build one that would lack a part.

Front-end files come from scripts/vendor.py. Templates and migrations lie beside the packages in the source tree and are
mapped below `server/` for a real wheel only: an editable install reads them where they are, and never needs npm.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))
from scripts import vendor

# What no wheel may go without, and what a folder must hold to count as there.
LANDMARKS: Final = (
    "templates/base.html",
    "migrations/env.py",
    "server/signatures/v3-pro.yaml",
)
DATA_FOLDERS: Final = ("templates", "migrations")


class HandlewatchBuildHook(BuildHookInterface[Any]):
    """Called by hatchling before it writes an sdist or a wheel."""

    def dependencies(self) -> list[str]:
        """npm is asked of pip only where the files are not there yet and the machine has none."""
        root = Path(self.root)
        return [] if vendor.is_fresh(root) or vendor.npm_on_path() else [vendor.NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        root = Path(self.root)
        vendor.vendor(root)
        absent = [f"server/static/vendor/{name}" for name in vendor.missing(root)]
        absent += [name for name in LANDMARKS if not (root / name).is_file()]
        if absent:
            raise FileNotFoundError(f"not building without {', '.join(absent)}")
        if self.target_name == "wheel":
            build_data["force_include"].update(data_files(root))


def data_files(root: Path) -> dict[str, str]:
    """Source path to path in the wheel, file by file, so that no compiled or hidden leftovers come along."""
    mapped = {}
    for folder in DATA_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            inside = path.relative_to(root)
            if path.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in inside.parts):
                mapped[str(path)] = f"server/_data/{inside.as_posix()}"
    return mapped
