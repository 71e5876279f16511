"""This machine's own collector, as a process beside the demo's server."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from server.demo.place import Place

INTERVAL_S = 10
LET_FINISH_S = 5.0


def machine_name() -> str:
    return socket.gethostname()


class MachineCollector:
    """The collector's process. What it says goes to a log of its own."""

    def __init__(self, place: Place, *, server: str, token: str) -> None:
        self.log: Path = place.collector_log
        self._told = False
        command = [sys.executable, "-P", "-m", "server.demo.tether", "collector", "run"]
        command += ["--server", server, "--state", str(place.collector_state)]
        command += ["--interval", str(INTERVAL_S), "--host-name", machine_name()]
        with self.log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_environment(token),
                start_new_session=True,  # Ctrl-C is for the demo, which then ends this one
            )

    def new_failure(self) -> str | None:
        """A sentence, once, if it has ended by itself."""
        code = self._process.poll()
        if code is None or self._told:
            return None
        self._told = True
        return f"This machine's collector has ended by itself (exit code {code}); the rest goes on. Its log: {self.log}"

    def close(self) -> None:
        """End it; no process is left."""
        self._process.terminate()
        try:
            self._process.communicate(timeout=LET_FINISH_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def _environment(token: str) -> dict[str, str]:
    """Settings for other servers and collectors don't count here, and no proxy stands between two local processes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HANDLEWATCH_")}
    direct = ",".join(part for part in (kept.get("NO_PROXY") or kept.get("no_proxy"), "127.0.0.1") if part)
    return {**kept, "HANDLEWATCH_TOKEN": token, "NO_PROXY": direct, "no_proxy": direct}
