"""`python -m bench.detection write DIR | baselines | judge`: a labelled history on disk; what simple rules, and the
detector beside them, are worth on one."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from bench.detection import corpus
from bench.detection.baselines import hourly, run
from bench.detection.corpus import KEPT, LabelledHost
from bench.detection.other import fleet as other
from server.evaluation.histories import read, write
from server.evaluation.judging import NAME, records
from server.evaluation.scoring import Record, Report, Truth, score, tables

WORK = range(1, 9)
FLEETS: dict[str, Callable[..., Iterator[LabelledHost]]] = {"ours": corpus.each, "other": other.each}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    writes = commands.add_parser("write", help="write a labelled history: a file per host, and labels.json")
    writes.add_argument("folder", type=Path)
    rules = commands.add_parser("baselines", help="judge the rules of baselines.py, each at its best threshold")
    rules.add_argument("folder", type=Path, nargs="?", help="a labelled history; without it, one is drawn in memory")
    judged = commands.add_parser("judge", help="the detector, with the rules of baselines.py in the same table")
    judged.add_argument("folder", type=Path, nargs="?", help="a labelled history; without it, one is drawn in memory")
    judged.add_argument("--alone", action="store_true", help="without the rules")
    for command in (writes, rules, judged):
        command.add_argument(
            "--seed", type=int, default=1, help=f"1 to 8 to work with, {KEPT} for the final figure only"
        )
        command.add_argument("--fleet", choices=FLEETS, default="ours", help="which of the two corpora is drawn from")
        command.add_argument("--hosts", type=int, default=200)
        command.add_argument("--days", type=float, default=14)
    return parser.parse_args()


def _hosts(arguments: argparse.Namespace) -> Iterator[LabelledHost]:
    if arguments.seed not in WORK and arguments.seed != KEPT:
        raise SystemExit(f"--seed {arguments.seed}: take 1 to 8, or {KEPT} for the final figure")
    return FLEETS[arguments.fleet](arguments.seed, hosts=arguments.hosts, days=arguments.days)


def _noting(hosts: Iterator[LabelledHost], truths: list[Truth], found: list[Record] | None) -> Iterator[LabelledHost]:
    for host in hosts:
        truths.append(Truth.of(host))
        if found is not None:
            found.extend(records(host))
        yield host


def main() -> None:
    arguments = _arguments()
    progress = Console(file=sys.stderr)
    begun = time.monotonic()
    if arguments.command == "write":
        count = write(arguments.folder, _hosts(arguments), told=progress.print)
        progress.print(f"{count} hosts in {arguments.folder}, {time.monotonic() - begun:.0f} s")
        return
    truths: list[Truth] = []
    found: list[Record] | None = [] if arguments.command == "judge" else None
    source = read(arguments.folder) if arguments.folder else _hosts(arguments)
    noted = _noting(source, truths, found)
    reports: dict[str, Report] = {}
    if arguments.command == "judge" and arguments.alone:
        for _ in noted:
            pass
    else:
        fleet = hourly(noted)
        progress.print(f"{len(fleet.labels)} programs on {len(truths)} hosts, {time.monotonic() - begun:.0f} s")
        for name, alarms in run(fleet):
            reports[name] = score(truths, alarms)
            progress.print(f"{name}: {time.monotonic() - begun:.0f} s")
    if found is not None:
        reports = {NAME: score(truths, found), **reports}
    console = Console(width=None if sys.stdout.isatty() else 200)
    for table in tables(reports):
        console.print(table)


if __name__ == "__main__":
    main()
