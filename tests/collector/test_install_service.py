"""The unit of the installed collector: systemd takes it, and its command line works inside what it forbids.

There is no systemd to start it here, so its sandbox is made by hand, from the unit itself: the user, the capabilities,
the read-only file system, the empty homes. That takes root; whoever runs the tests as somebody else has the rest.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector import install_linux, install_settings
from server.downloads import collector_zipapp

if TYPE_CHECKING:
    from tests.collector.conftest import PlayServer

ROOT = os.geteuid() == 0
USER = 31_000 + os.getpid() % 30_000
UNIT = "etc/systemd/system/handlewatch-collector.service"
SANDBOX = """
set -e
machine=$1; shift
mount --bind "$machine/opt" /opt
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/credentials/handlewatch-collector.service
cp "$machine/etc/handlewatch-collector/token" /run/credentials/handlewatch-collector.service/token
chown -R "$1" /run/credentials/handlewatch-collector.service
mount -t tmpfs -o mode=755 tmpfs /var/lib
mkdir -m 700 /var/lib/handlewatch-collector
chown "$1" /var/lib/handlewatch-collector
mount -t tmpfs -o ro tmpfs /home
mount -t tmpfs -o ro tmpfs /root
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -o remount,bind,ro /
mount -o remount,bind,ro /opt
cd /
shift
exec "$@"
"""

# What systemd does for SystemCallFilter and, from Linux 6.3 on, MemoryDenyWriteExecute; then the program.
FORBIDDING = """
import ctypes, os, sys
allowed, *command = sys.argv[1:]
library = ctypes.CDLL("libseccomp.so.2")
library.seccomp_init.restype = ctypes.c_void_p
library.seccomp_rule_add.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint)
library.seccomp_load.argtypes = (ctypes.c_void_p,)
rules = library.seccomp_init(0x00050001)  # all else: EPERM
for name in allowed.split(","):
    number = library.seccomp_syscall_resolve_name(name.encode())
    assert number < 0 or library.seccomp_rule_add(rules, 0x7FFF0000, number, 0) == 0, name
