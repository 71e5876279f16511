#!/usr/bin/env python3
"""Takes the README's picture from a demo with its whole fleet, and on request one of every page.

    python scripts/screenshots.py                      docs/images/dashboard.png, from a demo of its own
    python scripts/screenshots.py FOLDER               every page too: wide and on a phone, light and dark
    python scripts/screenshots.py FOLDER --url LINK    from a demo that runs: the link that it printed

Wants Debian's chromium. What a page complains of in its console is told, and the exit code is then 1.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "images" / "dashboard.png"
MOST_BYTES = 400_000
FILLED_S = 1_200.0
PAGES = {
    "fleet": "/",
    "fleet-v3": "/?signature=v3-pro",
    "fleet-nothing": "/?search=no+such+host",
    "host-v3": "/hosts/NTBK01",
    "host-v3-program": "/hosts/NTBK01?by=program&range=14d",
    "host-v3-type": "/hosts/NTBK01?by=type&range=7d",
    "host-cured": "/hosts/NTBK05?range=14d",
    "host-limit": "/hosts/web-07?range=7d",
    "host-quiet": "/hosts/DC01",
    "host-unknown": "/hosts/no-such-host",
    "signatures": "/signatures",
    "v3-pro": "/signatures/v3-pro",
    "add": "/hosts/add",
    "docs": "/docs",
}
Scheme = Literal["light", "dark"]
WIDTHS = {"wide": (1440, 900), "phone": (390, 844)}


def main() -> int:
    parser = argparse.ArgumentParser(description="Take pictures of the pages of a demo.")
    parser.add_argument(
        "folder", nargs="?", type=Path, help="where pictures of all pages go; best outside the checkout"
    )
    parser.add_argument("--url", metavar="LINK", help="the link that a running demo printed; else one is started")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="default: %(default)s")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as parts:
        link = arguments.url or parts.enter_context(demo())
        playwright = parts.enter_context(sync_playwright())
        browser = parts.enter_context(chromium(playwright.chromium.launch(
            executable_path=arguments.chromium,
            args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                  "--disable-component-update", "--disable-sync"],
        )))  # fmt: skip
        shots = Shots(browser, link)
        shots.wait_for_fleet()
        shots.take_picture()
        if arguments.folder is not None:
            shots.take_all(arguments.folder)
    for complaint in shots.complaints:
        print(complaint, file=sys.stderr)
    return 1 if shots.complaints else 0


@contextlib.contextmanager
def chromium(browser: Browser) -> Iterator[Browser]:
    yield browser
    browser.close()


@contextlib.contextmanager
def demo() -> Iterator[str]:
    """The link of a demo of its own, on any free port and in a folder that goes when it ends."""
    with tempfile.TemporaryDirectory(prefix="handlewatch-") as data:
        process = subprocess.Popen(
            [sys.executable, "-m", "server", "demo", "--port", "0"],
            cwd=ROOT,
            env={**os.environ, "HANDLEWATCH_DATA_DIR": data},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            link = process.stdout.readline().strip()
            if not link:
                raise SystemExit("the demo did not start")
            yield link
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


class Shots:
    """Pictures of one demo, signed in by its link. `complaints` is what pages said in their consoles."""

    def __init__(self, browser: Browser, link: str) -> None:
        self.complaints: list[str] = []
        self._browser = browser
        self._link = link
        parts = urlsplit(link)
        self._base = f"{parts.scheme}://{parts.netloc}"

    def wait_for_fleet(self) -> None:
        """Until the simulated fleet is there and judged."""
        with self._signed_in("wide", "light") as context:
            deadline = time.monotonic() + FILLED_S
            while time.monotonic() < deadline:
                page = context.request.get(f"{self._base}/").text()
                status = context.request.get(f"{self._base}/api/v1/status").json()
                if "is being filled" not in page and status["pending_hosts"] == 0:
                    return
                time.sleep(2)
        raise SystemExit(f"the simulated fleet was not filled within {FILLED_S:.0f} s")

    def take_picture(self) -> None:
        """The fleet page for the README."""
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        with self._signed_in("wide", "light") as context:
            page = self._open(context, "/")
            page.screenshot(path=PICTURE)
        size = PICTURE.stat().st_size
        print(f"{PICTURE.relative_to(ROOT)}: {size:,} bytes")
        if size > MOST_BYTES:
            raise SystemExit(f"the picture is over {MOST_BYTES:,} bytes; make it smaller")

    def take_all(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        schemes: tuple[Scheme, ...] = ("light", "dark")
        for width in WIDTHS:
            for scheme in schemes:
                with self._signed_in(width, scheme) as context:
                    for name, path in PAGES.items():
                        self._shoot(context, path, folder / f"{name}-{width}-{scheme}.png")
                with self._context(width, scheme) as context:
                    self._shoot(context, "/login", folder / f"login-{width}-{scheme}.png")

    def _shoot(self, context: BrowserContext, path: str, file: Path) -> None:
        page = self._open(context, path)
        over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if over > 0:
            self.complaints.append(f"{file.name}: {over} px wider than the window")
        page.screenshot(path=file, full_page=True)
        page.close()

    def _open(self, context: BrowserContext, path: str) -> Page:
        """The page, once what it asks for has come and been drawn."""
        page = context.new_page()
        page.on("console", lambda said: self._note(path, said.type, said.text))
        page.on("pageerror", lambda error: self._note(path, "error", str(error)))
        page.goto(self._base + path, wait_until="networkidle")
        page.wait_for_timeout(300)
        return page

    def _note(self, path: str, kind: str, text: str) -> None:
        if kind in ("error", "warning") and "status of 404" not in text:
            self.complaints.append(f"{path}: {text}")

    @contextlib.contextmanager
    def _signed_in(self, width: str, scheme: Scheme) -> Iterator[BrowserContext]:
        with self._context(width, scheme) as context:
            context.request.get(self._link)
            yield context

    @contextlib.contextmanager
    def _context(self, width: str, scheme: Scheme) -> Iterator[BrowserContext]:
        size = WIDTHS[width]
        context = self._browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        context.set_default_timeout(30_000)
        yield context
        context.close()


if __name__ == "__main__":
    sys.exit(main())
