"""Sends what a crowd sends, in a process of its own."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from multiprocessing.sharedctypes import Synchronized

from bench.ingest.sending import Request, send_all
from bench.memory.crowd import Crowd


def send(crowd: Crowd, port: int, tokens: Sequence[str], minute: "Synchronized[int]", least_s: float) -> None:
    """In a process of its own. `least_s`: how long a minute lasts at least."""

    def told(rounds: Iterator[list[Request]]) -> Iterator[list[Request]]:
        began = time.monotonic()
        for at, requests in enumerate(rounds):
            minute.value = at
            time.sleep(max(0.0, began + at * least_s - time.monotonic()))
            yield requests
        minute.value = crowd.shape.minutes + 1

    send_all(port, told(crowd.pushes(tokens) if tokens else crowd.texts()))


class Sender:
    """Sends in the background; `minute` is how far it is."""

    def __init__(self, crowd: Crowd, port: int, tokens: Sequence[str], least_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._minute = context.Value("i", 0)
        self._process = context.Process(target=send, args=(crowd, port, tokens, self._minute, least_s))
        self._process.start()

    @property
    def minute(self) -> int:
        found: int = self._minute.value
        return found

    def is_done(self) -> bool:
        if self._process.is_alive():
            return False
        if self._process.exitcode:
            raise SystemExit("not all could be sent")
        return True

    def close(self) -> None:
        self._process.kill()
        self._process.join()
