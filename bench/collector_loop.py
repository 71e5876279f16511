"""The collector's loop with a clock that is told, for many readings in little time: `URL READINGS`, a result as JSON.

Without a URL readings are taken and not pushed.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from collector.config import Settings
from collector.sender import Http, Sender
from collector.service import Service
from collector.sources import SourceOptions, choose
from collector.spool import Spool
from collector.state import StateDirectory

MINUTE = 60.0
SETTLED = 100


class Loop:
    """All parts as `run` puts them together. A reading is a minute after the one before."""

    def __init__(self, folder: Path, url: str) -> None:
        self.now = float(int(time.time()))
        self.types_ms = 0.0
        settings = Settings(state=folder, host_name="bench", labels={}, root=Path("/"), server=url, token="t")
        state = StateDirectory(folder)
        self.source = choose(SourceOptions(state=folder))
        self.spool = Spool(folder, most_bytes=64 << 20)
        http = Http(url or "http://127.0.0.1:1")
        self.pushes = bool(url)
        self.service = Service(
            settings,
            source=self.source,
            spool=self.spool,
            state=state,
            connect=lambda envelope: self._connect(http, state, url, envelope),
            clock=lambda: self.now,
            steady=lambda: self.now,
        )

    def _connect(self, http: Http, state: StateDirectory, url: str, envelope: Any) -> Sender:
        self.sender = Sender(http, self.spool, state, server=url, token="t", host="bench", envelope=envelope)
        return self.sender

    def once(self) -> None:
        self.now += self.service.until_next()
        self.service.read()
        self.types_ms += self.service.envelope()["collector"]["cost"]["types_ms"]
        for _ in range(4):
            if not self.pushes or self.sender.step().wait_s is None:
                return

    def cost(self) -> Any:
        return self.service.envelope()["collector"]["cost"]


def main(url: str, readings: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        loop = Loop(Path(folder), url)
        each: list[float] = []
        told: dict[str, Any] = {}
        for number in range(readings):
            begun = time.process_time()
            loop.once()
            each.append(time.process_time() - begun)
            if number == min(SETTLED, readings - 1):
                told |= {"handles_first": loop.cost()["handles"], "rss_first": loop.cost()["rss_mb"]}
        last = loop.source.read(now=loop.now)
        return told | {
            "handles_last": loop.cost()["handles"],
            "rss_last": loop.cost()["rss_mb"],
            "cpu_ms": 1000 * sum(each) / readings,
            "types_ms": loop.types_ms / readings,
            "each_cpu_s": each[:10],
            "processes": len(last.processes),
            "handles": sum(process.handles or 0 for process in last.processes),
        }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
