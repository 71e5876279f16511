"""What is kept of a host's last judgement, so that the next snapshots can be told to change nothing; and recording that
they do not."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection, bindparam, case, delete, null, select, update

from server.analysis.calm import Calm, Snapshot
from server.analysis.standing import Standing
from server.store.blocks import compress, decompress
from server.store.columns import unpack_columns, unpack_counts, unpack_part
from server.store.database import upsert
from server.store.tables import calm, host_state


class _Names(msgspec.Struct):
    """Of a `columns.Listing`, what makes a program."""

    name: list[str]
    instance: list[str | None] | None = None


# made once: to make them costs as much as to run them
_OWN = calm.c.host_id == bindparam("of_host")
_READ = select(calm.c.body).where(_OWN)
_WRITE = update(calm).where(_OWN).values(body=bindparam("packed"))
_NOTE = (
    update(host_state)
    .where(host_state.c.host_id == bindparam("of_host"), host_state.c.judged_seq == bindparam("judged_before"))
    .values(
        worst_program=bindparam("worst"),
        worst_handles=bindparam("worst_held"),
        sparkline=bindparam("points"),
        leaks=bindparam("open"),
        advice=bindparam("advised"),
        cadence_s=null(),
        judged_seq=bindparam("judged"),
        dirty_us=case((host_state.c.pushed_seq == bindparam("judged"), null()), else_=host_state.c.dirty_us),
    )
)

_names_decoder = msgspec.json.Decoder(_Names)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Calm)


def read_calm(connection: Connection, host_id: int) -> Calm | None:
    body = connection.scalar(_READ, {"of_host": host_id})
    return None if body is None else _decoder.decode(decompress(body))


def write_calm(connection: Connection, host_id: int, found: Calm | None) -> None:
    if found is None:
        connection.execute(delete(calm).where(calm.c.host_id == host_id))
        return
    body = _packed(found)
    new = upsert(connection, calm).values(host_id=host_id, body=body)
    connection.execute(new.on_conflict_do_update(index_elements=["host_id"], set_={"body": body}))


def _packed(found: Calm) -> bytes:
    return compress(_encoder.encode(found))


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


def programs_of(row: Any) -> list[str]:
    """Of the processes of a snapshot, in its order."""
    said = _names_decoder.decode(unpack_part(unpack_columns(row.body).listing))
    if said.instance is None:
        return said.name
    pairs = zip(said.name, said.instance, strict=True)
    return [f"{name}[{instance}]" if instance else name for name, instance in pairs]


def record_calm(
    connection: Connection,
    host_id: int,
    found: Calm,
    standing: Standing,
    *,
    judged_before: int,
    advice: Sequence[str],
    leaks: int,
) -> bool:
    """Note a host as judged by what it holds now; False if it was forgotten meanwhile, or judged by somebody else."""
    said = {
        "of_host": host_id,
        "judged_before": judged_before,
        "worst": standing.worst_program,
        "worst_held": standing.worst_handles,
        "points": standing.sparkline,
        "open": leaks,
        "advised": list(advice),
        "judged": found.judged_seq,
    }
    if connection.execute(_NOTE, said).rowcount != 1:
        return False
    connection.execute(_WRITE, {"of_host": host_id, "packed": _packed(found)})
    return True
