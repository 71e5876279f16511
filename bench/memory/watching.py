"""What a server holds and uses while it is at work, and how far behind it is."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import func, select

from bench.ingest.processes import cpu_s
from server.jobs.compaction import PACK_EVERY
from server.store.database import Database
from server.store.tables import host_state


def resident_mb(pid: int) -> float:
    """VmRSS, files that are mapped included."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


@dataclass(frozen=True, slots=True)
class Moment:
    """`unjudged`, `unpacked`: hosts that are due. `pages_ms`: how long each page took to come."""

    at_s: float
    minute: int
    resident_mb: float
    cpu_s: float
    unjudged: int = 0
    unpacked: int = 0
    pages_ms: dict[str, float] = field(default_factory=dict)


class Watch:
    """Looks at a server of ours; asks it for its pages as somebody who looks at them now and then does."""

    def __init__(self, pid: int, port: int, database: Database, token: str, pages: list[str]) -> None:
        self._pid = pid
        self._database = database
        self._pages = pages
        head = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=head, timeout=120)
        self._began = time.monotonic()
        self._cpu_s = cpu_s(pid)

    def look(self, minute: int, *, pages: bool) -> Moment:
        pages_ms = {}
        for page in self._pages if pages and minute else ():
            began = time.perf_counter()
            answer = self._client.get(page)
            pages_ms[page] = 1000 * (time.perf_counter() - began)
            if answer.status_code != 200:
                raise SystemExit(f"{page}: {answer.status_code} {answer.text[:300]}")
        with self._database.read() as connection:
            count = select(func.count()).select_from(host_state)
            unjudged = connection.scalar(count.where(host_state.c.pushed_seq > host_state.c.judged_seq))
            due = host_state.c.recent_us <= host_state.c.shown_us - PACK_EVERY
            unpacked = connection.scalar(count.where(due))
        return Moment(
            at_s=time.monotonic() - self._began,
            minute=minute,
            resident_mb=resident_mb(self._pid),
            cpu_s=cpu_s(self._pid) - self._cpu_s,
            unjudged=unjudged or 0,
            unpacked=unpacked or 0,
            pages_ms=pages_ms,
        )

    def crowd(self, people: int) -> float:
        """Seconds until as many people as this, all at once, have looked at every page."""

        def look(_: int) -> None:
            for page in self._pages:
                self._client.get(page).raise_for_status()

        began = time.monotonic()
        with ThreadPoolExecutor(people) as together:
            list(together.map(look, range(people)))
        return time.monotonic() - began

    def close(self) -> None:
        self._client.close()
