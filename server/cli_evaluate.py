"""The command `handlewatch evaluate`: the detector judged by labelled histories."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from server.evaluation.histories import read
from server.evaluation.judging import NAME, evaluate
from server.evaluation.scoring import tables
from server.settings import SettingsError


def evaluate_folder(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder of labelled histories, with its labels.json.")
    ],
) -> None:
    """Run the detector over labelled histories; print what it finds, cries in vain, and how soon, by behaviour."""
    if not (folder / "labels.json").is_file():
        raise SettingsError(f"{folder} holds no labels.json; name a folder of labelled histories")
    console = Console(width=None if sys.stdout.isatty() else 200)
    for table in tables({NAME: evaluate(read(folder))}):
        console.print(table)
