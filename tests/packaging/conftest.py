"""A wheel, built once from what the image is built from, and an environment elsewhere that has nothing but it."""

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and a working directory that has nothing to do with the checkout."""

    wheel: Path
    programs: Path
    elsewhere: Path

    @property
    def static(self) -> Path:
        (found,) = self.programs.parent.glob("lib/python3*/site-packages/server/static")
        return found

    def environment(self, data: Path) -> dict[str, str]:
        return {
            "PATH": f"{self.programs}{os.pathsep}{os.defpath}",
            "HOME": str(self.elsewhere),
            "HANDLEWATCH_DATA_DIR": str(data),
            "HANDLEWATCH_DATABASE_URL": f"sqlite:///{data}/handlewatch.db",
        }


def build_context(target: Path) -> Path:
    """The files that .dockerignore lets through."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    for name in (line[1:] for line in lines if line.startswith("!")):
        source, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "*.db"))
        else:
            shutil.copyfile(source, copy)
    return target


def run(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    context = build_context(tmp_path_factory.mktemp("context"))
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", cwd=context)
    (built,) = (context / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    venv.create(elsewhere / "env", with_pip=False, symlinks=True)
    programs = elsewhere / "env" / "bin"
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--quiet", "--no-input"]
    run(*pip, "--disable-pip-version-check", "--no-compile", "--no-warn-script-location", wheel, cwd=elsewhere)
    return Installed(wheel=wheel, programs=programs, elsewhere=elsewhere)
