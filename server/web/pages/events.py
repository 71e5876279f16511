"""The part of a host's page that says what happened on it."""

from typing import Any

from sqlalchemy import Connection

from server.analysis.instants import HOUR, MINUTE, from_us
from server.store.events import EventFilter, list_events
from server.web import views
from server.web.api.events import in_words
from server.web.pages import shell as shells
from server.web.render import url

SHOWN = 20


def host_events(connection: Connection, row: Any, now_us: int) -> views.Events:
    """The newest events of a host, and where all of them are."""
    wanted = EventFilter(host_id=row.host_id)
    found, rest = list_events(connection, wanted, limit=SHOWN, cursor=None, now_us=now_us)
    api = url("/api/v1/events", host=row.name, limit=500)
    return views.Events(
        rows=tuple(event_row(one, now_us) for one in found),
        more=rest is not None,
        json_url=api,
        csv_url=f"{api}&format=csv",
    )


def event_row(event: Any, now_us: int) -> views.EventRow:
    """An event, with the stretch of the chart that shows it and what was around it."""
    until_us = event.until_us
    if event.kind == "silence" and until_us is None:
        until_us = now_us
    lasted_us = (until_us or event.time_us) - event.time_us
    around_us = max(30 * MINUTE, min(lasted_us // 2, 24 * HOUR))
    return views.EventRow(
        time=from_us(event.time_us),
        kind=event.kind,
        text=in_words(event, now_us),
        key=event.key,
        until=shells.moment(event.until_us),
        from_=from_us(event.time_us - around_us),
        to=from_us(min(event.time_us + lasted_us + around_us, max(now_us, event.time_us + MINUTE))),
    )
