"""What is kept of a host's last judgement, so that the next snapshots can be told to change nothing; and recording that
they do not."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection, case, delete, null, select, update

from server.analysis.calm import Calm, Snapshot
from server.analysis.standing import Standing
from server.store.blocks import compress, decompress
from server.store.columns import unpack_columns, unpack_counts, unpack_part
from server.store.database import upsert
from server.store.tables import calm, host_state

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Calm)


def read_calm(connection: Connection, host_id: int) -> Calm | None:
    body = connection.scalar(select(calm.c.body).where(calm.c.host_id == host_id))
    return None if body is None else _decoder.decode(decompress(body))


def write_calm(connection: Connection, host_id: int, found: Calm | None) -> None:
    if found is None:
        connection.execute(delete(calm).where(calm.c.host_id == host_id))
        return
    body = compress(_encoder.encode(found))
    new = upsert(connection, calm).values(host_id=host_id, body=body)
    connection.execute(new.on_conflict_do_update(index_elements=["host_id"], set_={"body": body}))


def facts_of_state(state: Any, *catalogue: str) -> bytes:
    """Tells apart what verdicts depend on beside the history: what the host says of itself, and by which signatures."""
    said = (
        *(state.os_family, state.os_name, state.os_version, state.service_pack),
        *(state.inventory_us, state.skew_s, *catalogue),
    )
    return hashlib.blake2b(msgspec.msgpack.encode(said), digest_size=16).digest()


def snapshots_of(rows: Sequence[Any]) -> list[Snapshot]:
    """Of rows as `history.recent_rows` reads them."""
    return [_snapshot(row) for row in rows]


def _snapshot(row: Any) -> Snapshot:
    said = unpack_columns(row.body)
    return Snapshot(
        time_us=row.time_us,
        shown_us=row.shown_us,
        skew_s=row.skew_s,
        interval_s=said.interval_s,
        booted_us=said.booted_us,
        partial=said.partial,
        objects=bool(said.objects),
        listing=_mark(said.listing),
        layout=_mark(said.layout),
        counts=unpack_counts(unpack_part(said.handles)).astype(np.int64) - 1,
    )


def _mark(part: bytes) -> bytes:
    return hashlib.blake2b(part, digest_size=16).digest()


def record_calm(
    connection: Connection,
    host_id: int,
    found: Calm,
    standing: Standing,
    *,
    advice: Sequence[str],
    leaks: int,
) -> None:
    """Note a host as judged by what it holds now. To be called with the host held."""
    connection.execute(
        update(host_state)
        .where(host_state.c.host_id == host_id)
        .values(
            worst_program=standing.worst_program,
            worst_handles=standing.worst_handles,
            sparkline=standing.sparkline,
            leaks=leaks,
            advice=list(advice),
            cadence_s=None,
            judged_seq=found.judged_seq,
            dirty_us=case((host_state.c.pushed_seq == found.judged_seq, null()), else_=host_state.c.dirty_us),
        )
    )
    write_calm(connection, host_id, found)
