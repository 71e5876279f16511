"""From the store's leaks and groups to what REST answers."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from server.analysis.evidence import Evidence, words
from server.analysis.instants import maybe_rfc3339, rfc3339
from server.analysis.leaking import Fullest
from server.store.leak_groups import group_id
from server.store.leaks import TRIAGES, LeakPage, leak_id, log_of
from server.web.api import schema
from server.web.api.bodies import levels


def leak_bodies(page: LeakPage) -> list[schema.LeakBody]:
    return [leak_body(row, page.signatures.get((row.host_id, row.leak_no), ())) for row in page.rows]


def leak_body(row: Any, signatures: Iterable[tuple[str, str]]) -> schema.LeakBody:
    return schema.LeakBody(**_fields(row, signatures))


def leak_detail(
    row: Any, signatures: Iterable[tuple[str, str]], *, actions: Sequence[Any], related: tuple[int, int]
) -> schema.LeakDetail:
    return schema.LeakDetail(
        **_fields(row, signatures),
        evidence=_evidence_body(row),
        log=[schema.LogEntry(rfc3339(one.at_us), one.kind, one.by, dict(one.changes)) for one in log_of(row, actions)],
        related=schema.RelatedBody(*related),
    )


def limit_of(row: Any) -> str | None:
    """Whose the limit of a leak is, as a LeakBody says."""
    if row.limit is None:
        return None
    return "system" if row.os_family == "windows" else "process"


def _fields(row: Any, signatures: Iterable[tuple[str, str]]) -> dict[str, Any]:
    leaking = row.state == "leaking"
    return {
        "id": leak_id(row),
        "host": row.name,
        "program": row.program,
        "type": row.type,
        "object": row.object,
        "state": row.state,
        "phase": row.phase,
        "triage": row.triage_now,
        "started_at": rfc3339(row.started_us),
        "started_range": (rfc3339(row.started_from_us), rfc3339(row.started_to_us)),
        "detected_at": rfc3339(row.detected_us),
        "at_limit_at": maybe_rfc3339(row.at_limit_us),
        "resolved_at": maybe_rfc3339(row.resolved_us),
        "resolved_by": row.closed_by,
        "last_seen_at": rfc3339(row.last_seen_us),
        "handles": row.handles,
        "rate_per_hour": _rate(row.rate_per_hour),
        "rate_low": _rate(row.rate_low),
        "rate_high": _rate(row.rate_high),
        "limit": row.limit,
        "limit_of": limit_of(row),
        "limit_process": _fullest_body(row) if leaking else None,
        "exhausted_at": maybe_rfc3339(row.exhausted_us) if leaking else None,
        "exhausted_range": _exhausted_range(row) if leaking else None,
        "signatures": levels(signatures),
        "assignee": row.assignee,
        "note": row.note,
        "muted_until": maybe_rfc3339(row.muted_until_us),
        "muted_above_rate_per_hour": row.muted_rate,
        "group": group_id(row),
    }


def _fullest_body(row: Any) -> schema.FullestBody | None:
    if row.fullest is None:
        return None
    one = msgspec.convert(row.fullest, Fullest)
    return schema.FullestBody(one.pid, maybe_rfc3339(one.started_us), one.handles, one.limit)


def _exhausted_range(row: Any) -> tuple[str, str | None] | None:
    if row.exhausted_from_us is None:
        return None
    return rfc3339(row.exhausted_from_us), maybe_rfc3339(row.exhausted_to_us)


def _rate(rate: float) -> float:
    """To so many figures, since a leak of one handle a month is one too."""
    return float(f"{rate:.6g}")


def _evidence_body(row: Any) -> schema.EvidenceBody:
    evidence = msgspec.convert(row.evidence, Evidence)
    process = None
    if evidence.process is not None:
        pid, started_us = evidence.process
        process = schema.LeakingProcess(pid, maybe_rfc3339(started_us))
    return schema.EvidenceBody(
        words=list(words(row, evidence)),
        kind=evidence.kind,
        counted=evidence.counted,
        pieces=[schema.PieceBody(rfc3339(one.from_us), rfc3339(one.to_us), one.low) for one in evidence.pieces],
        restarts=[rfc3339(moment) for moment in evidence.restarts],
        share=evidence.share,
        process=process,
    )


def group_body(row: Any, signatures: Iterable[tuple[str, str]]) -> schema.LeakGroupBody:
    return schema.LeakGroupBody(
        id=group_id(row),
        program=row.program,
        type=row.type,
        object=row.object,
        hosts=row.hosts,
        leaks=row.leaks,
        open=row.open,
        resolved=row.resolved,
        at_limit=row.at_limit,
        handles_lost=round(row.lost),
        handles=round(row.handles),
        rate_per_hour=_rate(row.rate_per_hour),
        first_seen_at=rfc3339(row.first_seen_us),
        first_detected_at=rfc3339(row.first_detected_us),
        last_detected_at=rfc3339(row.last_detected_us),
        exhausted_at=maybe_rfc3339(row.exhausted_us),
        triage={name: getattr(row, name) for name in TRIAGES},
        signatures=levels(signatures),
    )
