"""The batch file of the guide to NT 4.0, run by a Windows command interpreter: what it leaves in the folder."""

import subprocess
from pathlib import Path

import pytest

from collector.relay import parse_name
from tests.windows.wine import Wine, program

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "nt4.md"


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


@pytest.fixture
def batch(tmp_path: Path, drop: Path) -> Path:
    text = GUIDE.read_text().partition("```bat\n")[2].partition("```")[0]
    assert r"set DROP=\\RELAY\drop" in text
    text = text.replace(r"\\RELAY\drop", "Z:" + str(drop).replace("/", "\\"))
    path = tmp_path / "handles.cmd"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    return path


def run(wine: Wine, batch: Path) -> None:
    """With a program in place of pslist that says one line."""
    (batch.parent / "pslist.exe").write_bytes((wine.prefix / "drive_c/windows/system32/hostname.exe").read_bytes())
    subprocess.run(
        [program("wine64", "wine"), "cmd", "/c", batch.name],
        env=dict(wine.environment),
        cwd=batch.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=True,
    )


def test_each_run_leaves_one_complete_file_more(wine: Wine, batch: Path, drop: Path) -> None:
    run(wine, batch)
    run(wine, batch)
    left = sorted(path.name for path in drop.iterdir())
    assert [name.rpartition("~")[2] for name in left] == ["1.txt", "2.txt"]
    host = left[0].rpartition("~")[0]
    assert [parse_name(name, modified=0) for name in left] == [(host, "1970-01-01T00:00:00Z")] * 2
    assert all((drop / name).read_text().strip() for name in left)


def test_it_stops_where_nobody_fetches(wine: Wine, batch: Path, drop: Path) -> None:
    run(wine, batch)
    [first] = drop.iterdir()
    for number in range(2, 1000):
        (drop / first.name.replace("~1.", f"~{number}.")).touch()
    run(wine, batch)
    assert len(list(drop.iterdir())) == 999
