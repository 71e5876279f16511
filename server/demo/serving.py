"""The demo's server: the real application under uvicorn, in a thread of this process."""

import logging
import socket
import threading
import time
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from server.demo.stopping import Stop
from server.settings import SettingsError

ADDRESS = "127.0.0.1"
DRAIN_S = 4
END_S = 8.0
READY_S = 30.0


def listen(port: int) -> socket.socket:
    """The socket to serve on. Raises SettingsError if the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"port {port} of {ADDRESS} can't be used ({error.strerror}); end what listens there, "
            "or choose another: make demo DEMO_ARGS='--port 9000', or handlewatch demo --port 9000"
        ) from error
    return listener


def log_to(file: Path) -> None:
    """What the server has to say goes to a file: the terminal is for the link."""
    logging.basicConfig(
        filename=file, filemode="w", level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for chatty in ("httpx", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class DemoServer:
    """Serves from `start` to `close`."""

    def __init__(self, app: FastAPI, listener: socket.socket) -> None:
        self.url = f"http://{ADDRESS}:{listener.getsockname()[1]}"
        self._listener = listener
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=DRAIN_S
            )
        )
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def start(self, stop: Stop) -> bool:
        """Whether it answers /readyz with 200, in time and before it was asked to stop."""
        self._thread.start()
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and self.is_alive and not stop.wait(0.05):
            if self._server.started and self._is_ready():
                return True
        return False

    def close(self) -> None:
        """Answer what was asked, write what was sent, then end."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(END_S)

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", trust_env=False, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False
