"""The sample files, and what a test asks of a dump."""

from pathlib import Path

from server.analysis.readings import Process
from server.dumps.dump import Dump
from server.dumps.reading import read_dump

DATA = Path(__file__).parent / "data"
SAMPLES = sorted(DATA.iterdir())


def sample(name: str) -> Dump:
    return read_dump((DATA / name).read_bytes())


def only(dump: Dump) -> dict[str, Process]:
    """The processes of the one moment by name; fails where there are more moments or namesakes."""
    (moment,) = dump.moments
    found = {process.name: process for process in moment.processes}
    assert len(found) == len(moment.processes)
    return found


def named(process: Process) -> dict[tuple[str, str], int]:
    return {(one.type, one.name): one.count for one in process.objects or []}
