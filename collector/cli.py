"""`handlewatch-collector`: reads the command line, puts the parts together, turns errors into sentences."""

import argparse
import io
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from collector import __version__, dumps, install, install_settings, relay, table
from collector.config import READING, RUNNING, ConfigError, Settings, add_arguments, resolve
from collector.sources import NoMachine, NotThereYet, SourceOptions, choose
from collector.state import StateDirectory, StateError
from collector.wire import Host, Snapshot, rfc3339

log = logging.getLogger("handlewatch")

BUDGET_SHARE_OF_INTERVAL = 0.05
SHOW_TYPES_BUDGET_S = 10.0
SETTINGS_HELP = "In [brackets] the environment variable that does the same; the option wins."
EXIT_HELP = "Exit code 1: it could not push (--once). Exit code 2: something must be set right first, and it says what."


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="handlewatch-collector", description="Counts this machine's open handles and pushes them to Handlewatch."
    )
    found.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = found.add_subparsers(dest="command", metavar="run|show|import|relay|install|uninstall", required=True)
    run = commands.add_parser("run", help="read and push until stopped", epilog=SETTINGS_HELP + " " + EXIT_HELP)
    add_arguments(run, RUNNING + READING)
    run.add_argument("--once", action="store_true", help="one reading, pushed at once; then exit")
    run.add_argument("--settings", metavar="FILE", help='more settings, in lines NAME="VALUE"; the environment wins')
    run.add_argument("--log", metavar="FILE", help="write what it says there instead, 1 MB and as much of before")
    show = commands.add_parser("show", help="print one reading; nothing is sent", epilog=SETTINGS_HELP)
    add_arguments(show, READING)
    show.add_argument("--json", action="store_true", help="all of it, as the body of a push; --top does not count")
    show.add_argument("--types", action="store_true", help="with the types of handles")
    show.add_argument("--top", type=_from_one, metavar="N", help="only the N processes with the most handles")
    install.add_commands(commands)
    one = commands.add_parser("import", help="send one dump file of a machine that can run no collector")
    dumps.add_import_arguments(one)
    folder = commands.add_parser("relay", help="send dump files as they are dropped into a folder")
    relay.add_relay_arguments(folder)
    return found


def _from_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """0: done. 1: could not push or read. 2: something to be set right first, said on standard error."""
    environment = os.environ if environment is None else environment
    parsed = parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a process may call itself what this terminal cannot show
    try:
        if parsed.command in ("install", "uninstall"):
            return install.perform(parsed, environment)
        if parsed.command == "show":
            return _show(resolve(parsed, READING, environment), parsed)
        if parsed.command in ("import", "relay"):
            return _deliver(dumps.delivery_settings(parsed, environment), parsed)
        if parsed.command == "run" and parsed.settings:
            environment = {**install_settings.read(Path(parsed.settings)), **environment}
        return _run(resolve(parsed, RUNNING + READING, environment), once=parsed.once, log_file=parsed.log)
    except (ConfigError, StateError, NotThereYet, NoMachine, install.InstallError) as error:
        print(f"handlewatch-collector: {error}", file=sys.stderr)
        if parsed.command == "run" and parsed.log:
            _log_to(parsed.log)
            log.error("%s", error)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read has gone. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _show(settings: Settings, parsed: argparse.Namespace) -> int:
    budget = SHOW_TYPES_BUDGET_S if parsed.types else 0.0
    source = choose(SourceOptions(root=settings.root, state=settings.state, types_budget_s=budget, keep=False))
    reading = source.read(now=time.monotonic())
    if parsed.json:
        now, machine = time.time(), source.machine()
        body = {
            "host": Host(settings.host_name, machine.os, machine.booted_at, settings.labels).to_json(),
            "collector": {"version": __version__, "source": source.name},
            "sent_at": rfc3339(now),
            "snapshots": [Snapshot(int(now), reading.coverage, reading.processes, reading.machine).to_json()],
        }
        print(json.dumps(body, indent=2, ensure_ascii=False))
    else:
        for line in table.lines(reading, types=parsed.types, top=parsed.top):
            print(line)
        print(table.cost(reading, source.memory_mb()))
    sys.stdout.flush()
    return 0


class Stopping:
    """Hears from the start that the collector is asked to stop, and passes it on once there is somebody to tell."""

    def __init__(self) -> None:
        self._asked = False
        self._stop: Callable[[], None] | None = None
        # On Windows a program can be asked to stop by Ctrl-Break alone, from another program too.
        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._hear)

    def call(self, stop: Callable[[], None]) -> None:
        """`stop` is called from a signal handler, between any two steps of the main thread: it may wait for nothing."""
        self._stop = stop
        if self._asked:
            stop()

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
        if self._stop is not None:
            self._stop()


def _log_to(file: str | None) -> None:
    line = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    line.converter = time.gmtime
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if file:
        from logging.handlers import RotatingFileHandler

        handler = RotatingFileHandler(file, maxBytes=1 << 20, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(line)
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _run(settings: Settings, *, once: bool, log_file: str | None) -> int:
    # Not needed by `show`, which is to start at once.
    from collector.sender import Http, Sender
    from collector.service import Service
    from collector.spool import Spool

    _log_to(log_file)
    stopping = Stopping()
    budget = min(settings.types_budget_ms / 1000, settings.interval * BUDGET_SHARE_OF_INTERVAL)
    state = StateDirectory(settings.state)
    source = choose(SourceOptions(root=settings.root, state=state.path, types_budget_s=budget, names=settings.names))
    http = Http(settings.server)
    spool = Spool(state.path, most_bytes=settings.spool_mb << 20, most_age_s=settings.spool_days * 86400)
    service = Service(
        settings,
        source=source,
        spool=spool,
        state=state,
        connect=lambda envelope: Sender(
            http,
            spool,
            state,
            server=settings.server,
            token=settings.token,
            host=settings.host_name,
            envelope=envelope,
        ),
    )

    def stop() -> None:
        service.stop()
        if once:
            http.abort()

    stopping.call(stop)
    _warn_of_plain_text(settings.server)
    if once:
        failure = service.once()
        if failure is not None:
            print(f"handlewatch-collector: {failure}", file=sys.stderr)
        return 0 if failure is None else 1
    log.info("collector %s reads %s every %d s", __version__, settings.host_name, settings.interval)
    log.info("pushing to %s; %d snapshots wait in %s", settings.server, len(spool), settings.state)
    service.run()
    return 0


def _deliver(settings: Settings, parsed: argparse.Namespace) -> int:
    """`import` and `relay`."""
    from collector.sender import Http  # not needed by `show`, which is to start at once

    _log_to(None)
    stopping = Stopping()
    http = Http(settings.server, total_s=dumps.TOTAL_S)
    _warn_of_plain_text(settings.server)
    if parsed.command == "import":
        stopping.call(http.abort)
        failure = dumps.import_file(parsed, http, token=settings.token, now=time.time())
    else:
        waiting = relay.Relay(
            parsed.directory, http, token=settings.token, about=dumps.about(parsed), every_s=parsed.every
        )
        stopping.call(waiting.stop)
        log.info("relaying files dropped into %s to %s", parsed.directory, settings.server)
        failure = waiting.run(once=parsed.once)
    if failure is not None:
        print(f"handlewatch-collector: {failure}", file=sys.stderr)
    return 0 if failure is None else 1


def _warn_of_plain_text(server: str) -> None:
    parts = urlsplit(server)
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        log.warning("the token travels unencrypted to %s; https would keep it secret", server)
