#!/usr/bin/env python3
"""Serves the templates with sample data, for whoever designs them: no database, no sign-in, but the strict CSP.

    python scripts/preview.py [--port 0]          then open the address that it prints

`?sample=empty`, `?sample=broken` on any page show it with nothing in it and with hostile names.
"""

from __future__ import annotations

import argparse
import json
import mimetypes
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from server.assets import static_dir  # noqa: E402
from server.web.render import render, render_partial  # noqa: E402
from tests.web.samples import page, series  # noqa: E402

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


class Preview(BaseHTTPRequestHandler):
    """Pages, the series call, and static files."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if parts.path.startswith("/static/"):
            self._file(parts.path.removeprefix("/static/"))
        elif parts.path.endswith("/series"):
            self._send(200, "application/json", json.dumps(series(query, empty="new-host" in parts.path)).encode())
        elif parts.path == "/openapi.json":
            document = {"openapi": "3.1.0", "info": {"title": "Handlewatch", "version": "preview"}, "paths": {}}
            self._send(200, "application/json", json.dumps(document).encode())
        else:
            segments = [unquote(segment) for segment in parts.path.strip("/").split("/")]
            status, view = page(segments, query)
            html = render_partial(view) if self.headers.get("HX-Request") else render(view)
            self._send(status, "text/html; charset=utf-8", html.encode("utf-8", "replace"))

    def do_POST(self) -> None:
        self.send_response(303)
        self.send_header("Location", "/login" if self.path == "/logout" else "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def _file(self, name: str) -> None:
        path = (static_dir() / name).resolve()
        if not path.is_relative_to(static_dir()) or not path.is_file():
            self._send(404, "text/plain", b"not found")
            return
        self._send(200, mimetypes.guess_type(path.name)[0] or "application/octet-stream", path.read_bytes())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", CSP)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Vary", "HX-Request")
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the templates with sample data.")
    parser.add_argument("--port", type=int, default=0, help="0 lets the system pick one")
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), Preview)
    print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
