"""Collectors as real processes against a real server: stopped, killed, doubled, started anew."""

import random
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from collector import __version__
from collector.cli import Stopping

if TYPE_CHECKING:
    from tests.collector.conftest import Collectors, Play, PlayServer, Request


def running(collectors: "Collectors", url: str, *more: str) -> list[str]:
    return ["run", "--server", url, "--token", "t", "--interval", "5", "--state", str(collectors.state), *more]


def test_once_reads_pushes_and_is_done(collectors: "Collectors", server: "PlayServer") -> None:
    done = collectors.run(*running(collectors, server.url, "--once", "--label", "site=seoul", "--host-name", "NTBK01"))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    [push] = server.pushes
    assert push.body["host"]["name"] == "NTBK01"
    assert push.body["host"]["os"]["family"] == "linux"
    assert push.body["host"]["labels"] == {"site": "seoul"}
    [snapshot] = push.body["snapshots"]
    assert snapshot["coverage"]["processes"] >= 1
    own = [found for found in snapshot["processes"] if found["handles"] == push.body["collector"]["cost"]["handles"]]
    assert own
    assert collectors.spooled() == 0


def test_it_reports_its_own_cost(collectors: "Collectors", server: "PlayServer") -> None:
    collectors.run(*running(collectors, server.url, "--once"))
    collector = server.pushes[0].body["collector"]
    assert (collector["version"], collector["source"], collector["interval_s"]) == (__version__, "linux", 5)
    cost = collector["cost"]
    assert cost["spool_snapshots"] == 1
    assert (cost["dropped"], cost["damaged"], cost["rejected"]) == (0, 0, 0)
    assert all(cost[name] > 0 for name in ("read_ms", "cpu_ms", "rss_mb", "handles", "spool_bytes"))
    assert cost["types_ms"] >= 0


def test_once_says_why_it_could_not_push_and_keeps_the_reading(collectors: "Collectors", free_port: int) -> None:
    done = collectors.run(*running(collectors, f"http://127.0.0.1:{free_port}", "--once"))
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    assert collectors.spooled() == 1


def test_two_collectors_on_one_state_directory_are_one_too_many(collectors: "Collectors", server: "PlayServer") -> None:
    collectors.start(*running(collectors, server.url))
    server.wait_for(lambda: len(server.accepted) == 1)
    second = collectors.run(*running(collectors, server.url, "--once"))
    assert second.returncode == 2
    assert "another collector already uses the state directory" in second.stderr


def test_it_stops_within_five_seconds_of_being_asked_and_says_so(
    collectors: "Collectors", server: "PlayServer"
) -> None:
    process = collectors.start(*running(collectors, server.url))
    server.wait_for(lambda: len(server.accepted) == 1)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=5)
    assert time.monotonic() - begun < 5
    assert process.returncode == 0
    assert log.splitlines()[-1].endswith("INFO stopped")


def test_it_stops_in_the_middle_of_a_push_and_loses_nothing(collectors: "Collectors", server: "PlayServer") -> None:
    server.plays = [server.scene(200, b'{"accepted": 1}', hold_s=60)]
    process = collectors.start(*running(collectors, server.url))
    server.wait_for(lambda: len(server.pushes) == 1)
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=6)
    assert process.returncode == 0
    assert log.splitlines()[-1].endswith("INFO stopped; 1 snapshots wait for the server")
    assert "cannot reach" not in log
    assert collectors.spooled() == 1


def test_what_the_server_took_while_it_was_asked_to_stop_is_sent_again_and_taken_once(
    collectors: "Collectors", server: "PlayServer"
) -> None:
    server.decide = lambda request: server.scene(200, server.take(request), hold_s=60)
    process = collectors.start(*running(collectors, server.url))
    server.wait_for(lambda: len(server.accepted) == 1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=6)
    assert (process.returncode, collectors.spooled()) == (0, 1)
    server.decide = lambda request: None
    done = collectors.run(*running(collectors, server.url, "--once"))
    assert done.returncode == 0, done.stderr
    assert (len(server.accepted), server.duplicates, collectors.spooled()) == (2, 1, 0)


