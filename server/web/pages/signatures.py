"""`/signatures` and `/signatures/{id}`: the catalogue, and the machines that show one."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from server.access.principals import Principal
from server.analysis.catalogue import Signature, System
from server.analysis.facts import Item
from server.analysis.signatures import LEVELS, Match
from server.store import fleet, showing
from server.store.database import Database
from server.web import guard, queries, views, views_signatures
from server.web.api.signatures import literal, require_signature, showing_page
from server.web.pages import shell as shells

router = APIRouter(include_in_schema=False)

PAGE = 200


@router.get("/signatures")
def catalogue_page(request: Request, principal: Annotated[Principal, Depends(guard.reader)]) -> Response:
    catalogue: Mapping[str, Signature] = request.app.state.catalogue
    database: Database = request.app.state.database
    with database.read() as connection:
        counts = showing.level_counts(connection)
        simulated = fleet.has_simulated(connection)
    rows = [
        views_signatures.CatalogueRow(signature=facts(one), counts=_counts(counts.get(one.id, {})))
        for one in catalogue.values()
    ]
    rows.sort(key=lambda row: (-row.counts.leaking, -row.counts.present, -row.counts.exposed, row.signature.title))
    shell = shells.shell(request, principal, nav="signatures", simulated=simulated)
    return shells.answer(request, views_signatures.SignaturesView(shell=shell, rows=tuple(rows)))


@router.get("/signatures/{signature_id}")
def signature_page(
    request: Request, signature_id: str, principal: Annotated[Principal, Depends(guard.reader)]
) -> Response:
    signature = require_signature(request, signature_id)
    query = views_signatures.SignatureQuery(
        **{
            name: queries.plain(request.query_params.get(name), name)
            for name in views_signatures.SignatureQuery.__slots__
        }
    )
    page = showing_page(
        request, signature_id, level=query.level, sort=query.sort, limit=PAGE, cursor=query.cursor or None
    )
    database: Database = request.app.state.database
    with database.read() as connection:
        counts = showing.level_counts(connection)
        simulated = fleet.has_simulated(connection)
    now_us = guard.now_us()
    view = views_signatures.SignatureView(
        shell=shells.shell(request, principal, nav="signatures", simulated=simulated),
        query=query,
        signature=facts(signature),
        counts=_counts(counts.get(signature.id, {})),
        rows=tuple(_row(row, now_us) for row in page.rows),
        total=page.total,
        next_cursor=page.next,
    )
    return shells.answer(request, view)


def _row(row: Any, now_us: int) -> views_signatures.SignatureHost:
    match = msgspec.convert(row.detail, Match)
    return views_signatures.SignatureHost(
        host=row.name,
        os=shells.os_view(row),
        level=match.level,
        simulated=shells.is_simulated(row.labels),
        silent=fleet.is_silent(row, now_us),
        program=match.program,
        pid=match.pid,
        handles=match.handles,
        distinct=match.distinct,
        estimated=match.estimated,
        rate_per_hour=match.rate_per_hour,
        first_seen_at=shells.moment(match.first_seen_us),
        last_seen_at=shells.moment(match.last_seen_us),
        applies_to=shells.on_list(match.applies_to, row),
        software=None if match.software is None else _software(match.software, match.evidence),
        changed=match.changed,
    )


def _software(item: Item, evidence: str | None) -> views.Software:
    kind: Any = evidence if evidence in ("service", "driver") else "software"
    return views.Software(name=item.name, vendor=item.vendor, version=item.version, kind=kind)


def _counts(counts: Mapping[str, int]) -> views_signatures.LevelCounts:
    return views_signatures.LevelCounts(**{level: counts.get(level, 0) for level in LEVELS})


def facts(signature: Signature) -> views_signatures.SignatureFacts:
    """A signature for people."""
    said = signature.said
    programs = said.match.programs
    return views_signatures.SignatureFacts(
        id=said.id,
        title=f"{said.short_name} ({said.references[0].id})" if said.references else said.short_name,
        summary=said.summary or said.title,
        applies_to=tuple(text for system in said.applies_to for text in _systems(system)),
        programs=programs.names if programs else (),
        programs_required=programs is not None and programs.mode == "condition",
        type=said.match.type,
        object=literal(said.match.object),
        least=said.match.least_count,
        software=_required(signature),
        cause=said.cause,
        resolution=said.resolution,
        next_steps=said.next_steps,
        unknowns=said.unknowns,
        notes=said.notes or "",
        references=tuple(
            views_signatures.Reference(text=": ".join(part for part in (one.id, one.title) if part), href=one.url)
            for one in said.references
        ),
    )


def _systems(system: System) -> list[str]:
    name = " ".join(part for part in (system.name or system.family, system.version) if part)
    if system.service_packs is None:
        return [name]
    return [name if pack is None else f"{name} SP{pack}" for pack in system.service_packs]


def _required(signature: Signature) -> str | None:
    if signature.said.software is None:
        return None
    return (
        f"{signature.said.short_name}, any version"
        if not any(product.version for product in signature.said.software.any)
        else ", ".join(
            f"{signature.said.short_name} {product.version or ''}" for product in signature.said.software.any
        )
    )
