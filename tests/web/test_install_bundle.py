"""The Windows bundle as the server offers it: with its own release's collector in it, or a 404 that says what to do."""

import hashlib
import io
import os
import sys
import zipfile
from pathlib import Path

import pytest

from server import windows_bundle
from server.downloads import COLLECTOR_WINDOWS, COLLECTOR_ZIPAPP, Download, DownloadError, collector_zipapp
from tests.serving import Served, serving

OLDER = Download(name=COLLECTOR_ZIPAPP, content=b"an older one", sha256="")


def put_bundle(folder: Path, zipapp: Download) -> bytes:
    folder.mkdir(parents=True, exist_ok=True)
    content = windows_bundle._assembled({"python/python.exe": b"MZ", "python/LICENSE.txt": b"PSF"}, zipapp)
    (folder / COLLECTOR_WINDOWS).write_bytes(content)
    return content


def test_a_bundle_that_was_not_built_is_a_404_that_says_how_to_build_it(served: Served) -> None:
    for name in (COLLECTOR_WINDOWS, f"{COLLECTOR_WINDOWS}.sha256"):
        answer = served.anonymous.get(f"/downloads/{name}")
        assert answer.status_code == 404
        assert "handlewatch downloads build" in answer.text


def test_what_was_built_is_offered_with_its_checksum(tmp_path: Path) -> None:
    content = put_bundle(tmp_path / "downloads", collector_zipapp())
    found = windows_bundle.load(tmp_path / "downloads", collector_zipapp())
    assert found is not None
    assert found.content == content
    assert found.checksum_line == f"{hashlib.sha256(content).hexdigest()}  {COLLECTOR_WINDOWS}\n"


def test_a_running_server_hands_it_out_and_its_script_uses_it(database_url: str, tmp_path: Path) -> None:
    put_bundle(tmp_path / "downloads", OLDER)
    with serving(database_url, tmp_path) as served:
        answer = served.anonymous.get(f"/downloads/{COLLECTOR_WINDOWS}")
        assert answer.status_code == 200
        checksum = served.anonymous.get(f"/downloads/{COLLECTOR_WINDOWS}.sha256").text
        assert checksum.split() == [hashlib.sha256(answer.content).hexdigest(), COLLECTOR_WINDOWS]
        script = served.anonymous.get("/install.ps1").text
        assert f"'{COLLECTOR_WINDOWS}'; $sha256 = '{checksum.split()[0]}'" in script


def test_a_bundle_of_an_earlier_release_gets_the_present_collector_and_keeps_its_python(tmp_path: Path) -> None:
    put_bundle(tmp_path, OLDER)
    zipapp = collector_zipapp()
    found = windows_bundle.load(tmp_path, zipapp)
    assert found is not None
    with zipfile.ZipFile(io.BytesIO(found.content)) as archive:
        assert archive.read(COLLECTOR_ZIPAPP) == zipapp.content
        assert archive.read("python/python.exe") == b"MZ"
        assert archive.read("python/LICENSE.txt") == b"PSF"
    assert (tmp_path / COLLECTOR_WINDOWS).read_bytes() == found.content


def test_a_damaged_bundle_says_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / COLLECTOR_WINDOWS).write_bytes(b"half a bundle")
    with pytest.raises(DownloadError, match="downloads build"):
        windows_bundle.load(tmp_path, collector_zipapp())


def test_no_pip_no_bundle_and_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho No module named pip >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", os.fspath(broken))
    with pytest.raises(DownloadError, match="No module named pip"):
        windows_bundle.build(tmp_path, collector_zipapp())
    assert not (tmp_path / COLLECTOR_WINDOWS).exists()
