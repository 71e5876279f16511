"""The commands `handlewatch signatures …`: is a signature well written, and what does it say of a reading."""

from pathlib import Path
from typing import Annotated

import typer

from server.analysis.catalogue import SignatureError, parse_signature, read_catalogue
from server.analysis.facts import HostFacts, Item, OsFacts
from server.analysis.frames import from_readings
from server.analysis.instants import to_us
from server.analysis.readings import Reading
from server.analysis.signatures import judge
from server.analysis.traces import traces
from server.ingest.wire import Push, decode_push
from server.problems import Problem
from server.settings import SettingsError

signatures_app = typer.Typer(help="Signatures of known leaks.", no_args_is_help=True)


@signatures_app.command("check")
def check_signatures(
    directory: Annotated[Path, typer.Argument(help="A directory of signature files.")] = Path("signatures"),
) -> None:
    """Read every signature of a directory and say what is wrong; exit code 1 if anything is."""
    if not directory.is_dir():
        raise SettingsError(f"{directory} is not a directory; name one that holds signature files")
    files = [(str(file), _text(file)) for file in sorted(directory.glob("*.y*ml"))]
    found, problems = read_catalogue(files)
    for problem in problems:
        typer.echo(str(problem))
    typer.echo(f"{len(found)} of {len(files)} signatures are good.")
    if problems:
        raise typer.Exit(1)


@signatures_app.command("test")
def test_signature(
    file: Annotated[Path, typer.Argument(help="A signature.")],
    snapshot: Annotated[Path, typer.Argument(help="A push body, as POST /api/v1/snapshots takes it.")],
) -> None:
    """Judge one push body by one signature and say the level, and why; exit code 1 if it does not match."""
    try:
        signature = parse_signature(_text(file))
        push = decode_push(_text(snapshot).encode())
    except (SignatureError, Problem) as error:
        raise SettingsError(error.detail if isinstance(error, Problem) else f"{file}: {error}") from error
    ordered = sorted(push.snapshots, key=lambda one: one.time)
    readings = [(to_us(one.time), 0, Reading(one.processes, one.coverage)) for one in ordered]
    frames = [from_readings(readings)] if readings else []
    match = judge(signature, _facts(push), traces(frames, signature, None), None)
    if match is None:
        typer.echo(f"{push.host.name} does not show {signature.id}.")
        raise typer.Exit(1)
    inside = "inside" if match.applies_to else "outside"
    typer.echo(f"{push.host.name} shows {signature.id}: {match.level}; its system is {inside} the signature's list.")
    for program in match.programs:
        typer.echo(f"  {program.program} ({program.pid}): {program.handles:,} handles, {program.level}")
    if match.software is not None:
        typer.echo(f"  installed: {match.software.label}")


def _facts(push: Push) -> HostFacts:
    os, inventory = push.host.os, push.inventory
    lists = {
        kind: tuple(Item(one.name, one.vendor, one.version) for one in (getattr(inventory, kind, None) or []))
        for kind in ("software", "services", "drivers")
    }
    newest = max(push.snapshots, key=lambda one: one.time, default=None)
    images = frozenset(process.name for process in newest.processes) if newest else frozenset()
    facts = OsFacts(os.family, os.name, os.version, os.service_pack)
    return HostFacts(facts, lists["software"], lists["services"], lists["drivers"], images)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} can't be read: {error}") from error
