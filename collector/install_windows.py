"""The collector as a task that starts with Windows, as the system account.

The program lies where administrators alone may write, settings and state where nobody else may even read.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from collector import install_settings, private
from collector.config import default_state
from collector.install import FILE, InstallError, Steps, Wanted, merged, own_python, require_token, zipapp

TASK = r"\Handlewatch\Collector"
LAUNCHER = "handlewatch-collector.cmd"
KEPT_BY_INSTALL = ("settings.env", "token", "task.xml", "collector.log", "collector.log.1")
ADMINISTRATORS = "*S-1-5-32-544"
LET_GO_S = 20.0
DETACHED = 0x08000008  # without a window, and not ended with what started it

# No limit of time, mains or battery; started again each five minutes if it should not run.
TASK_XML = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>Sends counts of open handles to Handlewatch.</Description></RegistrationInfo>
  <Triggers>
    <BootTrigger>
      <Repetition><Interval>PT5M</Interval><StopAtDurationEnd>false</StopAtDurationEnd></Repetition>
      <Enabled>true</Enabled>
    </BootTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>7</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec><Command>{command}</Command><Arguments>{arguments}</Arguments></Exec>
  </Actions>
</Task>
"""


@dataclass(frozen=True)
class Places:
    program: Path
    data: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Places":
        programs = environment.get("ProgramW6432") or environment.get("ProgramFiles") or r"C:\Program Files"
        return cls(Path(programs) / "Handlewatch", default_state(environment))


def install(wanted: Wanted, steps: Steps) -> None:
    """Raises ConfigError and InstallError."""
    places = Places.of(wanted.environment)
    settings = merged(wanted, places.data / "settings.env")
    require_token(wanted, places.data / "token")
    bundle = _bundle()
    python = places.program / "python" / "python.exe" if bundle else Path(own_python(_homes(wanted.environment)))
    content = b"" if bundle else zipapp(settings["HANDLEWATCH_SERVER"])
    _make_data(places.data, steps, wanted.environment)
    schtasks = _of_system("schtasks", wanted.environment)
    steps.run(schtasks, "/end", "/tn", TASK, may_fail=True)
    if bundle:
        _copy(bundle, places.program, steps)
    steps.folder(places.program, mode=0o755)
    if not bundle:
        _once_let_go(lambda: steps.write(places.program / FILE, content, mode=0o644))
    steps.write(places.program / LAUNCHER, launcher(python, places).encode(), mode=0o755)
    told = {**settings, "HANDLEWATCH_TOKEN_FILE": str(places.data / "token"), "HANDLEWATCH_STATE": str(places.data)}
    steps.write(places.data / "settings.env", install_settings.written(told).encode(), mode=0o600)
    if wanted.token is not None:
        steps.write(places.data / "token", f"{wanted.token}\n".encode(), mode=0o600)
    steps.write(places.data / "task.xml", task_xml(python, places).encode("utf-16"), mode=0o600)
    steps.run(schtasks, "/create", "/tn", TASK, "/xml", str(places.data / "task.xml"), "/f")
    steps.run(schtasks, "/run", "/tn", TASK)
    if not wanted.dry_run:
        print(f"The task {TASK} runs and starts with Windows. What it says: {places.data / 'collector.log'}")


def uninstall(wanted: Wanted, steps: Steps, *, keep_state: bool) -> None:
    places = Places.of(wanted.environment)
    if not places.program.exists() and not places.data.exists():
        print("There is nothing to remove.")
        return
    schtasks = _of_system("schtasks", wanted.environment)
    steps.run(schtasks, "/end", "/tn", TASK, may_fail=True)
    steps.run(schtasks, "/delete", "/tn", TASK, "/f", may_fail=True)
    gone = [places.data / name for name in KEPT_BY_INSTALL] if keep_state else [places.data]
    for path in gone:
        _once_let_go(lambda path=path: steps.remove(path))  # type: ignore[misc]
    if Path(sys.executable).is_relative_to(places.program):
        _remove_afterwards(places.program, steps)
    else:
        _once_let_go(lambda: steps.remove(places.program))
    if not wanted.dry_run:
        print(f"The collector is removed{f'; its state is kept in {places.data}' if keep_state else ''}.")


def arguments(places: Places) -> list[str]:
    """What Python is given when Windows starts."""
    file, data = str(places.program / FILE), places.data
    return ["-I", file, "run", "--settings", str(data / "settings.env"), "--log", str(data / "collector.log")]


def task_xml(python: Path, places: Places) -> str:
    return TASK_XML.format(command=escape(str(python)), arguments=escape(subprocess.list2cmdline(arguments(places))))


def launcher(python: Path, places: Places) -> str:
    """For people: the installed collector's other commands."""
    return f'@"{python}" -I "{places.program / FILE}" %*\r\n'


def _of_system(program: str, environment: Mapping[str, str]) -> str:
    """By its whole path, since Windows looks for a bare name beside the running program first."""
    return str(Path(environment.get("SystemRoot") or r"C:\Windows") / "System32" / f"{program}.exe")


def _bundle() -> Path | None:
    """The folder of the bundle that this runs from: Python in a folder of its own beside the one file."""
    folder = Path(sys.executable).parent.parent
    return folder if Path(sys.executable).parent.name == "python" and (folder / FILE).is_file() else None


def _homes(environment: Mapping[str, str]) -> list[Path]:
    profile = environment.get("PUBLIC")  # C:\Users\Public
    return [Path(profile).parent] if profile else []


def _make_data(data: Path, steps: Steps, environment: Mapping[str, str]) -> None:
    steps.say(f"make {data}, for the system and administrators alone")
    if steps.dry_run:
        return
    private.make_directory(data)
    steps.run(_of_system("icacls", environment), str(data), "/setowner", ADMINISTRATORS, "/q", may_fail=True)
    fault = private.why_not_ours(data)
    if fault is not None:
        raise InstallError(f"will not use {data}: {fault}")


def _copy(bundle: Path, program: Path, steps: Steps) -> None:
    """In the place of what was there, which is kept until the new one is complete."""
    if program.exists() and os.path.samefile(bundle, program):
        return
    steps.say(f"copy {bundle} to {program}")
    if steps.dry_run:
        return
    fresh, former = program.with_name(program.name + ".new"), program.with_name(program.name + ".old")
    for left in (fresh, former):
        if left.exists():
            shutil.rmtree(left)
    fresh.mkdir()
    shutil.copytree(bundle / "python", fresh / "python", copy_function=shutil.copyfile)
    shutil.copyfile(bundle / FILE, fresh / FILE)
    if program.exists():
        _once_let_go(lambda: program.rename(former))
    fresh.rename(program)
    shutil.rmtree(former, ignore_errors=True)


def _once_let_go(act: Callable[[], object]) -> None:
    """A program that was just ended holds its files for a moment more."""
    end = time.monotonic() + LET_GO_S
    while True:
        try:
            act()
            return
        except PermissionError:
            if time.monotonic() > end:
                raise
        time.sleep(0.5)


def _remove_afterwards(program: Path, steps: Steps) -> None:
    """This very program lies in there, and Windows removes none that runs."""
    steps.say(f"remove {program}, once this has ended")
    if not steps.dry_run:
        command = f'{_of_system("cmd", os.environ)} /d /c "ping -n 4 127.0.0.1 >nul & rmdir /s /q "{program}""'
        nothing = subprocess.DEVNULL
        subprocess.Popen(  # noqa: S603 - a fixed command
            command, stdin=nothing, stdout=nothing, stderr=nothing, creationflags=DETACHED, cwd=program.anchor
        )
