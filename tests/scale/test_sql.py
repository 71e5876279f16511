"""What the product asks of PostgreSQL can be asked of a cluster that is sharded by host: each statement is of one host,
or is a plain reading of all, of which there are few, each for a reason."""

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import iter_route_contexts
from sqlglot import exp
from typer.testing import CliRunner

from server.cli import app
from server.store.tables import PER_HOST, metadata
from tests.conftest import Clock, NewDatabase
from tests.scale.driving import Driver
from tests.scale.statements import (
    COPIED,
    Issued,
    goes_to_one_shard,
    is_of_hosts,
    names_its_hosts,
    parsed,
    recording,
    refusals,
    tables_of,
)
from tests.serving import serving

# Who reads many hosts at once, and why. Each is one plain reading, which every shard answers by itself.
ACROSS = {
    "attention.near_limits": "the fleet page: programs near their limit, on any host",
    "attention.worst_leaks": "the fleet page: the worst leaks of all",
    "events._lasting": "a list of what happened on all hosts: those that are silent",
    "events.list_events": "a list of what happened on all hosts",
    "fleet._mentioning": "the list of hosts, narrowed to what labels mention",
    "fleet.fleet_counts": "how many hosts there are, report, and show a signature",
    "fleet.has_simulated": "each page says whether any host is simulated",
    "fleet.label_choices": "what the fleet page offers to narrow by",
    "fleet.list_hosts": "the list of hosts",
    "fleet.os_choices": "what the fleet page offers to narrow by",
    "fleet.silent_hosts": "the fleet page: the hosts that fell silent last",
    "growing.fastest_programs": "the programs of all hosts that grew fastest",
    "judgements.count_unjudged": "the status: how many hosts wait to be judged",
    "judgements.hosts_to_compact": "the background worker: which hosts have anything to pack; each is then claimed",
    "judgements.unjudged_hosts": "the background worker: which hosts wait to be judged; each is then claimed",
    "leak_bulk.matching_leaks": "the leaks of a list that is changed as a whole; each is then changed on its host",
    "leak_counts.choices": "what the leaks page offers to narrow by",
    "leak_counts.judged": "the leaks page: up to when all hosts are judged",
    "leak_counts.leaking_names": "what forms suggest",
    "leak_counts.open_leaks": "how many leaks are open",
    "leak_groups.count_groups": "leaks of one kind across hosts",
    "leak_groups.leak_groups": "leaks of one kind across hosts",
    "leak_signatures.signatures_of_groups": "leaks of one kind across hosts",
    "leak_undo.steps_of": "what a person did at a time, on any host",
    "leaks.count_leaks": "the list of leaks",
    "leaks.list_leaks": "the list of leaks",
    "leaks.related_to": "a leak's page: how many like it there are elsewhere",
    "sensitivities._hide_and_show": "a setting for programs of any host was changed",
    "sensitivities.hidden_by": "how many leaks each setting hides",
    "showing.level_counts": "how many hosts show each signature",
    "showing.list_showing": "the hosts that show a signature",
    "showing.worst_showing": "the fleet page: hosts that show a signature, leaking",
}
NOT_ASKED = {"/api/v1/snapshots", "/static"}  # by path: asked with other words in them, or not at all


@pytest.fixture(scope="module")
def driven(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Driver, list[Issued]]]:
    folder = tmp_path_factory.mktemp("driven")
    with new_database("postgresql", folder) as url, pytest.MonkeyPatch.context() as patch, recording() as record:
        clock = Clock()
        patch.setattr("server.web.guard.now_us", clock)
        with serving(url, folder) as served:
            driver = Driver(served, clock)
            driver.everything()
            patch.setattr("server.store.fleet._FEW", 0)  # as with many hosts
            assert served.reader.get("/api/v1/hosts?search=busan").json()["items"]
            patch.setenv("HANDLEWATCH_DATABASE_URL", url)
            done = CliRunner().invoke(app, ["export", "--parquet", str(folder / "out"), "--label", "site:busan"])
            assert done.exit_code == 0, done.output
            assert list((folder / "out").rglob("*.parquet"))
        yield driver, sorted(record.issued)


