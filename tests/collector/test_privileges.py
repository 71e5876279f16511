"""What the collector sees as whom: an ordinary user, one with two capabilities, root, and behind `hidepid`.

All of it is real: other users, and mounts of /proc in a mount namespace of their own. That takes root; whoever runs the
tests as somebody else has the first of them, as that user.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.processes import wait_for

CODE = Path(__file__).resolve().parents[2]
ROOT = os.geteuid() == 0
CAPABILITIES = "+sys_ptrace,+dac_read_search"
# A user of this run's own: behind hidepid one sees all processes of one's own user, whoever else has started them.
USER = 30_000 + os.getpid() % 30_000
NOBODY = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
IN_GROUP = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--groups=777"]
WITH_BOTH = [*NOBODY, f"--inh-caps={CAPABILITIES}", f"--ambient-caps={CAPABILITIES}"]
WITH_ONE = [*NOBODY, "--inh-caps=+sys_ptrace", "--ambient-caps=+sys_ptrace"]
READ = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from collector.sources import SourceOptions
from collector.sources.linux import LinuxSource
source = LinuxSource(SourceOptions(root=Path(sys.argv[2]), types_budget_s=5))
reading = source.read(now=0)
others = {found.pid: [found.handles, found.types] for found in reading.processes}
print(json.dumps([others, reading.coverage.to_json(), reading.unseen, source._count_in_stat]))
"""


@dataclass
class Seen:
    """Of one reading: what it says of the process asked for, and of all."""

    handles: int | None
    types: dict[str, int] | None
    processes: int
    denied: int
    types_denied: int
    unseen: str
    count_in_stat: bool


@pytest.fixture
def other() -> Iterator[int]:
    """A process of whoever runs the tests, with four descriptors of one file. It is through with its start, in which
    it has those of its libraries open for a moment."""
    with tempfile.TemporaryFile() as file:
        process = subprocess.Popen(
            ["sh", "-c", "echo ready; kill -STOP $$"], stdin=file, stdout=file, stderr=file, pass_fds=[file.fileno()]
        )
        assert wait_for(lambda: os.fstat(file.fileno()).st_size > 0)
        yield process.pid
        process.kill()
        process.wait()


@pytest.fixture
def root() -> Iterator[Path]:
    """Where others may look too, which is not so in a folder of pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "proc").mkdir()
        yield Path(folder)


def read(pid: int, *command: str, root: Path = Path("/"), mount: str | None = None) -> Seen:
    """A reading by a collector that `command` starts, with /proc mounted by those options."""
    python = [*command, sys.executable, "-c", READ, str(CODE), str(root)]
    if mount is not None:
        inside = f'mount -t proc -o {mount} proc {root}/proc && exec "$@"'
        python = ["unshare", "--mount", "--propagation=private", "sh", "-c", inside, "sh", *python]
    done = subprocess.run(python, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    processes, coverage, unseen, count_in_stat = json.loads(done.stdout)
    handles, types = processes.get(str(pid), [None, None])
    return Seen(
        handles, types, len(processes), coverage["denied"], coverage["types_denied"], "; ".join(unseen), count_in_stat
    )


def test_everybody_sees_the_types_of_their_own(other: int) -> None:
    seen = read(other)
    assert (seen.handles, seen.types) == (4, {"deleted": 4})


def test_nobody_sees_all_counts_on_a_new_kernel_and_no_types_of_others(other: int) -> None:
    if ROOT:
        seen = read(other, *NOBODY)
        assert seen.handles == (4 if seen.count_in_stat else None)
        assert seen.types is None
        assert seen.types_denied >= 1
        assert "run as root or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH to see the rest" in seen.unseen


def test_with_the_two_capabilities_nobody_sees_what_root_sees(other: int) -> None:
    if ROOT:
        seen, as_root = read(other, *WITH_BOTH), read(other)
        assert (seen.handles, seen.types) == (as_root.handles, as_root.types) == (4, {"deleted": 4})
        assert "run as root" not in seen.unseen


def test_one_of_the_two_is_not_enough_and_the_other_is_named(other: int) -> None:
    if ROOT:
        seen = read(other, *WITH_ONE)
        assert seen.types is None
        assert "run as root or with CAP_DAC_READ_SEARCH to see the rest" in seen.unseen


def test_behind_hidepid_1_nobody_sees_that_there_are_others_and_not_what_they_hold(other: int, root: Path) -> None:
    if ROOT:
        seen = read(other, *NOBODY, root=root, mount="hidepid=1")
        assert seen.handles is None
        assert seen.denied >= 2
        assert "mount /proc without hidepid" in seen.unseen


def test_behind_hidepid_2_nobody_sees_itself_alone_and_says_so(other: int, root: Path) -> None:
    if ROOT:
        seen = read(other, *NOBODY, root=root, mount="hidepid=2")
        assert (seen.handles, seen.processes, seen.denied) == (None, 1, 0)
        assert "mounted with hidepid: processes of other users do not show at all" in seen.unseen


def test_behind_hidepid_2_the_group_that_it_names_sees_all_counts(other: int, root: Path) -> None:
    if ROOT:
        seen = read(other, *IN_GROUP, root=root, mount="hidepid=2,gid=777")
        assert seen.handles == (4 if seen.count_in_stat else None)
        assert "hidepid" not in seen.unseen


@pytest.mark.parametrize("command", [WITH_BOTH, []], ids=["capabilities", "root"])
def test_behind_hidepid_2_the_two_capabilities_and_root_see_everything(
    other: int, root: Path, command: list[str]
) -> None:
    if ROOT:
        seen = read(other, *command, root=root, mount="hidepid=2")
        assert (seen.handles, seen.types) == (4, {"deleted": 4})
        assert "hidepid" not in seen.unseen
