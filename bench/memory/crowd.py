"""What a large fleet sends, minute by minute: as many hosts as one likes, each under its own name and with its own
token, that do what a few simulated ones do. Bodies are put together from parts that are packed once, so that sending
costs little beside taking in."""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench.fleet import HostHistory, Shape, envelope, host, snapshot
from bench.ingest.ours import PATH
from bench.ingest.peers import Series
from bench.ingest.sending import Request

_JSON = ("Content-Type: application/json", "Content-Encoding: gzip")


@dataclass(frozen=True, slots=True)
class Crowd:
    """`shape.hosts` hosts, of which each does what one of `different` simulated ones does."""

    shape: Shape
    different: int

    def simulated(self) -> list[HostHistory]:
        return [host(self.shape, number) for number in range(min(self.different, self.shape.hosts))]

    def name(self, number: int) -> str:
        return f"crowd-{number:05d}"

    def names(self) -> list[str]:
        return [self.name(number) for number in range(self.shape.hosts)]

    def pushes(self, tokens: Sequence[str]) -> Iterator[list[Request]]:
        """A round for each minute, as collectors send them: one snapshot a request, gzipped JSON; what was late with
        those of a later minute, what was lost not at all."""
        simulated = self.simulated()
        heads = [_packed(_opening(simulated[0], self.name(number))) for number in range(self.shape.hosts)]
        for minute in range(self.shape.minutes + 1):
            due = [self._arriving(one, minute) for one in simulated]
            bodies = [
                [_packed(json.dumps(snapshot(one, at), separators=(",", ":")) + "]}") for at in columns]
                for one, columns in zip(simulated, due, strict=True)
            ]
            requests = []
            for number, head in enumerate(heads):
                told = (*_JSON, f"Authorization: Bearer {tokens[number]}")
                requests += [Request(number, PATH, head + body, told) for body in bodies[number % len(bodies)]]
            yield requests

    def texts(self) -> Iterator[list[Request]]:
        """The same samples as VictoriaMetrics takes them, a host a request."""
        simulated = self.simulated()
        series = [Series(one) for one in simulated]
        for minute in range(self.shape.minutes + 1):
            due = [self._arriving(one, minute) for one in simulated]
            texts = [one.text(columns) for one, columns in zip(series, due, strict=True)]
            requests = []
            for number in range(self.shape.hosts):
                of = number % len(simulated)
                if due[of]:
                    own = texts[of].replace(simulated[of].name.encode(), self.name(number).encode())
                    requests.append(Request(number, "/api/v1/import/prometheus", own, ("Content-Type: text/plain",)))
            yield requests

    def _arriving(self, one: HostHistory, minute: int) -> list[int]:
        """In the last round all that is left."""
        due = one.arrival >= minute if minute == self.shape.minutes else one.arrival == minute
        columns: list[int] = due.nonzero()[0].tolist()
        return columns


def _opening(one: HostHistory, name: str) -> str:
    return json.dumps(envelope(replace(one, name=name)), separators=(",", ":"))[:-1] + ',"snapshots":['


def _packed(text: str) -> bytes:
    """A member of a gzip stream; several, one after the other, are one text."""
    stream = zlib.compressobj(6, zlib.DEFLATED, 31)
    return stream.compress(text.encode()) + stream.flush()
