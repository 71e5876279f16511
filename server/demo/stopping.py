"""How the demo is asked to end: by Ctrl-C, by a service manager, by a terminal that closes."""

import contextlib
import signal
from collections.abc import Iterator
from queue import Empty, SimpleQueue

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stop:
    """Asked once, it stays asked. May be asked from a signal handler: a queue of this kind, unlike an event, can't
    lock up when the handler runs while the same thread waits for it."""

    def __init__(self) -> None:
        self.asked = False
        self._woken: SimpleQueue[None] = SimpleQueue()

    def ask(self, *_signal: object) -> None:
        self.asked = True
        self._woken.put(None)

    def wait(self, seconds: float) -> bool:
        """Whether it was asked, after at most so long."""
        if not self.asked and seconds > 0:
            with contextlib.suppress(Empty):
                self._woken.get(timeout=seconds)
        return self.asked


@contextlib.contextmanager
def on_signals() -> Iterator[Stop]:
    """A Stop that the usual signals ask. After the block they do nothing: one Ctrl-C too many must not disturb the end
    of the process."""
    stop = Stop()
    for number in SIGNALS:
        signal.signal(number, stop.ask)
    try:
        yield stop
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
