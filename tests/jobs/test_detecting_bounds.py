"""A host whose processes come and go is judged in stretches that fit in memory, and told the same."""

import pytest

from server.jobs import detecting
from server.store.database import Database
from tests.jobs.test_any_order import forget_all
from tests.jobs.test_leaks_any_order import ALL, FAR, outcome, sent
from tests.pushing import push


def test_short_stretches_tell_the_same(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    push(database, sent(ALL), now=FAR)
    whole = outcome(database)
    forget_all(database)
    monkeypatch.setattr(detecting, "MANY_CELLS", 10)
    push(database, sent(ALL), now=FAR)
    (one, *_) = short = outcome(database)
    assert short == [leak | {"host_id": one["host_id"]} for leak in whole]


def test_of_too_much_some_snapshots_are_looked_at(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detecting, "MANY_CELLS", 10)
    monkeypatch.setattr(detecting, "MOST_CELLS", 30)
    push(database, sent(ALL), now=FAR)
    assert {leak["program"] for leak in outcome(database)} >= {"steady", "racing"}
