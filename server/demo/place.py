"""Where the demo keeps its things: a folder of its own, with an embedded database and the time its story is tied to."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from server.demo.fleet import SEED, floor_to_step
from server.settings import Settings, SettingsError


@dataclass(frozen=True, slots=True)
class Place:
    """The folder, held by one demo at a time. `anchor` and `seed` are those of the first run, for all later ones."""

    folder: Path
    anchor: datetime
    seed: int
    fresh: bool

    @property
    def collector_state(self) -> Path:
        return self.folder / "collector"

    @property
    def collector_log(self) -> Path:
        return self.folder / "collector.log"

    @property
    def server_log(self) -> Path:
        return self.folder / "server.log"

    def settings(self, settings: Settings) -> Settings:
        """Those of the demo's server: whatever database is set up elsewhere, it keeps to its own."""
        return replace(
            settings, data_dir=self.folder, database_url=f"sqlite:///{_database(self.folder)}", public_url=""
        )


@contextlib.contextmanager
def taken_place(settings: Settings, now: datetime) -> Iterator[Place]:
    """The demo's folder under the data directory, made or found. Raises SettingsError if it can't be used."""
    folder = (settings.data_dir / "demo").resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = sqlite3.connect(folder / "lock.db", timeout=0, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise SettingsError(
            f"{folder} can't be used for the demo: {error}. Name another folder with HANDLEWATCH_DATA_DIR"
        ) from error
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")  # a lock that ends with the process, on every system, however it ends
        except sqlite3.Error as error:
            raise SettingsError(f"another demo runs in {folder}; end it first") from error
        fresh = not _database(folder).exists()
        anchor, seed = _begin_story(folder, now) if fresh else _read_story(folder)
        yield Place(folder, anchor, seed, fresh)
    finally:
        lock.close()


def _database(folder: Path) -> Path:
    return folder / "handlewatch.db"


def _begin_story(folder: Path, now: datetime) -> tuple[datetime, int]:
    anchor = floor_to_step(now)
    partial = folder / "story.json.partial"
    partial.write_text(json.dumps({"anchor": anchor.isoformat(), "seed": SEED}), encoding="utf-8")
    os.replace(partial, folder / "story.json")
    return anchor, SEED


def _read_story(folder: Path) -> tuple[datetime, int]:
    try:
        story = json.loads((folder / "story.json").read_text(encoding="utf-8"))
        anchor, seed = datetime.fromisoformat(story["anchor"]), int(story["seed"])
        if anchor.tzinfo is None:
            raise ValueError("its time has no zone")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{folder / 'story.json'}, which the demo's history is tied to, can't be read ({error}); "
            f"remove {folder} to begin anew"
        ) from error
    return anchor, seed
