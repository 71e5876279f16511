"""The command `handlewatch export`: history as Parquet files, for DuckDB, Spark and pandas."""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.exc import DatabaseError

from server.analysis.instants import SECOND, to_us
from server.settings import SettingsError, load_settings
from server.store import schema
from server.store.database import Database
from server.store.schema import SchemaError

if TYPE_CHECKING:  # what it needs may not be installed
    from server.exporting.period import Tally

_FIRST_US, _LAST_US = -62_135_596_800 * SECOND, 253_402_300_799 * SECOND
_LINE_EVERY_S = 10.0


def export_history(
    parquet: Annotated[Path, typer.Option(metavar="DIR", help="Where to write Parquet files.")],
    from_time: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="2026-11-01 or 2026-11-01T10:00:00Z; else from the first"),
    ] = None,
    to_time: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Up to this time, exclusive; else up to the newest")
    ] = None,
    host: Annotated[list[str] | None, typer.Option(metavar="NAME", help="This host alone; may be repeated.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY:VALUE", help="Hosts with this label alone; may be repeated.")
    ] = None,
    programs: Annotated[bool, typer.Option(help="A row per program instead of per process, type and object.")] = False,
) -> None:
    """Write the history of a period to Parquet files, a file for each host and UTC day, while the server runs."""
    if find_spec("pyarrow") is None:
        raise SettingsError("Parquet files need pyarrow, which is not installed: pip install 'handlewatch[parquet]'")
    from server.exporting.files import FolderError
    from server.exporting.period import Period, export, wanted_hosts

    period = Period(
        from_us=_moment(from_time, "--from", _FIRST_US),
        to_us=_moment(to_time, "--to", _LAST_US) - 1,
        host_keys=[name.casefold() for name in host or []],
        labels=[_label(text) for text in label or []],
        by_program=programs,
    )
    if period.from_us > period.to_us:
        raise SettingsError(f"--from {from_time} does not lie before --to {to_time}")
    database = Database(load_settings(os.environ, Path("handlewatch.toml")).database_url)
    try:
        _require_schema(database)
        hosts = wanted_hosts(database, period)
        _require_known(period.host_keys, [one.name_key for one in hosts])
        with _Display(Console(stderr=True), hosts=len(hosts)) as display:
            tally = export(database, parquet, period, hosts, display.show)
    except FolderError as error:
        raise SettingsError(str(error)) from error
    except DatabaseError as error:
        raise SchemaError(f"the database can't be used: {' '.join(str(error.orig).split())}") from error
    except OSError as error:
        raise SettingsError(f"{parquet} can't be written to: {error}; run it again to go on") from error
    except KeyboardInterrupt:
        raise SettingsError("Stopped. Each file there is whole; run it again to go on.") from None
    finally:
        database.close()
    typer.echo(said(tally, parquet))


def said(tally: "Tally", folder: Path) -> str:
    """What was done, in a line."""
    if not tally.hosts:
        return "There is no history in this period."
    what = f"{tally.rows:,} rows of {_count(tally.hosts, 'host')} in {_count(tally.written, 'file')}"
    stays = "was there already and stays" if tally.kept == 1 else "were there already and stay"
    kept = f"; {_count(tally.kept, 'file')} {stays}" if tally.kept else ""
    return f"{what} ({tally.size:,} bytes) in {folder}{kept}."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _moment(text: str | None, name: str, default: int) -> int:
    if text is None:
        return default
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{name} {text} is no time; write 2026-11-01 or 2026-11-01T10:00:00Z") from error
    return to_us(found if found.tzinfo else found.replace(tzinfo=UTC))


def _label(text: str) -> tuple[str, str]:
    key, colon, value = text.partition(":")
    if not colon:
        raise SettingsError(f"--label {text} has no colon; write key:value")
    return key, value


def _require_schema(database: Database) -> None:
    if database.dialect == "sqlite" and not Path(database.url.database or "").is_file():
        raise SchemaError(f"there is no database at {database.url.database} yet: run `handlewatch db upgrade` first")
    with database.read() as connection:
        if not schema.is_current(connection):
            raise SchemaError("the database has not the schema of this version: run `handlewatch db upgrade` first")


def _require_known(wanted: Sequence[str], found: Sequence[str]) -> None:
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise SettingsError(f"No such host: {', '.join(missing)}")


class _Display:
    """How far it is: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console, *, hosts: int) -> None:
        self._console = console
        self._hosts = hosts
        self._done = 0
        self._line_at = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> "_Display":
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("Exporting"),
                BarColumn(),
                TextColumn("{task.fields[at]}"),
                TimeRemainingColumn(compact=True),
                console=self._console,
            )
            self._bar.start()
            self._bar.add_task("", total=self._hosts, at="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, tally: "Tally") -> None:
        done, of = tally.days_of_host
        self._done += not of
        share = self._done + (done / of if of else 0)
        at = f"{self._done:,} of {self._hosts:,} hosts, {tally.written:,} files, {tally.rows:,} rows"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=share, at=at)
        elif time.monotonic() - self._line_at >= _LINE_EVERY_S:
            self._line_at = time.monotonic()
            self._console.print(at, highlight=False, soft_wrap=True)