@pytest.fixture(scope="module")
def issued(driven: tuple[Driver, list[Issued]]) -> list[Issued]:
    """What was said of hosts."""
    return [
        one
        for one in driven[1]
        if re.match("SELECT|INSERT|UPDATE|DELETE|WITH", one.sql) and is_of_hosts(parsed(one.sql))
    ]


def test_each_statement_is_of_one_host_or_reads_many_for_a_reason(issued: list[Issued]) -> None:
    asked = [(one, parsed(one.sql)) for one in issued]
    across = {one.by for one, tree in asked if not (goes_to_one_shard(tree) or names_its_hosts(tree))}
    assert across == set(ACROSS)


def test_nothing_that_reads_many_hosts_would_be_refused(issued: list[Issued]) -> None:
    wrong = [
        f"{one.by} {', '.join(found)}: {one.sql}"
        for one in issued
        if not goes_to_one_shard(parsed(one.sql)) and (found := refusals(parsed(one.sql)))
    ]
    assert wrong == []


def test_what_is_changed_or_held_is_of_one_host(issued: list[Issued]) -> None:
    changing = [tree for one in issued if not isinstance(tree := parsed(one.sql), exp.Select) or tree.find(exp.Lock)]
    assert len(changing) > 30
    assert [tree.sql() for tree in changing if not goes_to_one_shard(tree)] == []


def test_nobody_holds_what_each_node_has_a_copy_of(driven: tuple[Driver, list[Issued]]) -> None:
    locking = [one.sql for one in driven[1] if re.search(r"\bFOR (UPDATE|SHARE|NO KEY|KEY)\b", one.sql)]
    assert locking
    assert [sql for sql in locking if tables_of(parsed(sql)) & set(COPIED)] == []


def test_what_is_kept_per_host_is_unique_per_host() -> None:
    for table in PER_HOST:
        assert next(iter(table.primary_key)).name == "host_id"
        assert [index.name for index in table.indexes if index.unique] == []
        assert not table.foreign_keys
    assert not any(metadata.tables[name].foreign_keys for name in COPIED)


def test_everything_that_the_product_answers_was_asked(driven: tuple[Driver, list[Issued]]) -> None:
    driver = driven[0]
    missing = []
    for route in iter_route_contexts(driver.served.app.routes):
        shape = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", route.path or ""))
        for method in (route.methods or set()) - {"HEAD"}:
            if route.path not in NOT_ASKED and not any(
                verb == method and shape.fullmatch(path) for verb, path in driver.visited
            ):
                missing.append(f"{method} {route.path}")
    assert missing == []


def test_all_that_is_kept_per_host_was_written_and_read(issued: list[Issued]) -> None:
    for kind in (exp.Select, exp.Insert, exp.Delete):
        touched = set().union(*(tables_of(tree) for one in issued if isinstance(tree := parsed(one.sql), kind)))
        assert {table.name for table in PER_HOST} - touched == set(), kind


OF_HOSTS = "SELECT host_state.host_id FROM host_state"


