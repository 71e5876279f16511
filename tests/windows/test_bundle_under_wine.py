"""The Windows bundle, unpacked and run: a reading, and an installation whose command line then pushes."""

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import windows_bundle
from server.access.principals import Scope
from server.downloads import COLLECTOR_WINDOWS, collector_zipapp
from tests.conftest import NewDatabase
from tests.e2e.processes import Server, running_server, wait_for
from tests.windows.wine import Wine, program

TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip as `handlewatch downloads build` makes it, unpacked."""
    folder = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(windows_bundle.build(folder, collector_zipapp())) as archive:
        archive.extractall(folder / "un packed")
    assert (folder / COLLECTOR_WINDOWS).stat().st_size < 20_000_000
    return folder / "un packed"


@pytest.fixture
def server(new_database: NewDatabase, tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    with new_database("sqlite", folder) as url, running_server(url, folder) as server:
        yield server


# Wine's Task Scheduler and icacls do not answer; what they are told is noted instead. Wine sets ProgramData itself.
INSTALLING = r"""
import os, subprocess, sys
from pathlib import Path
folder, *rest = sys.argv[1:]
file = str(Path(sys.executable).parent.parent / "handlewatch-collector.pyz")
sys.path.insert(0, file)
sys.argv = [file]
os.environ["ProgramW6432"], os.environ["ProgramData"] = folder + r"\\Program Files", folder + r"\\ProgramData"
from collector import cli, install
install.Steps.run = lambda steps, *command, may_fail=False: steps.say("run " + subprocess.list2cmdline(command))
sys.exit(cli.main(rest))
"""


def run(wine: Wine, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [program("wine64", "wine"), *command],
        env={**wine.environment, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def test_its_launcher_runs_the_collector_with_its_own_python(wine: Wine, bundle: Path) -> None:
    done = run(wine, "cmd", "/c", wine.windows_path(bundle / "handlewatch-collector.cmd"), "show", "--json")
    assert done.returncode == 0, done.stderr
    reading = json.loads(done.stdout)
    assert reading["collector"]["source"] == "windows"
    assert any(process["name"] == "python.exe" for process in reading["snapshots"][0]["processes"])


def test_it_installs_itself_and_the_tasks_command_line_pushes(
    wine: Wine, bundle: Path, server: Server, tmp_path: Path
) -> None:
    enrol = server.token(Scope.ENROLL)
    reader = server.token(Scope.READ)
    (tmp_path / "Program Files").mkdir()
    folder, data = wine.windows_path(tmp_path), tmp_path / "ProgramData/Handlewatch"

    def collector(python: Path, *arguments: str, **environment: str) -> str:
        done = run(wine, str(python), "-c", INSTALLING, folder, *arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert enrol not in done.stdout + done.stderr
        return done.stdout

    python = bundle / "python" / "python.exe"
    install = ["install", "--server", server.url, "--host-name", "NTBK01"]
    for environment in ({"HANDLEWATCH_TOKEN": enrol}, {}):  # the second is an upgrade, and needs no token
        said = collector(python, *install, **environment)
        assert re.search(r"schtasks.exe /create /tn \\Handlewatch\\Collector /xml .*task.xml /f", said)
        assert re.search(r"icacls.exe .*Handlewatch /setowner \*S-1-5-32-544", said)
        assert said.index(" /end ") < said.index("copy ") < said.index(" /create ") < said.index(" /run ")
    task = ElementTree.fromstring((data / "task.xml").read_text("utf-16"))
    command, arguments = (task.findtext(f".//{TASK}{name}") or "" for name in ("Command", "Arguments"))
    assert command.endswith(r"Program Files\Handlewatch\python\python.exe")
    assert enrol not in arguments
    # Wine splits the line as Windows does: it is one text for both.
    once = run(wine, command, *windows_words(arguments), "--once")
    assert once.returncode == 0, once.stdout + once.stderr
    assert wait_for(lambda: server.get("/api/v1/hosts/NTBK01", reader).status_code == 200)
    said = collector(python, "uninstall")
    assert " /delete /tn " in said
    assert not data.exists()
    assert not (tmp_path / "Program Files/Handlewatch").exists()


def windows_words(line: str) -> list[str]:
    """Of a command line without quotes inside of words."""
    return [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', line)]
