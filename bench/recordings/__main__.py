"""`python -m bench.recordings record DIR | label DIR OUT`: plays and records real programs on this machine; makes
labelled histories of what was recorded."""

import argparse
from pathlib import Path

import zstandard

from bench.recordings.labelled import hosts
from bench.recordings.record import machine, record
from server.evaluation.histories import write


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.recordings", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    records = commands.add_parser("record", help="play all programs and record them; takes as long as it says")
    records.add_argument("folder", type=Path)
    records.add_argument("--minutes", type=float, default=42)
    records.add_argument("--every", type=int, default=2, help="seconds between two readings")
    labels = commands.add_parser("label", help="make histories of a recording, as it was and slowed down")
    labels.add_argument("folder", type=Path)
    labels.add_argument("out", type=Path)
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    if arguments.command == "record":
        record(arguments.folder, minutes=arguments.minutes, every_s=arguments.every, told=print)
        print(f"recorded on {machine()} in {arguments.folder}")
        return
    write(arguments.out, hosts(arguments.folder))
    for path in arguments.out.glob("*.jsonl.zst"):  # small, since it is kept
        with zstandard.open(path, "rb") as file:
            plain = file.read()
        packed = zstandard.ZstdCompressor(level=19).compress(plain)
        path.write_bytes(packed)
        print(f"{path}: {len(packed)} bytes")


if __name__ == "__main__":
    main()
