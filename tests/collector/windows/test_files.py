"""Which file a service names, and that files are read no more often than they change."""

import os

import pytest

from collector.sources.windows_files import NOTHING, FileFacts, Files, path_of
from tests.collector.windows.machine import FakeWindows

PATHS_ELSEWHERE = (None, r"\\server\share\a.exe", r"\Device\Mup\a.exe", r"Z:\a.exe")
VARIABLES = {"SYSTEMROOT": r"D:\WinNT", "PROGRAMFILES": r"D:\Program Files"}


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (r'"C:\Program Files\V3\V3 Mon.exe" /service', r"C:\Program Files\V3\V3 Mon.exe"),
        (r"C:\Program Files\V3\V3 Mon.exe /service C:\x.exe", r"C:\Program Files\V3\V3 Mon.exe"),
        (r"C:\Backup.executive\agent.EXE", r"C:\Backup.executive\agent.EXE"),
        (r"%ProgramFiles%\V3\V3Mon.exe", r"D:\Program Files\V3\V3Mon.exe"),
        (r"\SystemRoot\System32\drivers\tcpip.sys", r"D:\WinNT\System32\drivers\tcpip.sys"),
        (r"system32\DRIVERS\V3Flt.sys", r"D:\WinNT\system32\DRIVERS\V3Flt.sys"),
        (r"\??\C:\V3\V3Flt.sys", r"C:\V3\V3Flt.sys"),
        (r"\\server\share\agent.exe", None),
        (r"%Nowhere%\agent.exe", None),
        ("agent.exe", None),
        ("", None),
    ],
)
def test_a_command_names_a_path_on_a_drive_or_none(command: str, path: str | None) -> None:
    assert path_of(command, VARIABLES) == path


def test_a_file_is_read_once_until_it_changes() -> None:
    windows, size = FakeWindows(), [1]
    windows.file_versions[r"C:\a.exe"] = FileFacts("AhnLab", "5.0")
    files = Files(windows, stat=lambda path: os.stat_result([0] * 6 + size + [0] * 3))
    assert files.of(r"C:\a.exe") == files.of(r"C:\a.exe") == FileFacts("AhnLab", "5.0")
    assert windows.files_read == [r"C:\a.exe"]
    size[0] = 2
    windows.file_versions[r"C:\a.exe"] = FileFacts("AhnLab", "5.1")
    assert files.of(r"C:\a.exe").version == "5.1"


def test_what_is_not_there_or_on_another_machine_is_not_read() -> None:
    def missing(path: str) -> os.stat_result:
        raise FileNotFoundError(path)

    windows = FakeWindows()
    assert Files(windows, stat=missing).of(r"C:\a.exe") == NOTHING
    files = Files(windows, stat=lambda path: os.stat_result([0] * 10))
    assert [files.of(path) for path in PATHS_ELSEWHERE] == [NOTHING] * 4
    assert windows.files_read == []
