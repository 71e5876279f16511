"""The scripts that install the collector: made for this server, and nothing of a request gets into them unseen."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from server.downloads import COLLECTOR_WINDOWS, COLLECTOR_ZIPAPP, Download
from server.settings import load_settings
from tests.serving import Served

ZIPAPP = f"/downloads/{COLLECTOR_ZIPAPP}"


def script(served: Served, name: str, host: str = "handles.test") -> str:
    answer = served.anonymous.get(f"/{name}", headers={"Host": host})
    assert answer.status_code == 200, answer.text
    assert "@" not in answer.text.replace("$@", "")
    return answer.text


def test_the_shell_script_names_this_server_and_what_it_serves(served: Served) -> None:
    text = script(served, "install.sh", "handles.test:8765")
    assert "server=http://handles.test:8765\n" in text
    assert f"sha256={hashlib.sha256(served.anonymous.get(ZIPAPP).content).hexdigest()}\n" in text


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_shells_understand_it(served: Served, shell: str) -> None:
    assert subprocess.run([shell, "-n"], input=script(served, "install.sh"), text=True, timeout=30).returncode == 0


def test_shellcheck_has_nothing_to_say(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "install.sh"
    file.write_text(script(served, "install.sh"))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("shellcheck")), "--shell=sh", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


def test_a_script_that_came_in_part_does_nothing(served: Served) -> None:
    text = script(served, "install.sh")
    before_the_last_line = text[: text.rindex('main "$@"')]
    done = subprocess.run(["sh"], input=before_the_last_line, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["install.sh", "install.ps1"])
@pytest.mark.parametrize(
    "host",
    ["a;id", "$(id)", "`id`", "a'b", 'a"b', "a b", "a/b", "a\\b", "a\u2019b", "user@host", "", "a:x", "[::1;id]"],
)
def test_an_odd_host_header_gets_no_script(served: Served, name: str, host: str) -> None:
    answer = served.anonymous.get(f"/{name}", headers={"Host": host.encode()})
    assert answer.status_code == 400
    assert "HANDLEWATCH_PUBLIC_URL" in answer.text


@pytest.mark.parametrize("host", ["handles.test", "10.0.0.1:8765", "[2001:db8::1]:8765", "web_01.lan"])
def test_names_and_addresses_of_hosts_are_good(served: Served, host: str) -> None:
    assert f"server=http://{host}\n" in script(served, "install.sh", host).replace("'", "")


def test_the_public_url_wins_over_the_request(served: Served) -> None:
    served.app.state.settings = load_settings({"HANDLEWATCH_PUBLIC_URL": "https://example.org/handles"})
    assert "server=https://example.org/handles\n" in script(served, "install.sh", "$(id)")
    assert "$server = 'https://example.org/handles'" in script(served, "install.ps1", "$(id)")


def test_the_script_for_windows_has_at_most_15_lines_and_checks_before_it_runs(served: Served) -> None:
    served.app.state.downloads = {COLLECTOR_WINDOWS: Download(name=COLLECTOR_WINDOWS, content=b"zip", sha256="ab12")}
    text = script(served, "install.ps1")
    assert len(text.splitlines()) <= 15
    assert "$file = 'handlewatch-collector-windows.zip'; $sha256 = 'ab12'" in text
    assert (
        text.index("3072") < text.index("DownloadFile") < text.index("Get-FileHash") < text.index(" install --server")
    )
    assert "handlewatch-collector.cmd" in text


def test_without_the_bundle_windows_uses_its_own_python(served: Served) -> None:
    served.app.state.downloads.pop(COLLECTOR_WINDOWS, None)
    text = script(served, "install.ps1")
    assert len(text.splitlines()) <= 15
    assert '& py -3 "$folder\\$file" install --server $server' in text


@pytest.mark.parametrize("name", ["install.sh", "install.ps1"])
def test_without_a_collector_there_is_no_script(served: Served, name: str) -> None:
    served.app.state.downloads = {}
    assert served.anonymous.get(f"/{name}").status_code == 503