@pytest.mark.parametrize(
    ("sql", "refused"),
    [
        (f"{OF_HOSTS} WHERE host_state.leaks > :x", []),
        (f"{OF_HOSTS} FOR UPDATE", ["locks rows of several shards"]),
        ("UPDATE host_state SET leaks = :x", ["changes rows of several shards"]),
        ("DELETE FROM events WHERE events.host_id IN (:a, :b)", ["changes rows of several shards"]),
        (f"{OF_HOSTS} UNION {OF_HOSTS}", ["changes rows of several shards"]),
        (f"{OF_HOSTS} WHERE host_state.shown_us < now()", ["calls CURRENT_TIMESTAMP()"]),
        (f"{OF_HOSTS} JOIN leaks ON leaks.host_id = host_state.host_id", []),
        (
            f"{OF_HOSTS} JOIN leaks ON leaks.leak_no = host_state.leaks",
            ["joins host_state, leaks otherwise than by host_id"],
        ),
        (f"{OF_HOSTS} LEFT JOIN hosts ON hosts.host_id = host_state.host_id", []),
        (
            "SELECT hosts.name FROM hosts LEFT JOIN host_state ON host_state.host_id = hosts.host_id",
            ["an outer join of host_state to what is not sharded"],
        ),
        (
            f"{OF_HOSTS} WHERE EXISTS (SELECT 1 FROM matches WHERE matches.host_id = host_state.host_id)",
            [],
        ),
        (
            f"{OF_HOSTS} JOIN hosts ON hosts.host_id = host_state.host_id"
            " WHERE EXISTS (SELECT 1 FROM matches WHERE matches.host_id = hosts.host_id)",
            ["asks of another table, host by host, otherwise than by host_id"],
        ),
        (
            f"{OF_HOSTS} WHERE (SELECT max(matches.pid) FROM matches WHERE matches.host_id = host_state.host_id) > :x",
            ["sums up another table, host by host"],
        ),
        (
            "SELECT (SELECT matches.pid FROM matches WHERE matches.host_id = host_state.host_id) FROM host_state",
            ["has a subquery outside of FROM and WHERE"],
        ),
        (
            "SELECT hosts.name FROM hosts WHERE hosts.host_id IN (SELECT leaks.host_id FROM leaks)",
            ["looks for what is not the host_id of a sharded table"],
        ),
        (f"{OF_HOSTS} WHERE host_state.host_id IN (SELECT leaks.host_id FROM leaks)", []),
        ("SELECT leaks.type, count(*) OVER () FROM leaks", ["has a window over several shards"]),
        ("SELECT count(DISTINCT leaks.type) FROM leaks", []),
        ("SELECT count(DISTINCT lower(leaks.type)) FROM leaks", ["counts what is distinct of an expression"]),
        (
            "SELECT count(DISTINCT leaks.type), count(DISTINCT leaks.program) FROM leaks",
            ["counts what is distinct of several columns"],
        ),
        (
            "SELECT count(*) FROM (SELECT DISTINCT leaks.type AS type FROM leaks) AS each_type",
            ["has a subquery in FROM that is not grouped by host_id"],
        ),
        (
            "WITH each_type AS MATERIALIZED (SELECT DISTINCT leaks.type FROM leaks) SELECT count(*) FROM each_type",
            [],
        ),
        (
            "WITH each_type AS (SELECT DISTINCT leaks.type AS t FROM leaks) SELECT count(*) FROM each_type",
            ["each_type is not materialized"],
        ),
    ],
)
def test_what_citus_refuses_is_found(sql: str, refused: list[str]) -> None:
    assert refusals(parsed(sql)) == refused


@pytest.mark.parametrize(
    ("sql", "routed"),
    [
        ("SELECT leaks.type FROM leaks WHERE leaks.host_id = :x", True),
        ("SELECT leaks.type FROM leaks WHERE leaks.host_id = :x OR leaks.leak_no = :y", False),
        ("SELECT leaks.type FROM leaks JOIN events ON events.host_id = leaks.host_id WHERE leaks.host_id = :x", True),
        ("SELECT leaks.type FROM leaks JOIN events ON events.key = leaks.type WHERE leaks.host_id = :x", False),
        ("SELECT leaks.type FROM leaks WHERE leaks.host_id = :x AND EXISTS (SELECT 1 FROM events)", False),
        ("INSERT INTO events (host_id, key) VALUES (:a, :b)", True),
        ("INSERT INTO events (key) VALUES (:b)", False),
        ("INSERT INTO events (host_id) SELECT leaks.host_id FROM leaks", False),
        ("DELETE FROM events WHERE events.key = :x", False),
    ],
)
def test_what_goes_to_one_shard_is_told(sql: str, routed: bool) -> None:
    assert goes_to_one_shard(parsed(sql)) is routed
