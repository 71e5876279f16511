"""Sends prepared requests over connections that are kept open, one request at a time on each."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CONNECTIONS = 50


@dataclass(frozen=True, slots=True)
class Request:
    """`sender` keeps its requests in order, on one connection."""

    sender: int
    path: str
    body: bytes
    headers: tuple[str, ...] = ()


def send_all(port: int, rounds: Iterable[Sequence[Request]], *, connections: int = CONNECTIONS) -> int:
    """Send the requests of a round at once, each sender on a connection of its own; rounds one after the other. How
    many were sent. Raises SystemExit for an answer that isn't 2xx."""
    return asyncio.run(_send_all(port, rounds, connections))


async def _send_all(port: int, rounds: Iterable[Sequence[Request]], connections: int) -> int:
    opened = [_Connection(port) for _ in range(connections)]
    sent = 0
    for requests in rounds:
        queues: list[list[Request]] = [[] for _ in opened]
        for request in requests:
            queues[request.sender % connections].append(request)
        await asyncio.gather(*(one.send(queue) for one, queue in zip(opened, queues, strict=True) if queue))
        sent += len(requests)
    for one in opened:
        one.close()
    return sent


class _Connection:
    """Opened anew where the server has closed it, as one does that was not used for a while."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, requests: Sequence[Request]) -> None:
        for request in requests:
            try:
                await self._send(request)
            except (asyncio.IncompleteReadError, ConnectionError):
                self.close()
                await self._send(request)

    async def _send(self, request: Request) -> None:
        if self._reader is None or self._writer is None or self._reader.at_eof():
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = (
            f"POST {request.path} HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            f"Content-Length: {len(request.body)}",
        )
        self._writer.write("\r\n".join((*head, *request.headers, "", "")).encode() + request.body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        status = answer.split(b" ", 2)[1]
        length = 0
        for line in answer.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        said = await self._reader.readexactly(length) if length else b""
        if not status.startswith(b"2"):
            raise SystemExit(f"{request.path}: {status.decode()} {said[:500].decode(errors='replace')}")

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
