"""`make` and `.ci/run` as commands: how they end, and what they do on a machine that lacks things.

They run in a copy, with stand-ins for what would install or start something.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = """\
#!/usr/bin/env python3
import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("up", flush=True)
signal.pause()
"""
# Fails at its first installation.
APT_GET = """\
#!/bin/sh
echo "apt-get $*" >>{log}
case "$*" in *install*) [ -e {again} ] || {{ >{again}; exit 1; }} ;; esac
"""


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A tree with the real Makefile and .ci/run, in which set-up does nothing."""
    root = tmp_path / "copy"
    (root / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", root)
    shutil.copy(ROOT / ".ci" / "run", root / ".ci")
    program(root / "scripts" / "setup", "#!/bin/sh\nexit 0\n")
    return root


def linked(folder: Path, *names: str) -> Path:
    """A folder for PATH that holds these of the machine's programs."""
    folder.mkdir(exist_ok=True)
    for name in names:
        found = shutil.which(name)
        assert found is not None, f"{name} is not installed"
        (folder / name).symlink_to(found)
    return folder


@pytest.mark.parametrize(("number", "to_all"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_make_demo_ends_without_make_complaining(copy: Path, number: signal.Signals, to_all: bool) -> None:
    program(copy / ".venv" / "bin" / "handlewatch", DEMO)
    with subprocess.Popen(
        ["make", "demo"],
        cwd=copy,
        env={"PATH": os.environ["PATH"]},  # without what an outer make would add
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as make:
        assert make.stdout is not None
        assert make.stdout.readline() == "up\n"
        # Ctrl-C reaches all at the terminal, a service manager's signal only make.
        (os.killpg if to_all else os.kill)(make.pid, number)
        rest, errors = make.communicate(timeout=20)
    assert (rest, errors) == ("", "")
    assert make.returncode == -number


def test_make_test_names_a_missing_browser_and_fails(copy: Path, tmp_path: Path) -> None:
    path = linked(tmp_path / "bin", "make", "sh")
    done = subprocess.run(
        ["make", "test"], cwd=copy, env={"PATH": str(path)}, capture_output=True, text=True, timeout=20
    )
    assert done.returncode != 0
    assert "sudo apt-get install chromium" in done.stderr


def test_make_test_names_a_missing_wine_and_fails(copy: Path, tmp_path: Path) -> None:
    if Path("/usr/lib/wine/wine64").exists():  # Debian's place, which is not on the PATH
        makefile = copy / "Makefile"
        makefile.write_text(makefile.read_text().replace("/usr/lib/wine/wine64", "/nonexistent/wine64"))
    path = linked(tmp_path / "bin", "make", "sh")
    program(path / "chromium", "#!/bin/sh\n")
    done = subprocess.run(
        ["make", "test"], cwd=copy, env={"PATH": str(path)}, capture_output=True, text=True, timeout=20
    )
    assert done.returncode != 0
    assert "sudo apt-get install wine64" in done.stderr


def ci_machine(folder: Path, *, root: bool = True) -> tuple[Path, Path]:
    """PATH of a bare machine where no package is installed and the first `apt-get install` fails; and its log."""
    log = folder / "log"
    path = linked(folder / "bin", "bash", "dirname", "env", "cat", "rm")
    program(path / "id", f"#!/bin/sh\necho {0 if root else 1000}\n")
    program(path / "dpkg-query", "#!/bin/sh\nexit 1\n")
    program(path / "sleep", "#!/bin/sh\n")
    program(path / "timeout", f'#!/bin/sh\necho "timeout $*, CI=$CI" >>{log}\n')
    program(path / "apt-get", APT_GET.format(log=log, again=folder / "again"))
    return path, log


def test_ci_installs_what_is_missing_trying_twice_then_tests(copy: Path, tmp_path: Path) -> None:
    path, log = ci_machine(tmp_path)
    done = subprocess.run([copy / ".ci" / "run"], env={"PATH": str(path)}, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    *apt, last = log.read_text().splitlines()
    assert ["update" in line for line in apt] == [True, False, True, False]
    assert all("chromium" in line and "python3-venv" in line and "wine64" in line for line in apt[1::2])
    assert last.endswith("make test, CI=true")


def test_ci_goes_on_without_root_and_lets_the_tests_name_what_is_missing(copy: Path, tmp_path: Path) -> None:
    path, log = ci_machine(tmp_path, root=False)
    done = subprocess.run([copy / ".ci" / "run"], env={"PATH": str(path)}, capture_output=True, text=True, timeout=20)
    assert "not root" in done.stderr
    assert log.read_text().splitlines()[-1].endswith("make test, CI=true")


@pytest.mark.parametrize(
    ("python3", "advice"),
    [
        ("exit 1", "no Python 3.11 or newer found"),
        ('case "$*" in *ensurepip*) exit 1 ;; esac', "sudo apt-get install python3-venv"),
    ],
)
def test_set_up_names_what_it_lacks(copy: Path, tmp_path: Path, python3: str, advice: str) -> None:
    shutil.copy(ROOT / "scripts" / "setup", copy / "scripts" / "setup")
    path = linked(tmp_path / "bin", "bash", "dirname")
    program(path / "python3", f"#!/bin/sh\n{python3}\n")
    done = subprocess.run(
        [path / "bash", copy / "scripts" / "setup"], env={"PATH": str(path)}, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 1
    assert advice in done.stderr
    assert not (copy / ".venv").exists()
