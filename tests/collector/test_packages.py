"""What is installed on a Linux machine, from its own databases, and that nothing is read again which did not change."""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.sources import SourceOptions, linux_packages
from collector.sources.linux import LinuxSource
from collector.sources.linux_packages import Packages
from collector.wire import Item

if TYPE_CHECKING:
    from tests.collector.conftest import FakeMachine

STATUS = """\
Package: nginx
Status: install ok installed
Priority: optional
Maintainer: Some One <one@example.org>
Version: 1.22.1-9
Description: web server
 Version: 9.9 as the text says
 Package: not this one

Package: old-thing
Status: deinstall ok config-files
Version: 1.0

Package: libc6
Status: hold ok installed
Architecture: amd64
Version: 2.36-9+deb12u9

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-9+deb12u9

Package: half
Status: install ok half-configured
Version: 2.0
"""
KERNEL = Item("Linux kernel", version="6.1.0-18-amd64")


def software(machine: "FakeMachine") -> list[Item]:
    return Packages(str(machine.root), str(machine.proc)).inventory().software or []


def write(machine: "FakeMachine", name: str, content: str) -> Path:
    path = machine.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_packages_that_are_installed_are_listed_once_after_the_kernel(machine: "FakeMachine") -> None:
    write(machine, "var/lib/dpkg/status", STATUS)
    assert software(machine) == [KERNEL, Item("libc6", version="2.36-9+deb12u9"), Item("nginx", version="1.22.1-9")]


def test_an_image_without_a_shell_has_a_file_for_each_package(machine: "FakeMachine") -> None:
    write(machine, "var/lib/dpkg/status.d/base-files", "Package: base-files\nVersion: 12.4\n")
    write(machine, "var/lib/dpkg/status.d/base-files.md5sums", "Package: no\nVersion: 1\n")
    assert software(machine) == [KERNEL, Item("base-files", version="12.4")]


@pytest.mark.parametrize("content", ["", "\n\n\n", "garbage", "Package:\nVersion: 1\n"])
def test_a_database_that_says_nothing_leaves_the_kernel(machine: "FakeMachine", content: str) -> None:
    write(machine, "var/lib/dpkg/status", content)
    assert software(machine) == [KERNEL]


def test_a_machine_that_tells_nothing_has_an_empty_list(tmp_path: Path) -> None:
    assert Packages(str(tmp_path), str(tmp_path / "proc")).inventory().software == []


def test_only_a_change_is_read(machine: "FakeMachine", monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(machine, "var/lib/dpkg/status", STATUS)
    packages = Packages(str(machine.root), str(machine.proc))
    before = packages.inventory()
    assert packages.inventory() is before
    path.write_text(STATUS.replace("1.22.1-9", "1.22.1-10"))
    assert Item("nginx", version="1.22.1-10") in (packages.inventory().software or [])


def test_a_new_kernel_is_a_change(machine: "FakeMachine") -> None:
    packages = Packages(str(machine.root), str(machine.proc))
    packages.inventory()
    (machine.proc / "sys/kernel/osrelease").write_text("6.1.0-40-amd64\n")
    assert packages.inventory().software == [Item("Linux kernel", version="6.1.0-40-amd64")]


def test_the_source_tells_it(machine: "FakeMachine") -> None:
    write(machine, "var/lib/dpkg/status", STATUS)
    inventory = LinuxSource(SourceOptions(root=machine.root)).inventory()
    assert inventory is not None
    assert len(inventory.software or []) == 3
    assert (inventory.services, inventory.drivers) == (None, None)


@pytest.fixture
def rpm(machine: "FakeMachine", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A machine with a database of rpm, and a command of that name that does what it is told."""
    write(machine, "var/lib/rpm/rpmdb.sqlite", "")
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(script: str) -> Path:
        command = folder / "rpm"
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(linux_packages, "RPM_PLACES", f"{folder}:/usr/bin:/bin")
        return folder

    return make


def test_rpm_is_asked_where_it_has_a_database(machine: "FakeMachine", rpm: Callable[[str], Path]) -> None:
    folder = rpm(
        'echo "$@" > "$(dirname "$0")/asked"; printf "bash\\t5.1-9.el9\\tRed Hat\\ngpg-pubkey\\t1-2\\t\\nx;y\\t1\\t\\n"'
    )
    assert software(machine) == [KERNEL, Item("bash", version="5.1-9.el9", vendor="Red Hat")]
    assert f"--dbpath {machine.root}/var/lib/rpm -qa" in (folder / "asked").read_text()


@pytest.mark.parametrize("script", ["exit 1", "sleep 60", "printf '\\377\\n\\n\\t'", "kill -9 $$"])
def test_an_rpm_that_fails_or_hangs_is_left_alone(
    machine: "FakeMachine", rpm: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(linux_packages, "RPM_TIMEOUT_S", 0.3)
    rpm(script.replace("sleep", "exec sleep"))
    assert software(machine) == [KERNEL]


def test_without_a_database_rpm_is_not_asked(machine: "FakeMachine", rpm: Callable[[str], Path]) -> None:
    folder = rpm('touch "$(dirname "$0")/asked"')
    (machine.root / "var/lib/rpm/rpmdb.sqlite").unlink()
    assert software(machine) == [KERNEL]
    assert not (folder / "asked").exists()


def test_on_this_machine_it_is_what_dpkg_says() -> None:
    """Where there is no dpkg, its database is not there either."""
    found = {(item.name, item.version) for item in Packages("", "/proc").inventory().software or []}
    assert ("Linux kernel", os.uname().release) in found
    if shutil.which("dpkg-query"):
        asked = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\\n"]
        lines = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
        installed = {tuple(line.split()[1:]) for line in lines if line.startswith("installed ")}
        assert installed <= found
