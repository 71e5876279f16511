"""The HTTP server of one process, which rests while nobody asks it for anything."""

import asyncio
import gc
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

_TICK_S = 1.0  # the date that answers carry is that of the last one
_TICKS = 10  # of uvicorn's own, which are so many a second, to find out whether it is to end


class Listener(uvicorn.Server):
    """As uvicorn's, but woken by the signal to end rather than looking for it ten times a second."""

    _loop: asyncio.AbstractEventLoop | None = None
    _ending: asyncio.Event

    async def main_loop(self) -> None:
        self._ending, self._loop = asyncio.Event(), asyncio.get_running_loop()
        ticks = 0
        while not await self.on_tick(ticks):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _TICK_S)
            ticks += _TICKS

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)


def listen(app: Any, **options: Any) -> None:
    """Serve until a signal ends it, as `uvicorn.run` does; exits with 3 where it could not start."""
    server = Listener(uvicorn.Config(app, **options))
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(3)


def calmed(app: FastAPI) -> FastAPI:
    """With Python's search for garbage told to leave alone what is there for good, and to come less often: a push makes
    hundreds of objects, of which none outlives it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    return app