def test_a_second_collector_touches_nothing_of_the_first(
    collectors: "Collectors", serve: Callable[..., "PlayServer"], free_port: int
) -> None:
    url = f"http://127.0.0.1:{free_port}"
    first = collectors.start(*running(collectors, url))
    collectors.wait_until_spooled(1)
    for more in ([], ["--once"]):
        second = collectors.run(*running(collectors, url, *more))
        assert second.returncode == 2, second.stderr
    server = serve(free_port)
    server.wait_for(lambda: len(server.accepted) >= 2, seconds=40)
    first.terminate()
    first.communicate(timeout=6)
    assert server.duplicates == 0
    assert len({request.body["sent_at"] for request in server.pushes}) == len(server.pushes)


def test_it_stops_while_it_waits_to_try_again(collectors: "Collectors", free_port: int) -> None:
    process = collectors.start(*running(collectors, f"http://127.0.0.1:{free_port}"))
    collectors.wait_until_spooled(1)
    process.terminate()
    process.communicate(timeout=5)
    assert process.returncode == 0


def test_a_kill_at_any_moment_loses_and_doubles_nothing(
    collectors: "Collectors", serve: Callable[..., "PlayServer"], free_port: int
) -> None:
    """Killed once while the server is away, once right in a push that the server took but could not answer for."""
    url = f"http://127.0.0.1:{free_port}"
    for run in (1, 2):
        process = collectors.start(*running(collectors, url))
        collectors.wait_until_spooled(run)
        process.kill()
        process.communicate()
    waiting = collectors.spooled()
    server = serve(free_port)
    server.decide = lambda request: server.scene(200, server.take(request), hold_s=60)
    process = collectors.start(*running(collectors, url))
    server.wait_for(lambda: len(server.accepted) >= waiting)
    process.kill()
    process.communicate()
    in_all = set(server.accepted)
    server.decide = lambda request: None
    done = collectors.run(*running(collectors, url, "--once"))
    assert done.returncode == 0, done.stderr
    assert in_all < set(server.accepted)
    assert server.duplicates >= 2
    assert collectors.spooled() == 0
    assert len({time_of for _, time_of in server.accepted}) == len(server.accepted)


def test_an_outage_is_made_up_for_and_logged_in_two_lines(
    collectors: "Collectors", serve: Callable[..., "PlayServer"], free_port: int
) -> None:
    process = collectors.start(*running(collectors, f"http://127.0.0.1:{free_port}"))
    collectors.wait_until_spooled(2)
    server = serve(free_port)
    server.wait_for(lambda: len(server.accepted) >= 2, seconds=40)
    process.terminate()
    _, log = process.communicate(timeout=6)
    said = [line.split(" ", 2)[2] for line in log.splitlines()]
    assert sum("Connection refused" in line for line in said) == 1
    assert sum("the server takes snapshots again" in line for line in said) == 1


def test_advice_is_followed(collectors: "Collectors", server: "PlayServer") -> None:
    server.advice = {"inspect": ["python3.11", "python3", "python", "pytest"], "interval_s": 6}
    process = collectors.start(*running(collectors, server.url))
    server.wait_for(lambda: len(server.pushes) >= 2)
    process.terminate()
    process.communicate(timeout=6)
    assert server.pushes[1].body["collector"]["interval_s"] == 6


def test_its_log_is_in_utc(collectors: "Collectors", free_port: int) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    process = collectors.start(*running(collectors, f"http://127.0.0.1:{free_port}"), TZ="Asia/Seoul")
    collectors.wait_until_spooled(1)
    process.terminate()
    _, log = process.communicate(timeout=6)
    written = log.splitlines()[-1].split(" ")[0]
    assert written.endswith("Z")
    assert before < datetime.fromisoformat(written.replace("Z", "+00:00")) <= datetime.now(UTC)


