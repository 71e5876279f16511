"""The collector as one file: complete, the same each time, and able to run where nothing is installed."""

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

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
