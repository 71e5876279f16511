"""`handlewatch export`: its files say what the server says, and a run after one that was stopped goes on."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from server import cli_export
from server.analysis.instants import rfc3339, to_us
from server.cli import app
from server.exporting import files
from server.jobs.compaction import Retention
from server.store.database import Database
from tests.pushing import START, Lines, Wire, body, compacted, lines, process, push, snapshot, when
from tests.serving import Served

Export = Callable[..., Result]
Rows = list[dict[str, Any]]
OLD = Retention(full=1, ten_minutes=2**60, hour=2**61)


@pytest.fixture
def export(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Export:
    monkeypatch.setenv("HANDLEWATCH_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["export", "--parquet", "out", *arguments])

    return run


def busy(minute: int) -> Wire:
    objects = [{"type": "Event", "name": "\\x", "count": minute, "distinct": 1}]
    return snapshot(
        minute,
        process(handles=100 + minute, limit=1_024, types={"Event": minute, "File": 3}, objects=objects),
        process(pid=2, handles=None if minute % 50 == 0 else minute),
        process("svc", pid=3, handles=7, instance="Dnscache"),
    )


def rows(folder: str = "out/processes") -> Rows:
    found = [row for file in sorted(Path(folder).glob("day=*/*.parquet")) for row in pq.read_table(file).to_pylist()]
    return sorted(found, key=lambda row: (row["time"], row["pid"] or 0, row["type"] or "", row["object"] or ""))


def exported(found: Rows, *key: str) -> Lines:
    """As `tests.pushing.lines` gives them."""
    told: Lines = {}
    for row in found:
        of = tuple(rfc3339(to_us(row[name])) if name == "started_at" else row[name] for name in key)
        if row["highest"] is not None:
            last = -1 if row["handles"] is None else row["handles"]
            told.setdefault(of, {})[to_us(row["time"])] = (last, row["lowest"], row["highest"])
    return told


def test_files_say_what_the_server_says(database: Database, export: Export) -> None:
    """Blocks of a day and of an hour, and snapshots that are in none yet."""
    push(database, body(*[busy(minute) for minute in range(0, 2_000, 10)]))
    compacted(database)
    result = export()
    assert result.exit_code == 0, result.exception
    found = rows()
    totals = [row for row in found if row["type"] is None]
    typed = [row for row in found if row["type"] is not None and row["object"] is None]
    named = [row for row in found if row["object"] is not None]
    assert exported(totals, "program", "pid", "started_at") == lines(database, by="process")
    assert exported(typed, "type") == lines(database, by="type")
    assert exported(named, "type", "object") == lines(database, by="object")
    assert {row["handle_limit"] for row in totals} == {1_024, None}
    assert {row["step_s"] for row in found} == {0}
    assert sum(row["handles"] is None for row in totals) == 40
    assert f"{len(found):,} rows of 1 host in 2 files" in result.stdout


def test_values_are_those_of_the_api(served: Served, export: Export) -> None:
    served.relay.push(body(*[busy(minute) for minute in range(0, 60, 10)]))
    assert export("--programs").exit_code == 0
    answer = served.reader.get(f"/api/v1/hosts/web-01/series?by=program&from={when(0)}&to={when(60)}")
    told = answer.json()
    programs = {line["key"]["program"]: dict(zip(told["times"], line["last"], strict=True)) for line in told["series"]}
    found = exported(rows("out/programs"), "program")
    assert {key[0]: {rfc3339(time): last for time, (last, _, _) in of.items()} for key, of in found.items()} == programs


def test_coarser_steps_keep_the_extremes(database: Database, export: Export) -> None:
    push(database, body(*[busy(minute) for minute in range(0, 2_000, 3)]))
    compacted(database, retention=OLD)
    assert export().exit_code == 0
    assert export("--programs").exit_code == 0
    totals = [row for row in rows() if row["type"] is None]
    assert exported(totals, "program", "pid", "started_at") == lines(database, by="process")
    assert exported(rows("out/programs"), "program") == lines(database, by="program")
    assert {row["step_s"] for row in totals} == {0, 600}


def test_a_second_run_writes_only_what_is_new(database: Database, export: Export) -> None:
    push(database, body(*[busy(minute) for minute in range(0, 2_000, 10)]))
    export()
    compacted(database)
    assert "2 files were there already and stay" in export().stdout
    push(database, body(busy(2_010)))
    assert "in 1 file " in export().stdout
    assert max(to_us(row["time"]) for row in rows()) == to_us(START + timedelta(minutes=2_010))


def test_a_finer_file_outlives_its_history(database: Database, export: Export) -> None:
    push(database, body(*[busy(minute) for minute in range(0, 3_000, 10)]))
    export()
    days = {row["time"].date() for row in rows()}
    assert len(days) == 3
    before = rows()
    compacted(database, retention=OLD)
    export()
    after = rows()
    assert [row for row in after if row["time"].date() < max(days)] == [
        row for row in before if row["time"].date() < max(days)
    ]


def test_half_a_day_does_not_stand_for_all_of_it(database: Database, export: Export) -> None:
    push(database, body(*[busy(minute) for minute in range(0, 500, 10)]))
    export()
    push(database, body(*[busy(minute) for minute in range(500, 3_000, 10)]))
    compacted(database, retention=OLD)
    export()
    totals = [row for row in rows() if row["type"] is None]
    assert exported(totals, "program", "pid", "started_at") == lines(database, by="process")


def test_a_period_is_cut_to_the_instant(database: Database, export: Export) -> None:
    push(database, body(*[busy(minute) for minute in range(0, 100, 10)]))
    assert export("--from", "2025-06-02T00:20:00Z", "--to", "2025-06-02T00:50:00Z").exit_code == 0
    assert {rfc3339(to_us(row["time"])) for row in rows()} == {when(minute) for minute in (20, 30, 40)}


def test_hosts_are_chosen_by_name_and_label(database: Database, export: Export) -> None:
    for name, site in (("Web-01", "seoul"), ("web-02", "busan"), ("db-01", "seoul")):
        push(database, body(busy(1), host=name, about={"labels": {"site": site}}))
    export("--label", "site:seoul")
    assert {row["host"] for row in rows()} == {"Web-01", "db-01"}
    assert "1 host in 1 file" in export("--host", "WEB-02").stdout
    assert {row["host"] for row in rows()} == {"Web-01", "web-02", "db-01"}


@pytest.mark.parametrize("name", ["../../etc/x", "a/b", "...", "host=x", "é\n", "x" * 1_000, "CON"])
def test_no_name_of_a_host_leads_out_of_the_folder(
    database: Database, export: Export, tmp_path: Path, name: str
) -> None:
    push(database, body(busy(1), host=name))
    assert export().exit_code == 0
    assert {row["host"] for row in rows()} == {name}
    assert [file.parent for file in tmp_path.rglob("*.parquet")] == [tmp_path / "out/processes/day=2025-06-02"]


def test_only_whole_files_are_there_when_an_export_is_stopped(
    database: Database, export: Export, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    push(database, body(*[busy(minute) for minute in range(0, 2_000, 10)]))
    whole = files.write
    written: list[Path] = []

    def stopped(file: Path, *rest: Any) -> tuple[int, int]:
        if written:
            raise KeyboardInterrupt
        written.append(file)
        return whole(file, *rest)

    monkeypatch.setattr(files, "write", stopped)
    assert "run it again to go on" in str(export().exception)
    left = written[0].parent / "half.partial"
    left.write_text("PAR1")
    monkeypatch.setattr(files, "write", whole)
    assert "1 file was there already and stays" in export().stdout
    assert not left.exists()
    assert {row["time"].day for row in rows()} == {2, 3}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "yesterday"), "--from yesterday is no time"),
        (("--from", "2025-06-03", "--to", "2025-06-02"), "does not lie before"),
        (("--label", "seoul"), "write key:value"),
        (("--host", "nobody"), "No such host: nobody"),
    ],
)
def test_what_can_not_be_exported_is_said(database: Database, export: Export, arguments: list[str], said: str) -> None:
    result = export(*arguments)
    assert result.exit_code == 1
    assert said in str(result.exception)


def test_two_exports_into_one_folder_are_refused(database: Database, export: Export, tmp_path: Path) -> None:
    push(database, body(busy(1)))
    with files.held(tmp_path / "out"):
        assert "another export writes to" in str(export().exception)


def test_no_history_is_no_error(database: Database, export: Export) -> None:
    assert "no history" in export().stdout


def test_what_is_missing_is_named(database: Database, export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_export, "find_spec", lambda _name: None)
    assert "pip install 'handlewatch[parquet]'" in str(export().exception)


def test_a_database_that_is_not_there_is_not_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database: Database, export: Export
) -> None:
    monkeypatch.setenv("HANDLEWATCH_DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    assert "there is no database at" in str(export().exception)
    assert not (tmp_path / "none.db").exists()
    monkeypatch.setenv("HANDLEWATCH_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert "can't be used" in str(export().exception)