def test_a_state_directory_that_cannot_be_used_is_said(collectors: "Collectors", tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    done = collectors.run(*running(collectors, "http://127.0.0.1:1", "--once"))
    assert done.returncode == 2
    assert "cannot use the state directory" in done.stderr


def test_on_a_full_disk_readings_still_reach_the_server(collectors: "Collectors", server: "PlayServer") -> None:
    """The shell's limit on file sizes makes the kernel refuse every byte that the collector would write."""
    command = shlex.join(collectors.command(*running(collectors, server.url, "--once")))
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 0; exec {command}"],
        env=collectors.environment(PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(server.accepted) == 1
    assert "cannot write to the spool (File too large)" in done.stderr
    assert not list(collectors.state.glob("spool/*"))
    assert not list(collectors.state.glob("*.tmp"))


def test_a_signal_at_any_moment_of_its_start_ends_it_without_a_traceback(
    collectors: "Collectors", server: "PlayServer"
) -> None:
    """Before Python has come to the collector's own code a signal ends it as the system does."""
    for after_s in (0.05, 0.15, 0.25, 0.4):
        process = collectors.start(*running(collectors, server.url))
        time.sleep(after_s)
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGTERM):
            process.send_signal(number)
        _, log = process.communicate(timeout=6)
        assert process.returncode in (0, -signal.SIGTERM)
        assert "Traceback" not in log


def test_its_token_shows_in_no_log_and_on_no_command_line(collectors: "Collectors", server: "PlayServer") -> None:
    (collectors.folder / "token").write_text("hw_secret\n")
    server.enrol = server.scene(200, b'{"token": "hw_own_secret"}')
    server.plays = [server.scene(401, b'{"detail": "no"}')]
    arguments = [part for part in running(collectors, server.url) if part not in ("--token", "t")]
    process = collectors.start(*arguments, HANDLEWATCH_TOKEN_FILE=str(collectors.folder / "token"))
    server.wait_for(lambda: len(server.pushes) == 1)
    shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    process.terminate()
    _, log = process.communicate(timeout=6)
    assert server.pushes[0].token == "hw_own_secret"
    assert b"secret" not in shown
    assert "secret" not in log
    with_it = [path.name for path in collectors.state.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]
    assert with_it == ["token.json"]


def test_kills_at_random_moments_lose_nothing_and_the_server_has_each_once(
    collectors: "Collectors", server: "PlayServer"
) -> None:
    """Whatever was once whole in the spool is with the server at the end, as it was."""
    dice, seen = random.Random(7), set[str]()
    odd = [server.scene(503), server.scene(200, b"garbage"), server.scene(429, headers={"Retry-After": "1"})]

    def decide(request: "Request") -> "Play | None":
        if dice.random() < 0.3:
            return server.scene(200, server.take(request), hold_s=9)
        return dice.choice(odd) if dice.random() < 0.4 else None

    server.decide = decide
    for _ in range(6):
        process = collectors.start(*running(collectors, server.url, "--interval", "1"))
        end = time.monotonic() + dice.uniform(0.4, 1.6)
        while time.monotonic() < end:
            seen |= {path.name.split("-")[1] for path in collectors.state.glob("spool/*.snap")}
            time.sleep(0.01)
        process.kill()
        process.communicate()
    server.decide = lambda request: None
    done = collectors.run(*running(collectors, server.url, "--once"))
    assert done.returncode == 0, done.stderr
    assert seen <= {f"{datetime.fromisoformat(moment).timestamp():.0f}" for _, moment in server.accepted}
    assert len(seen) >= 3
    assert collectors.spooled() == 0


def test_once_is_cut_off_in_the_middle_of_its_push_and_keeps_the_reading(
    collectors: "Collectors", server: "PlayServer"
) -> None:
    server.plays = [server.scene(200, b'{"accepted": 1}', hold_s=60)]
    process = collectors.start(*running(collectors, server.url, "--once"))
    server.wait_for(lambda: len(server.pushes) == 1)
    process.terminate()
    _, log = process.communicate(timeout=5)
    assert process.returncode == 1
    assert "Traceback" not in log
    assert collectors.spooled() == 1


def test_a_signal_that_comes_before_there_is_anything_to_stop_is_not_lost() -> None:
    names = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(name) for name in names]
    stopped: list[int] = []
    try:
        stopping = Stopping()
        signal.raise_signal(signal.SIGTERM)
        stopping.call(lambda: stopped.append(1))
        assert stopped == [1]
        signal.raise_signal(signal.SIGINT)
        assert stopped == [1, 1]
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)
