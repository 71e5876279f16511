"""A leak as a row of a table or the head of its page."""

from collections.abc import Mapping, Sequence
from typing import Any

from server.analysis.catalogue import Signature
from server.analysis.instants import from_us
from server.store import fleet
from server.store.leaks import leak_id
from server.web import views_leaks
from server.web.pages import shell as shells


def leak_row(
    row: Any, named: Sequence[tuple[str, str]], catalogue: Mapping[str, Signature], *, now_us: int
) -> views_leaks.LeakRow:
    """`row`: as the store lists leaks; `named`: the signatures that name it, with their levels."""
    is_open = row.state == "leaking"
    fullest = row.fullest

    def left(moment_us: int | None) -> float | None:
        return shells.seconds_to(moment_us, now_us) if is_open else None

    return views_leaks.LeakRow(
        id=leak_id(row),
        host=row.name,
        program=row.program,
        type=row.type,
        object=row.object,
        state=row.state,
        phase=row.phase,
        triage=row.triage_now,
        started_at=from_us(row.started_us),
        rate_per_hour=row.rate_per_hour,
        rate_low=row.rate_low,
        rate_high=row.rate_high,
        last_seen_at=from_us(row.last_seen_us),
        handles=row.handles,
        limit=row.limit,
        fullest=None if fullest is None or not is_open else fullest["handles"],
        fullest_pid=None if fullest is None or not is_open else fullest["pid"],
        left_s=left(row.exhausted_us),
        left_low_s=left(row.exhausted_from_us),
        left_high_s=left(row.exhausted_to_us),
        resolved_at=None if is_open else shells.moment(row.resolved_us),
        muted_until=shells.moment(row.muted_until_us),
        muted_rate=row.muted_rate,
        assignee=row.assignee,
        note=row.note,
        causes=tuple(shells.badge(catalogue, signature, level) for signature, level in named),
        simulated=shells.is_simulated(row.labels),
        silent=fleet.is_silent(row, now_us),
    )
