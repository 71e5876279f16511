"""The collector as a service of systemd: a user of its own, made for the time that it runs, in a tight sandbox."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from collector import install_settings
from collector.install import FILE, InstallError, Steps, Wanted, merged, own_python, require_token, zipapp

NAME = "handlewatch-collector"
PROGRAM = Path("/opt") / NAME
CONFIG = Path("/etc") / NAME
UNIT = Path("/etc/systemd/system") / f"{NAME}.service"
# Where its unit is linked to while it is enabled; `systemctl enable` makes the same.
ENABLED = Path("/etc/systemd/system/multi-user.target.wants") / UNIT.name
STATE = Path("/var/lib") / NAME
PRIVATE_STATE = Path("/var/lib/private") / NAME
CREDENTIAL = f"/run/credentials/{NAME}.service/token"
CAPABILITIES = "CAP_SYS_PTRACE CAP_DAC_READ_SEARCH"
OLDEST_SYSTEMD = 247  # the first with LoadCredential
PYTHONS = [
    f"{place}/python3{minor}"
    for place in ("/usr/bin", "/usr/local/bin")
    for minor in ("", ".14", ".13", ".12", ".11", ".10")
]
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))

UNIT_TEXT = """\
# Written by `handlewatch-collector install`, and anew at each install. For changes of your own:
# systemctl edit handlewatch-collector
[Unit]
Description=Handlewatch collector
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart={command}
EnvironmentFile={config}/settings.env
LoadCredential=token:{config}/token
Environment=HANDLEWATCH_TOKEN_FILE={credential}
Environment=HANDLEWATCH_STATE={state}
Restart=always
RestartSec=15

# A user that exists while the service runs, and the rights to look into processes of others; nothing else.
DynamicUser=yes
User={name}
StateDirectory={name}
StateDirectoryMode=0700
UMask=0077
AmbientCapabilities={capabilities}
CapabilityBoundingSet={capabilities}
NoNewPrivileges=yes

# It has to see all of /proc, so neither ProtectProc nor ProcSubset; of the rest it may change nothing.
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

# Never in the way of what it watches.
Nice=10
CPUQuota=50%
MemoryMax=256M
TasksMax=32

[Install]
WantedBy=multi-user.target
"""


def install(wanted: Wanted, steps: Steps) -> None:
    """Raises ConfigError and InstallError."""
    elsewhere = wanted.root != Path("/")
    program, config, unit = (_in(wanted.root, path) for path in (PROGRAM, CONFIG, UNIT))
    settings = merged(wanted, config / "settings.env")
    require_token(wanted, config / "token")
    if not elsewhere and not wanted.dry_run:
        _require_root()
        _require_systemd()
    python = own_python(HOMES, PYTHONS)
    rights = wanted.rights or _rights_of_before(unit)
    steps.folder(program, mode=0o755)
    steps.write(program / FILE, zipapp(settings["HANDLEWATCH_SERVER"]), mode=0o644)
    steps.write(program / NAME, launcher(python).encode(), mode=0o755)
    steps.folder(config, mode=0o700)
    steps.write(config / "settings.env", install_settings.written(settings).encode(), mode=0o600)
    if wanted.token is not None:
        steps.write(config / "token", f"{wanted.token}\n".encode(), mode=0o600)
    steps.folder(unit.parent, mode=0o755)
    steps.write(unit, unit_text(python, rights).encode(), mode=0o644)
    if elsewhere:
        _enable_in(wanted.root, steps)
        return
    steps.run("systemctl", "daemon-reload")
    steps.run("systemctl", "enable", NAME)
    steps.run("systemctl", "restart", NAME)
    if rights == "counts" and not _counts_are_free():
        print("This kernel (before 6.2) shows counts of other users' processes only to --rights all.")
    if wanted.dry_run:
        _require_systemd()
    else:
        print(f"{NAME} runs and starts with the machine. What it says: journalctl -u {NAME}")


def uninstall(wanted: Wanted, steps: Steps, *, keep_state: bool) -> None:
    unit = _in(wanted.root, UNIT)
    state = [] if keep_state else [STATE, PRIVATE_STATE]
    theirs = [_in(wanted.root, path) for path in (ENABLED, UNIT, CONFIG, *state, PROGRAM)]
    if not any(path.is_symlink() or path.exists() for path in theirs):
        print("There is nothing to remove.")
        return
    here = wanted.root == Path("/")
    if here and not wanted.dry_run:
        _require_root()
    if here and unit.exists() and Path("/run/systemd/system").is_dir():
        steps.run("systemctl", "disable", "--now", NAME)
    for path in theirs:
        steps.remove(path)
    if here and Path("/run/systemd/system").is_dir():
        steps.run("systemctl", "daemon-reload")
        steps.run("systemctl", "reset-failed", NAME, may_fail=True)
    if not wanted.dry_run:
        print(f"{NAME} is removed{'; its state is kept in ' + str(STATE) if keep_state else ''}.")


def unit_text(python: str, rights: str) -> str:
    return UNIT_TEXT.format(
        command=_unit_words(python, "-I", f"{PROGRAM}/{FILE}", "run"),
        capabilities=CAPABILITIES if rights == "all" else "",
        config=CONFIG,
        credential=CREDENTIAL,
        state=STATE,
        name=NAME,
    )


def launcher(python: str) -> str:
    """For people: the installed collector's other commands."""
    return f'#!/bin/sh\nexec {shlex.quote(python)} -I {PROGRAM}/{FILE} "$@"\n'


def _unit_words(*words: str) -> str:
    """A command line as systemd splits it: `%` and `$` mean something there."""
    escaped = [word.replace("%", "%%").replace("$", "$$") for word in words]
    return " ".join(f'"{word}"' if re.search(r"\s", word) else word for word in escaped)


def _in(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _rights_of_before(unit: Path) -> str:
    if unit.exists() and not re.search(r"^AmbientCapabilities=\w", unit.read_text("utf-8", "replace"), re.MULTILINE):
        return "counts"
    return "all"


def _enable_in(root: Path, steps: Steps) -> None:
    link = _in(root, ENABLED)
    steps.folder(link.parent, mode=0o755)
    steps.say(f"link {link}")
    if not steps.dry_run:
        link.unlink(missing_ok=True)
        link.symlink_to(UNIT)


def _require_root() -> None:
    if os.geteuid() != 0:
        raise InstallError("a service can be installed by root alone: run this with sudo (--dry-run says what it does)")


def _require_systemd() -> None:
    if not Path("/run/systemd/system").is_dir():
        raise InstallError(
            "this machine does not run systemd. Let what starts its services run, as a user of its own, "
            f"python3 {FILE} run with HANDLEWATCH_SERVER and HANDLEWATCH_TOKEN_FILE set; docs/installing.md has more"
        )
    try:
        told = subprocess.run(
            ["systemctl", "--version"],  # noqa: S607 - wherever the system has it
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"systemctl cannot be run: {error}") from error
    version = re.match(r"systemd (\d+)", told)
    if version and int(version[1]) < OLDEST_SYSTEMD:
        raise InstallError(
            f"this machine has systemd {version[1]}, and the service needs {OLDEST_SYSTEMD}; "
            "docs/installing.md has a unit for older ones"
        )


def _counts_are_free() -> bool:
    return Path("/proc/self/fd").stat().st_size > 0
