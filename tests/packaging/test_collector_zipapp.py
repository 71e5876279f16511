"""The collector as one file: complete, the same each time, and able to run where nothing is installed."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from server import downloads
from server.downloads import Download, DownloadError, collector_zipapp


@pytest.fixture(scope="module")
def zipapp() -> Download:
    return collector_zipapp()


@pytest.fixture(scope="module")
def zipapp_path(zipapp: Download, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zipapp") / zipapp.name
    path.write_bytes(zipapp.content)
    return path


def run_bare(*arguments: str, cwd: Path) -> str:
    """What a Python that sees no installed package, no checkout and no environment prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", *arguments], cwd=cwd, env={}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_the_same_each_time_and_names_its_checksum(zipapp: Download) -> None:
    assert collector_zipapp() == zipapp
    assert hashlib.sha256(zipapp.content).hexdigest() == zipapp.sha256
    assert zipapp.checksum_line == f"{zipapp.sha256}  handlewatch-collector.pyz\n"


def test_it_is_small_and_holds_the_collector_but_nothing_of_the_server(zipapp: Download) -> None:
    names = zipfile.ZipFile(io.BytesIO(zipapp.content)).namelist()
    packages = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert packages == {"__main__.py", "collector", "httpx", "httpcore", "h11", "idna", "certifi"}
    assert not [name for name in names if "__pycache__" in name]
    assert len(zipapp.content) < 700_000


def test_every_library_comes_with_its_licence(zipapp: Download) -> None:
    names = zipfile.ZipFile(io.BytesIO(zipapp.content)).namelist()
    licensed = {name.split("-")[0] for name in names if ".dist-info/" in name}
    assert licensed == {"handlewatch", "httpx", "httpcore", "h11", "idna", "certifi"}


def test_httpx_finds_its_certificates_inside_the_file(zipapp_path: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(zipapp_path)!r})\n"
        "import httpx\n"
        "print(httpx.__file__, len(httpx.create_ssl_context().get_ca_certs()))\n"
    )
    file, certificates = run_bare("-c", program, cwd=zipapp_path.parent).split()
    assert file.startswith(str(zipapp_path))
    assert int(certificates) > 50


def test_a_library_with_compiled_parts_is_refused() -> None:
    with pytest.raises(DownloadError, match="not pure Python"):
        list(downloads._package_files("numpy"))


def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(DownloadError, match="no_such_package"):
        list(downloads._package_files("no_such_package"))


def test_making_it_does_not_import_the_collector() -> None:
    program = "import sys, server.downloads as d; d.collector_zipapp(); print('collector' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_it_reads_this_machine_where_nothing_is_installed(zipapp_path: Path) -> None:
    sent = json.loads(run_bare(str(zipapp_path), "show", "--json", cwd=zipapp_path.parent))
    assert sent["host"]["os"]["family"] == "linux"
    assert os.getpid() in {process["pid"] for process in sent["snapshots"][0]["processes"]}


def test_it_pushes_where_nothing_is_installed(zipapp_path: Path, tmp_path: Path) -> None:
    with receiving() as (port, bodies):
        state = ["--state", str(tmp_path / "state")]
        server = ["--server", f"http://127.0.0.1:{port}", "--token", "hw_for_the_test"]
        run_bare(str(zipapp_path), "run", "--once", *server, *state, cwd=zipapp_path.parent)
    assert [body["collector"]["source"] for body in bodies] == ["linux"]
    assert bodies[0]["snapshots"]


@contextmanager
def receiving() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A server that takes every push; yields its port and what was pushed."""
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            facts = {"accepted": 1, "duplicates": 0, "skew_s": 0.0}
            if self.path == "/api/v1/snapshots":
                bodies.append(json.loads(body))
            else:
                facts = json.loads(body) | {"token": "hw_its_own"}
            answer = json.dumps(facts).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port, bodies
        finally:
            server.shutdown()
            thread.join()
