"""The commands `handlewatch downloads …`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from server import windows_bundle
from server.downloads import DownloadError, collector_zipapp
from server.settings import load_settings

downloads_app = typer.Typer(help="What machines download from this server.", no_args_is_help=True)


@downloads_app.callback()
def downloads() -> None:
    """What machines download from this server."""


@downloads_app.command()
def build(
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Where to put it, if not where the server looks.")
    ] = None,
) -> None:
    """Make the Windows bundle: the collector with a Python of its own, which pip fetches. Servers that run offer it
    after their next start."""
    settings = load_settings(os.environ, Path("handlewatch.toml"))
    try:
        path = windows_bundle.build(folder or settings.downloads_dir, collector_zipapp())
    except DownloadError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"Made {path} ({path.stat().st_size / 1_000_000:.1f} MB). Restart the server to offer it.", err=True)
