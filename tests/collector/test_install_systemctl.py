"""What install and uninstall ask of systemd, on a machine of the test's own: its /etc, /opt and /run are in memory.

Its `systemctl` notes what it is told. Making one takes root; whoever else runs the tests has the last of them.
"""

import os
import subprocess
from pathlib import Path

import pytest

from server.downloads import collector_zipapp

ROOT = os.geteuid() == 0
MACHINE = """
set -e
for folder in /etc /opt /run /var/lib; do mount -t tmpfs -o mode=755 tmpfs $folder; done
mkdir -p /run/systemd/system /run/bin
cat > /run/bin/systemctl <<'END'
#!/bin/sh
case $1 in
--version) echo "systemd ${VERSION-252} (test)" ;;
restart) [ -z "${BROKEN-}" ] || { echo "Job failed. See journalctl." >&2; exit 1; } ;;
esac
[ "$1" = --version ] || echo "systemctl $*"  >> /run/told
END
chmod 755 /run/bin/systemctl
export PATH="/run/bin:$PATH"
collector() { /usr/bin/env python3 -I "$ZIPAPP" "$@"; }
"""
THREE_CALLS = (
    "systemctl daemon-reload\nsystemctl enable handlewatch-collector\nsystemctl restart handlewatch-collector\n"
)


@pytest.fixture
def zipapp(tmp_path: Path) -> Path:
    path = tmp_path / "handlewatch-collector.pyz"
    path.write_bytes(collector_zipapp().content)
    return path


def on_a_machine(zipapp: Path, script: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", MACHINE + script],
        env={"PATH": "/usr/bin:/bin:/usr/sbin", "ZIPAPP": str(zipapp), "HANDLEWATCH_TOKEN": "hw_x", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_install_enables_and_starts_it_and_the_second_time_restarts_it(zipapp: Path) -> None:
    if ROOT:
        twice = "collector install --server https://x >/dev/null\ncollector install >/dev/null\ncat /run/told"
        done = on_a_machine(zipapp, twice)
        assert (done.returncode, done.stdout) == (0, THREE_CALLS * 2), done.stderr


def test_uninstall_stops_it_first_and_leaves_nothing(zipapp: Path) -> None:
    if ROOT:
        script = """
        collector install --server https://x >/dev/null
        mkdir -p /var/lib/private/handlewatch-collector
        ln -s private/handlewatch-collector /var/lib/handlewatch-collector
        rm /run/told
        /opt/handlewatch-collector/handlewatch-collector uninstall >/dev/null
        cat /run/told
        find /etc /opt /var/lib -name '*handlewatch*'
        """
        done = on_a_machine(zipapp, script)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "systemctl disable --now handlewatch-collector",
            "systemctl daemon-reload",
            "systemctl reset-failed handlewatch-collector",
        ]


def test_what_systemd_complains_of_is_told(zipapp: Path) -> None:
    if ROOT:
        done = on_a_machine(zipapp, "collector install --server https://x", BROKEN="yes")
        assert done.returncode == 2
        assert "systemctl restart handlewatch-collector failed: Job failed. See journalctl." in done.stderr


def test_an_old_systemd_is_refused_before_anything_is_written(zipapp: Path) -> None:
    if ROOT:
        done = on_a_machine(zipapp, "collector install --server https://x || find /opt -type f", VERSION="239")
        assert "systemd 239, and the service needs 247" in done.stderr
        assert done.stdout == ""


def test_a_machine_without_systemd_is_told_what_to_do(zipapp: Path) -> None:
    if ROOT:
        done = on_a_machine(
            zipapp, "rmdir /run/systemd/system; collector install --server https://x || find /opt -type f"
        )
        assert "does not run systemd" in done.stderr
        assert "HANDLEWATCH_TOKEN_FILE" in done.stderr
        assert done.stdout == ""


def test_somebody_else_than_root_is_asked_to_be_root(zipapp: Path) -> None:
    command = ["python3", "-I", "handlewatch-collector.pyz", "install", "--server", "https://x"]
    if ROOT:
        zipapp.parent.chmod(0o755)
        command = ["setpriv", "--reuid=12345", "--clear-groups", *command]
    with zipapp.open("rb") as file:  # a descriptor goes where its user could not look
        command[command.index("handlewatch-collector.pyz")] = f"/proc/self/fd/{file.fileno()}"
        done = subprocess.run(
            command, pass_fds=[file.fileno()], env={"PATH": "/usr/bin:/bin", "HANDLEWATCH_TOKEN": "hw_x"},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 2
    assert "run this with sudo" in done.stderr
