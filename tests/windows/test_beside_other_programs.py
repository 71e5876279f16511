"""The collector as a Windows program under Wine: what it sees, what it may not, how it stops, and that it is alone."""

import json
import signal
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest

from collector.sources.windows import LIMIT
from collector.spool import HEADER
from server.downloads import collector_zipapp
from tests.e2e.processes import wait_for
from tests.windows.programs import DENIER, LEAKER, POOL, SIGNALLED
from tests.windows.wine import Wine, running


@pytest.fixture(scope="module")
def zipapp(wine: Wine, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("zipapp") / "collector.pyz"
    path.write_bytes(collector_zipapp().content)
    return wine.windows_path(path)


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def shown(wine: Wine, zipapp: str) -> dict[str, Any]:
    """What `show --json` says: the body of a push."""
    done = wine.run(zipapp, "show", "--json")
    assert done.returncode == 0, done.stderr
    body: dict[str, Any] = json.loads(done.stdout)
    return body


def test_show_reads_every_process_and_its_own_cost(wine: Wine, zipapp: str) -> None:
    done = wine.run(zipapp, "show", "--types")
    assert done.returncode == 0, done.stderr
    assert "services.exe" in done.stdout
    assert "this reading cost" in done.stdout
    assert "MiB resident" in done.stdout
    body = shown(wine, zipapp)
    assert body["collector"]["source"] == body["host"]["os"]["family"] == "windows"
    processes = body["snapshots"][0]["processes"]
    assert all(one["limit"] == LIMIT and one["handles"] == sum(one["types"].values()) for one in processes)
    assert "svchost.exe" in {one["name"] for one in processes if one.get("instance")}


def test_counts_are_those_of_the_table_and_not_what_wine_says(wine: Wine, zipapp: str) -> None:
    with running(wine, "-c", LEAKER, image="ntbackup.exe") as leaker:
        pid = int(line_of(leaker))
        assert leaker.stdin is not None
        leaker.stdin.write("300\n")
        leaker.stdin.flush()
        assert line_of(leaker) == "300"
        [found] = [one for one in shown(wine, zipapp)["snapshots"][0]["processes"] if one["pid"] == pid]
    assert found["name"] == "ntbackup.exe"
    assert found["exe"].lower().endswith("\\ntbackup.exe")
    assert found["version"].startswith("3.13.")  # of the Python that plays it
    assert 300 <= found["types"]["Event"] < 310
    assert found["handles"] < 360


def test_a_process_that_denies_access_is_counted_but_not_named(wine: Wine, zipapp: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running(wine, "-c", DENIER, image="protected.exe") as protected:
        pid = int(line_of(protected))
        arguments = ["run", "--server", "http://127.0.0.1:9", "--token", "t", "--interval", "1", "--state"]
        with running(wine, zipapp, *arguments, wine.windows_path(state)):
            assert wait_for(lambda: spooled(state))
            assert protected.stdin is not None
            protected.stdin.write("50\n")
            protected.stdin.flush()
            assert line_of(protected) == "50"
            assert wait_for(lambda: any(one["coverage"]["unnamed"] for one in spooled(state)))
        [denied, *_] = [one for one in spooled(state) if one["coverage"]["unnamed"]]
    [found] = [one for one in denied["processes"] if one["pid"] == pid]
    assert found["types"]["Event"] >= 50
    assert "objects" not in found
    assert found["unnamed"] is True
    assert denied["coverage"]["denied"] == 0


def test_a_web_pool_is_named_by_its_argument(wine: Wine, zipapp: str) -> None:
    with running(wine, "-c", POOL, "-ap", "Pay roll", "-h", "secret.config", image="w3wp.exe") as pool:
        pid = int(line_of(pool))
        body = shown(wine, zipapp)
    [found] = [one for one in body["snapshots"][0]["processes"] if one["pid"] == pid]
    assert (found["name"], found["instance"]) == ("w3wp.exe", "Pay roll")
    assert "secret.config" not in json.dumps(body)


def test_a_second_collector_on_one_state_directory_is_told_so(wine: Wine, zipapp: str, tmp_path: Path) -> None:
    arguments = ["run", "--server", "http://127.0.0.1:9", "--token", "t", "--interval", "1", "--state"]
    state = tmp_path / "state"
    with running(wine, zipapp, *arguments, wine.windows_path(state)):
        assert wait_for(lambda: spooled(state))
        second = wine.run(zipapp, *arguments, wine.windows_path(state))
    assert second.returncode == 2
    assert "another collector already uses the state directory" in second.stderr
    third = wine.run(zipapp, *arguments, wine.windows_path(state), "--once")
    assert third.returncode == 1, third.stderr


def test_ctrl_c_stops_it_within_five_seconds(wine: Wine, zipapp: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    arguments = ["run", "--server", "http://127.0.0.1:9", "--token", "t", "--interval", "60", "--state"]
    with running(wine, zipapp, *arguments, wine.windows_path(state)) as collector:
        assert wait_for(lambda: spooled(state))
        collector.send_signal(signal.SIGINT)  # Wine passes it on as what Ctrl-C is on Windows
        assert collector.wait(timeout=5) == 0
    assert len(spooled(state)) == 1


@pytest.mark.parametrize("name", ["SIGBREAK", "SIGTERM"])
def test_other_signals_stop_it_as_well(wine: Wine, zipapp: str, tmp_path: Path, name: str) -> None:
    state = wine.windows_path(tmp_path / "state")
    done = wine.run("-c", SIGNALLED, name, zipapp, "http://127.0.0.1:9", state)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 5
    assert len(spooled(tmp_path / "state")) == 1


def spooled(state: Path) -> list[dict[str, Any]]:
    """The snapshots that wait in a spool, of which the collector may be at work on the next."""
    files = sorted((state / "spool").glob("*.snap"))
    return [json.loads(zlib.decompress(file.read_bytes()[HEADER.size :])) for file in files]
