"""What a recorded program has at hand: files, sockets and threads to hold, a clock of short days, and a ledger in which
it notes what it really lost, so that the truth about it is known."""

import ctypes
import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

DAY_S = 576.0  # a day of theirs: slowed down 150 times it is one of ours
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Stage:
    """Of one program, and of the processes in which it lives. `begun`: when the recording began, `ends`: when it will
    end (seconds since the epoch)."""

    name: str
    folder: Path
    ledger: int  # open for appending: at its limit a program could not open it
    begun: float
    ends: float
    rng: Random
    held: list[object] = field(default_factory=list)

    @property
    def length(self) -> float:
        return self.ends - self.begun

    @property
    def day(self) -> float:
        """Days since the recording began."""
        return (time.time() - self.begun) / DAY_S

    def pause(self, seconds: float) -> None:
        time.sleep(seconds * self.rng.uniform(0.8, 1.2))

    def note(self, word: str, count: int = 0) -> None:
        """In the ledger: `lost` so many, `back` so many, `cured`, or at the `limit`."""
        os.write(self.ledger, f"{time.time():.3f} {word} {count}\n".encode())

    def file(self) -> int:
        return os.open(self.folder / f"f{self.rng.randrange(50)}", os.O_RDWR | os.O_CREAT, 0o600)

    def fill(self, count: int) -> None:
        """An honest base of so many files, sockets and pipes."""
        for index in range(count):
            if index % 4 == 3:
                self.held.append(socket.socket())
            elif index % 4 == 2:
                self.held += os.pipe()
            else:
                self.held.append(self.file())

    def limit(self, most: int) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def child(self, play: Callable[["Stage"], None], name: str | None = None) -> int:
        """A process that plays this part and ends; its pid. It ends with its parent, too."""
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:
                own = replace(self, name=name or self.name, rng=Random(self.rng.random()), held=[])
                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, signal.SIG_DFL)
                Path("/proc/self/comm").write_text(own.name)
                play(own)
                code = 0
        except Exception:  # noqa: BLE001 - the outermost frame of a program: none of it may go on as its parent
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
