"""The Parquet files of an export: where each lies, what it was made from, and how one comes into being whole or not at
all."""

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from server.analysis.instants import DAY, rfc3339
from server.exporting.columns import SCHEMA

ROWS = 2**20  # of a row group
_KEY = b"handlewatch"
_LONGEST = 80  # of a host's name in that of a file


@dataclass(frozen=True, slots=True)
class Source:
    """What a file was made from: a host's snapshots of a stretch of shown time, how many there were, and the coarsest
    step among them. A file of the same source need not be made again."""

    host_id: int
    from_us: int
    to_us: int  # inclusive
    snapshots: int
    step_s: int


class FolderError(Exception):
    """The folder can't be exported to; the text says why."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder, made or found, while nobody else exports to it. What a killed export left half-done goes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = sqlite3.connect(folder / ".lock", timeout=0, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise FolderError(f"{folder} can't be written to: {error}") from error
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")  # ends with the process, on every system, however it ends
        except sqlite3.Error as error:
            raise FolderError(f"another export writes to {folder}; wait until it is done") from error
        for partial in folder.glob("*/day=*/*.partial"):
            partial.unlink()
        yield
    finally:
        lock.close()


def place(folder: Path, grain: str, source: Source, host: str) -> Path:
    """Host names come from anywhere: of one, only what is harmless in a file's name is kept, and the id tells hosts
    apart whose names then look alike."""
    harmless = re.sub(r"[^a-z0-9-]+", "_", host.casefold())[:_LONGEST].strip("_")
    name = f"{harmless or 'host'}-{source.host_id}.parquet"
    return folder / grain / f"day={rfc3339(source.from_us // DAY * DAY)[:10]}" / name


def made_from(file: Path) -> Source | None:
    """None: there is no such file, or none of ours."""
    try:
        found = (pq.read_metadata(file).metadata or {}).get(_KEY)
        return None if found is None else msgspec.json.decode(found, type=Source)
    except (FileNotFoundError, pa.ArrowInvalid, msgspec.MsgspecError):
        return None


def write(file: Path, source: Source, batches: Iterable[Any]) -> tuple[int, int]:
    """How many rows, and bytes. The file is there under its name once it is whole and on disk; none without rows."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    rows = 0
    try:
        with partial.open("wb") as stream:
            with pq.ParquetWriter(stream, SCHEMA, compression="zstd", store_schema=False) as writer:
                writer.add_key_value_metadata({_KEY: msgspec.json.encode(asdict(source))})
                for table in _groups(batches):
                    writer.write_table(table)
                    rows += table.num_rows
            stream.flush()
            os.fsync(stream.fileno())
        if not rows:
            return 0, 0
        size = partial.stat().st_size
        os.replace(partial, file)
        return rows, size
    finally:
        partial.unlink(missing_ok=True)


def _groups(batches: Iterable[Any]) -> Iterator[Any]:
    """Batches gathered to about as many rows as a row group should have."""
    gathered: list[Any] = []
    rows = 0
    for batch in batches:
        gathered.append(batch)
        rows += batch.num_rows
        if rows >= ROWS:
            yield pa.Table.from_batches(gathered, SCHEMA)
            gathered, rows = [], 0
    if rows:
        yield pa.Table.from_batches(gathered, SCHEMA)
