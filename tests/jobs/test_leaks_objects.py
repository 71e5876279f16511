"""Which object a leak's handles name is told from looks, where there were any."""

from sqlalchemy import select

from server.store.database import Database
from server.store.tables import leaks
from tests.pushing import NT, Wire, body, hooked, judged, process, push, snapshot

HOUR = 60
DAYS = 6


def leaking(minute: int, *, looked: bool) -> Wire:
    sent = hooked(minute, 40 + minute // 10)
    (backup,) = sent["processes"]
    event = backup["objects"][0]["count"]
    backup["types"] = {"Event": event, "File": backup["handles"] - event}
    backup["objects"].append({"type": "Event", "name": "\\BaseNamedObjects\\still", "count": 30})
    if not looked:
        del backup["objects"]
    return sent


def object_of(database: Database) -> list[tuple[str, str | None, str | None]]:
    judged(database)
    with database.read() as connection:
        rows = connection.execute(select(leaks.c.program, leaks.c.type, leaks.c.object).where(leaks.c.standing)).all()
    return [(row.program, row.type, row.object) for row in rows]


def taken(database: Database, *, looked: bool) -> None:
    sent = [leaking(minute, looked=looked) for minute in range(0, DAYS * 1440, 20)]
    push(database, body(*sent, os=NT), now=DAYS * 1440 + 100.0)


def test_the_name_that_grows_is_named(database: Database) -> None:
    taken(database, looked=True)
    assert object_of(database) == [("ntbackup.exe", "Event", "\\BaseNamedObjects\\V3SOCKHOOK")]


def test_without_looks_none_is_named(database: Database) -> None:
    taken(database, looked=False)
    assert object_of(database) == [("ntbackup.exe", "Event", None)]


def test_a_name_stays_when_looking_ends(database: Database) -> None:
    taken(database, looked=True)
    assert object_of(database)[0][2] is not None
    later = [leaking(minute, looked=False) for minute in range(DAYS * 1440, DAYS * 1440 + 48 * HOUR, 20)]
    push(database, body(*later, os=NT), now=(DAYS + 2) * 1440 + 100.0)
    assert object_of(database)[0][2] is not None


def test_a_name_that_stands_still_is_not_it(database: Database) -> None:
    sent = []
    for minute in range(0, DAYS * 1440, 20):
        count = 40 + minute // 10
        objects = [{"type": "Event", "name": "still", "count": 30}]
        sent.append(snapshot(minute, process("app", handles=count, types={"Event": count}, objects=objects)))
    push(database, body(*sent), now=DAYS * 1440 + 100.0)
    assert object_of(database) == [("app", "Event", None)]
