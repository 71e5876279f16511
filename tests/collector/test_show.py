"""`show` prints one reading: as a table, with what could not be seen and what it cost, or as the body of a push."""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.sources import NotThereYet, Reading, SourceOptions, choose
from collector.table import cost, lines
from collector.wire import Coverage, Process

if TYPE_CHECKING:
    from tests.collector.conftest import Collectors, FakeMachine

READING = Reading(
    processes=[
        Process(8, None, "csrss", None),
        Process(187, None, "ntbackup", 12345, 16777216, types={"File": 51, "Event": 12000}),
        Process(9, None, "evil\x1b[2J", 512, 1024),
    ],
    coverage=Coverage(processes=4, denied=1, broken=1),
    read_ms=2.345,
    types_ms=0.04,
    unseen=["counts of 1 of 4 processes not readable; run as root"],
)


def test_the_largest_come_first_and_the_unreadable_last() -> None:
    table = list(lines(READING, types=False))
    assert [line.split()[-1] for line in table[1:4]] == ["ntbackup", "evil�[2J", "csrss"]
    assert table[1].split() == ["12,345", "16,777,216", "<", "0.1", "%", "187", "ntbackup"]
    assert table[2].split()[:4] == ["512", "1,024", "50.0", "%"]
    assert table[3].startswith("not readable")


def test_it_says_what_could_not_be_seen_and_what_it_cost() -> None:
    assert list(lines(READING, types=False))[-2:] == [
        "counts of 2 of 4 processes readable, 12,857 handles in all",
        "counts of 1 of 4 processes not readable; run as root",
    ]
    assert cost(READING, 12.0) == "this reading cost 2.3 ms for counts, 0.0 ms for types; 12.0 MiB resident"


def test_types_stand_behind_the_program() -> None:
    table = list(lines(READING, types=True))
    assert table[1].endswith("ntbackup  12,000 Event, 51 File")
    assert table[3].endswith("csrss     not read")


def test_a_process_whose_names_may_not_be_read_is_marked() -> None:
    process = Process(4, None, "System", 3000, types={"Key": 3000}, unnamed=True)
    reading = Reading([process], Coverage(processes=1, unnamed=1))
    assert list(lines(reading, types=False))[1].endswith("4  System  (names not readable)")
    assert list(lines(reading, types=True))[1].endswith("3,000 Key  (names not readable)")


def test_none_is_less_than_some_and_more_than_what_is_not_known() -> None:
    processes = [Process(1, None, "unknown", None), Process(2, None, "none", 0, 1024), Process(3, None, "one", 1, 1024)]
    table = list(lines(Reading(processes, Coverage(processes=3, denied=1)), types=False))
    assert [line.split()[-1] for line in table[1:4]] == ["one", "none", "unknown"]
    assert table[2].split()[:4] == ["0", "1,024", "0.0", "%"]


def test_columns_stand_under_their_heads() -> None:
    head, *rows = list(lines(READING, types=True))[:4]
    for name in ("HANDLES", "LIMIT", "USED", "PID"):
        end = head.index(name) + len(name)
        assert all(row[end] == " " for row in rows)
    assert len({row.index(process) for row, process in zip(rows, ("ntbackup", "evil", "csrss"), strict=True)}) == 1


def test_the_largest_only() -> None:
    assert list(lines(READING, types=False, top=1))[2] == "and 2 more"


def test_it_reads_this_machine(collectors: "Collectors") -> None:
    done = collectors.run("show", "--types", HANDLEWATCH_STATE=str(collectors.state))
    assert done.returncode == 0, done.stderr
    assert "processes readable" in done.stdout
    assert "this reading cost" in done.stdout
    assert not collectors.state.exists()


def test_as_json_it_is_the_body_of_a_push(collectors: "Collectors", machine: "FakeMachine") -> None:
    done = collectors.run("show", "--json", "--root", str(machine.root), "--label", "site=seoul", "--host-name", "w")
    body = json.loads(done.stdout)
    assert set(body) == {"host", "collector", "sent_at", "snapshots"}
    assert body["host"]["labels"] == {"site": "seoul"}
    [snapshot] = body["snapshots"]
    assert snapshot["coverage"]["broken"] == 1
    assert {found["pid"]: found["handles"] for found in snapshot["processes"]}[1001] == 13
    assert all("types" not in found for found in snapshot["processes"])


def test_the_number_of_processes_is_at_least_one(collectors: "Collectors") -> None:
    for wrong in ("0", "-3", "x"):
        done = collectors.run("show", "--top", wrong)
        assert done.returncode == 2
        assert f"--top: {wrong!r} is not a whole number from 1" in done.stderr


def test_a_reader_that_goes_away_is_not_an_error(collectors: "Collectors") -> None:
    command = " ".join(collectors.command("show", "--json")) + " | head -c 1; echo ${PIPESTATUS[0]}"
    done = subprocess.run(
        ["bash", "-c", command], env=collectors.environment(), capture_output=True, text=True, timeout=30, check=True
    )
    assert (done.stdout, done.stderr) == ("{0\n", "")


@pytest.mark.parametrize("command", [["show"], ["run", "--once", "--server", "http://127.0.0.1:1", "--token", "t"]])
def test_a_root_without_a_machine_is_said_in_a_sentence(
    collectors: "Collectors", tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "unmounted" / "proc").mkdir(parents=True)
    for root, fault in (("nope", "No such file or directory"), ("unmounted", "it holds no processes")):
        done = collectors.run(*command, "--root", str(tmp_path / root), HANDLEWATCH_STATE=str(collectors.state))
        assert done.returncode == 2
        [sentence] = done.stderr.splitlines()
        assert sentence.startswith(f"handlewatch-collector: cannot read {tmp_path / root}/proc: {fault}")
        assert "--root" in sentence


def test_show_does_not_pay_for_the_http_client(collectors: "Collectors") -> None:
    code = "import sys; from collector.cli import main; main(['show', '--top', '1']); print('httpx' in sys.modules)"
    command = [collectors.command()[0], "-c", code]
    done = subprocess.run(command, env=collectors.environment(), capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_other_systems_are_said_not_to_be_there_yet() -> None:
    for platform, system in (("darwin", "macOS"), ("freebsd14", "freebsd14")):
        with pytest.raises(NotThereYet, match=f"no collector for {system} yet"):
            choose(SourceOptions(), platform=platform)