assert library.seccomp_load(rules) == 0
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)
os.execv(command[0], command)
"""


@pytest.fixture
def zipapp(tmp_path: Path) -> Path:
    path = tmp_path / "handlewatch-collector.pyz"
    path.write_bytes(collector_zipapp().content)
    return path


@pytest.fixture
def system() -> Iterator[Path]:
    """A system's root that others may look into, which is not so in a folder of pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def install(zipapp: Path, machine: Path, server: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, str(zipapp), "install", "--server", server, "--root", str(machine), *options],
        env={"PATH": os.environ["PATH"], "HANDLEWATCH_TOKEN": "hw_of_this_host"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return (machine / UNIT).read_text()


def values(unit: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)


def calls_of(group: str) -> set[str]:
    """The system calls of one of systemd's groups, and of those in it."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True)
    words = [line.strip() for line in done.stdout.splitlines() if not line.strip().startswith("#")]
    inner = [calls_of(word) for word in words if word.startswith("@") and word != group]
    return set().union({word for word in words if word and word[0] != "@"}, *inner)


def allowed_calls(unit: str) -> str:
    allowed: set[str] = set()
    for line in values(unit, "SystemCallFilter"):
        for word in line.removeprefix("~").split():
            allowed = allowed - calls_of(word) if line.startswith("~") else allowed | calls_of(word)
    return ",".join(sorted(allowed))


def in_the_sandbox(unit: str, machine: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    """The unit's command line as its user, with its capabilities and its environment, where it may look and write."""
    (capabilities,) = values(unit, "AmbientCapabilities")
    assert values(unit, "CapabilityBoundingSet") == [capabilities]
    kept = "".join(f",+{name.removeprefix('CAP_').lower()}" for name in capabilities.split())
    environment = dict(setting.split("=", 1) for setting in values(unit, "Environment"))
    environment |= install_settings.read(machine / "etc/handlewatch-collector/settings.env")
    user = [f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
    rights = [f"--bounding-set=-all{kept}", f"--inh-caps=-all{kept}", f"--ambient-caps=-all{kept}"]
    command = shlex.split(values(unit, "ExecStart")[0])
    forbidding = [shutil.which("python3", path="/usr/bin:/usr/local/bin") or "", "-I", "-c", FORBIDDING]
    return subprocess.run(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", SANDBOX, "sh", str(machine), str(USER),
         "setpriv", *user, *rights, *forbidding, allowed_calls(unit), *command, *more],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_systemd_has_nothing_to_say_about_the_unit(zipapp: Path, system: Path) -> None:
    for rights in ("all", "counts"):
        install(zipapp, system, "https://handles.example", "--rights", rights)
        done = subprocess.run(["systemd-analyze", "verify", str(system / UNIT)], capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_rates_its_sandbox_well(zipapp: Path, system: Path) -> None:
    for rights, most in (("all", 25), ("counts", 20)):  # tenths; 100 is a service without any sandbox
        install(zipapp, system, "https://handles.example", "--rights", rights)
        command = ["systemd-analyze", "security", "--offline=true", f"--threshold={most}", "--no-pager"]
        done = subprocess.run([*command, str(system / UNIT)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:]


def test_the_unit_says_that_all_of_proc_has_to_be_seen(zipapp: Path, system: Path) -> None:
    unit = install(zipapp, system, "https://handles.example")
    assert not re.search(r"^(ProtectProc|ProcSubset|PrivateNetwork|PrivateUsers|RootDirectory)=", unit, re.MULTILINE)
    assert "AF_NETLINK" in values(unit, "RestrictAddressFamilies")[0]


@pytest.mark.parametrize("rights", ["all", "counts"])
def test_its_command_line_reads_and_pushes_inside_the_sandbox(
    zipapp: Path, system: Path, server: "PlayServer", rights: str
) -> None:
    if not ROOT:
        return
    unit = install(zipapp, system, server.url, "--rights", rights, "--host-name", "web-01", "--interval", "3600")
    done = in_the_sandbox(unit, system, "--once")
    assert done.returncode == 0, done.stderr
    (pushed,) = [request for request in server.requests if request.path == "/api/v1/snapshots"]
    assert pushed.token == "hw_of_this_host"
    snapshot = pushed.body["snapshots"][0]
    mine = next(one for one in snapshot["processes"] if one["pid"] == os.getpid())
    if rights == "all":
        assert snapshot["coverage"]["denied"] == 0, json.dumps(snapshot["coverage"])
        assert mine["types"]
    else:
        assert mine.get("types") is None
    assert mine["handles"] == pytest.approx(len(os.listdir("/proc/self/fd")), abs=10)


def test_the_sandbox_of_the_tests_is_one(zipapp: Path, system: Path) -> None:
    """So that the test above means something."""
    if not ROOT:
        return
    unit = install(zipapp, system, "http://127.0.0.1:1").replace(" run\n", " show --json --state /opt/state\n")
    done = in_the_sandbox(unit, system)
    assert done.returncode == 0, done.stderr
    unit = re.sub(
        r"ExecStart=.*", "ExecStart=/bin/sh -c 'touch /opt/x /etc/x; ls /root /home; cat /proc/self/status'", unit
    )
    done = in_the_sandbox(unit, system)
    assert "Read-only file system" in done.stderr
    assert "CapEff:\t0000000000080004" in done.stdout
    assert "NoNewPrivs:\t1" in done.stdout
    assert "Seccomp:\t2" in done.stdout
    nicer = re.sub(r"ExecStart=.*", "ExecStart=/usr/bin/nice -n 5 true", unit)  # everybody may, but for @resources
    assert "Operation not permitted" in in_the_sandbox(nicer, system).stderr


def test_a_file_of_settings_comes_back_as_it_was_written(tmp_path: Path) -> None:
    odd = {"HANDLEWATCH_LABELS": 'a="b" c\\d,$e=`f`;g#h', "HANDLEWATCH_SERVER": "https://x/y", "EMPTY": ""}
    (tmp_path / "settings.env").write_text(install_settings.written(odd))
    assert install_settings.read(tmp_path / "settings.env") == odd


def test_a_python_with_a_blank_in_its_path_is_one_word() -> None:
    (command,) = values(install_linux.unit_text("/opt/my python/100%", "all"), "ExecStart")
    assert command.startswith('"/opt/my python/100%%" -I ')
