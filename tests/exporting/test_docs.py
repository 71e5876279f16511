"""The queries of docs/export.md work as they stand, in DuckDB, on files that the command wrote."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli import app
from server.exporting.columns import SCHEMA
from server.store.database import Database
from tests.pushing import body, process, push, snapshot

GUIDE = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)
# in a process of its own: what DuckDB says when its interpreter ends is no matter of these tests
RUN = "import duckdb, sys; print(duckdb.sql(sys.argv[1]).fetchall())"


def test_the_query_of_the_guide_finds_what_grows(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, by in (("leaky", 6), ("calm", 0)):
        told = [
            snapshot(minute, process("java", handles=50 + minute * by), process("sshd", pid=2, limit=1_024))
            for minute in range(120)
        ]
        push(database, body(*told, host=name))
    monkeypatch.setenv("HANDLEWATCH_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["export", "--parquet", "history", "--programs"]).exit_code == 0
    assert CliRunner().invoke(app, ["export", "--parquet", "history"]).exit_code == 0
    growing, *others = [_run(query) for query in QUERIES]
    assert growing.startswith("[('leaky', 'java', '360.0', '764')")
    assert others
    assert all(found != "[]" for found in others)


@pytest.mark.parametrize("name", SCHEMA.names)
def test_every_column_is_in_the_guide(name: str) -> None:
    assert f"| `{name}` |" in GUIDE


def _run(query: str) -> str:
    told = f"SELECT columns(*)::varchar FROM ({query.strip().rstrip(';')})"
    done = subprocess.run([sys.executable, "-c", RUN, told], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()
