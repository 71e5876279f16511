"""The command `handlewatch`."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from rich.console import Console

from server import __version__
from server.app import create_app
from server.cli_access import token_app, user_app
from server.cli_downloads import downloads_app
from server.cli_evaluate import evaluate_folder
from server.cli_export import export_history
from server.cli_signatures import signatures_app
from server.demo.command import run_demo
from server.listening import calmed, listen
from server.settings import SETTINGS, Settings, SettingsError, load_settings
from server.store import distributing, schema
from server.store.database import Database
from server.store.schema import SchemaError

app = typer.Typer(
    help="Tracks handle leaks across a fleet, and names the known ones.", no_args_is_help=True, add_completion=False
)
db_app = typer.Typer(help="The database: schema, checks, copies.", no_args_is_help=True)
app.add_typer(db_app, name="db")
app.add_typer(downloads_app, name="downloads")
app.add_typer(token_app, name="token")
app.add_typer(user_app, name="user")
app.add_typer(signatures_app, name="signatures")
app.command("evaluate")(evaluate_folder)
app.command("export")(export_history)

_messages = Console(stderr=True)


def main() -> None:
    """Run, and say what is wrong in one line where that is known."""
    try:
        app()
    except (SettingsError, SchemaError) as error:
        _messages.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Say the version and stop.")] = False) -> None:
    if show:
        typer.echo(f"handlewatch {__version__}")
        raise typer.Exit


def settings() -> Settings:
    return load_settings(os.environ, Path("handlewatch.toml"))


@contextmanager
def _database() -> Iterator[Database]:
    database = Database(settings().database_url)
    try:
        yield database
    finally:
        database.close()


def _upgrade(chosen: Settings) -> None:
    if chosen.database_url.startswith("sqlite:///"):
        Path(chosen.database_url.removeprefix("sqlite:///")).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(chosen.database_url)
    try:
        schema.upgrade(database)
        with database.read() as connection:
            more = distributing.undistributed(connection)
        if more:  # tables that are new in this version
            _distribute(database)
    finally:
        database.close()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port to listen on.")] = 8765,
    workers: Annotated[int, typer.Option(min=1, help="Server processes; more than one needs PostgreSQL.")] = 1,
) -> None:
    """Serve pages and REST, and take snapshots."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    chosen = settings()
    if chosen.database_url.startswith("sqlite"):
        _upgrade(chosen)  # nobody else can be using it, so there is nothing to plan
    if workers > 1 and chosen.database_url.startswith("sqlite"):
        raise SettingsError("--workers above 1 needs PostgreSQL: SQLite has one writer, which is the one process")
    common = {"host": host, "port": port, "server_header": False, "access_log": False, "timeout_graceful_shutdown": 10}
    if workers > 1:
        # one that is busy for a while is not to be taken for dead
        common |= {"workers": workers, "timeout_worker_healthcheck": 60}
        uvicorn.run("server.cli:application", factory=True, **common)  # type: ignore[arg-type]
    else:
        listen(calmed(create_app(chosen)), **common)


def application() -> object:
    """What each of several server processes runs."""
    return calmed(create_app(settings()))


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port to serve on; 0: any free one.")] = 8765,
    hosts: Annotated[int | None, typer.Option(min=0, help="How many simulated hosts; all if left out.")] = None,
) -> None:
    """Everything on this machine, for a first look: a server, this machine's collector and a simulated fleet."""
    run_demo(settings(), port=port, hosts=hosts)


@app.command("settings")
def show_settings() -> None:
    """The settings, what each means, and where it is now."""
    chosen = settings()
    for setting in SETTINGS:
        value = getattr(chosen, setting.name)
        shown = "(hidden)" if setting.name == "database_url" else "" if value is None else value
        typer.echo(f"{setting.variable}={shown}\n    {setting.help} For example: {setting.example}")


@db_app.command()
def upgrade() -> None:
    """Bring the schema to this version, creating it in an empty database."""
    _upgrade(settings())
    _messages.print("The schema is that of this version.")


@db_app.command()
def distribute() -> None:
    """Spread the tables over a Citus cluster, by host; what was broken off goes on. Stop the servers first."""
    with _database() as database:
        _distribute(database)
    _messages.print("The database is distributed by host.")


def _distribute(database: Database) -> None:
    for step in distributing.distribute(database):
        said = {
            "begins": f"copying {step.size / 1e6:,.1f} MB …",
            "done": step.kind,
            "before": f"{step.kind}, as before",
        }
        _messages.print(f"{step.table}: {said[step.state]}", highlight=False)


@db_app.command()
def check() -> None:
    """Say what is wrong with the database; exit code 1 if anything is."""
    with _database() as database:
        found = schema.check(database)
        with database.read() as connection:
            left = distributing.undistributed(connection)
    if left:
        found.append(f"the database is distributed in part: run `handlewatch db distribute`; left: {', '.join(left)}")
    for complaint in found:
        typer.echo(complaint)
    if found:
        raise typer.Exit(1)
    typer.echo("The database is in order.")


@db_app.command()
def backup(file: Annotated[Path, typer.Argument(help="The file to make.")]) -> None:
    """Copy the SQLite database while the server runs."""
    with _database() as database:
        schema.backup(database, file)
    _messages.print(f"Backed up to {file}.", markup=False)


@db_app.command()
def restore(file: Annotated[Path, typer.Argument(help="A backup.")]) -> None:
    """Put a backup in the database's place; the server must be stopped. What was there is kept beside it."""
    with _database() as database:
        schema.restore(database, file)
    _messages.print("Restored. What was there is kept with .before in its name.", markup=False)
