"""`handlewatch demo`: a server with an embedded database of its own, this machine's collector, a simulated fleet."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

from fastapi import FastAPI
from rich.console import Console

from server.analysis.instants import to_us
from server.app import create_app
from server.demo.filling import STEP, Feed, Filling
from server.demo.fleet import SimulatedHost, fleet, floor_to_step
from server.demo.keys import Keys, make_keys
from server.demo.machine import MachineCollector, machine_name
from server.demo.place import Place, taken_place
from server.demo.progress import ProgressDisplay
from server.demo.serving import DemoServer, listen, log_to
from server.demo.snapshots import Wire
from server.demo.stopping import Stop, on_signals
from server.problems import Problem
from server.settings import Settings
from server.store import schema
from server.store.database import Database

QUIETLY = 3  # steps that were missed
JUDGED_S = 10.0
AGAIN_S = 10.0
LOOK_S = 2.0


def run_demo(settings: Settings, *, port: int, hosts: int | None) -> None:
    """Run until a signal asks it to end, with so many simulated hosts (None: all). Standard output gets the sign-in
    link and nothing else.

    1. the port, then the folder are taken; 2. schema, user, token; 3. server and collector; 4. the first simulated
    host, then the link, then the others, and from then on each new step of all. Raises SettingsError for a port or
    folder that can't be used.
    """
    console = Console(stderr=True)
    with on_signals() as stop, ExitStack() as parts:
        listener = parts.enter_context(listen(port))
        now = datetime.now(UTC)
        place = parts.enter_context(taken_place(settings, now))
        log_to(place.server_log)
        begun = "Beginning" if place.fresh else "Going on with"
        _say(console, f"{begun} the demo in {place.folder} (SQLite; its server's log: server.log)")
        own = place.settings(settings)
        keys = _prepare(own, now)
        if stop.asked:
            return
        app = create_app(own)
        server = DemoServer(app, listener)
        parts.callback(server.close)
        if not server.start(stop):
            if not stop.asked:
                raise SystemExit(f"The server did not start; its log says why: {place.server_log}")
            return
        collector = MachineCollector(place, server=server.url, token=keys.collector)
        parts.callback(collector.close)
        _Show(app, server, collector, stop, console).run(place, hosts=hosts, keys=keys)
        if stop.asked:
            _say(console, "Ending the demo …")


def _prepare(settings: Settings, now: datetime) -> Keys:
    database = Database(settings.database_url)
    try:
        schema.upgrade(database)
        return make_keys(database, machine=machine_name(), link_days=settings.session_days, now_us=to_us(now))
    finally:
        database.close()


class _Show:
    """What goes on once the server answers."""

    def __init__(
        self, app: FastAPI, server: DemoServer, collector: MachineCollector, stop: Stop, console: Console
    ) -> None:
        self._app = app
        self._server = server
        self._collector = collector
        self._stop = stop
        self._console = console
        self._filling = Filling(hosts=0, snapshots=0)
        self._told = False
        app.state.notices = lambda: self._filling.notices()

    def run(self, place: Place, *, hosts: int | None, keys: Keys) -> None:
        simulated = fleet(place.anchor, seed=place.seed)[:hosts]
        state = self._app.state
        feed = Feed(simulated, state.database, state.writer, now=datetime.now(UTC))
        step = floor_to_step(datetime.now(UTC))
        self._filling = feed.missing(step)
        for host in simulated[:1]:
            self._fill_host(feed, host, step)
            self._wait_for_judgement(feed)
        if self._stop.asked:
            return
        self._show_link(f"{self._server.url}/login?key={keys.sign_in}")
        self._fill(feed, simulated, step, self._filling)
        while not self._stop.asked:
            self._wait_until(step + STEP)
            step = floor_to_step(datetime.now(UTC))
            self._fill(feed, simulated, step, feed.missing(step))

    def _show_link(self, link: str) -> None:
        _say(self._console, "This link opens the dashboard, signed in. Ctrl-C ends the demo.")
        print(link, flush=True)

    def _fill(self, feed: Feed, simulated: Sequence[SimulatedHost], until: datetime, missing: Filling) -> None:
        """Push what is missing of all hosts: a few steps without a word, more with a display and a notice on pages."""
        if missing.snapshots <= QUIETLY * len(simulated):
            for host in simulated:
                self._fill_host(feed, host, until)
            return
        self._filling = missing
        with ProgressDisplay(self._console, missing) as display:
            for host in simulated:
                self._fill_host(feed, host, until, display)
                self._wait_for_judgement(feed, waiting=1)
        if not self._stop.asked:
            _say(self._console, "The simulated fleet is there; new snapshots of it come every five minutes.")

    def _fill_host(
        self, feed: Feed, host: SimulatedHost, until: datetime, display: ProgressDisplay | None = None
    ) -> None:
        pushed = 0
        for request in feed.requests(host, until):
            pushed += self._push(feed, request)
            if display is not None:
                display.update()
            if self._stop.asked:
                return
        self._filling.hosts_done += pushed > 0

    def _push(self, feed: Feed, request: Wire) -> int:
        """How many snapshots; tried until they are durable, or the demo is to end."""
        while not self._stop.asked:
            self._look_after()
            try:
                count = feed.push(request)
            except Problem as problem:
                self._say_once(f"Can't fill the simulated fleet: {problem.detail} Trying again.")
                self._stop.wait(AGAIN_S)
            else:
                self._filling.snapshots_done += count
                return count
        return 0

    def _wait_for_judgement(self, feed: Feed, *, waiting: int = 0) -> None:
        """Until at most so many hosts wait to be judged, so that what is there is shown before more comes."""
        deadline = time.monotonic() + JUDGED_S
        while feed.unjudged() > waiting and time.monotonic() < deadline and not self._stop.wait(0.05):
            self._look_after()

    def _wait_until(self, moment: datetime) -> None:
        while not self._stop.asked and (left := (moment - datetime.now(UTC)).total_seconds()) > 0:
            self._look_after()
            self._stop.wait(min(left, LOOK_S))

    def _look_after(self) -> None:
        """Say what has ended by itself. Without its server the demo ends."""
        failure = self._collector.new_failure()
        if failure is not None:
            _say(self._console, failure)
        if not self._server.is_alive and not self._stop.asked:
            raise SystemExit("The server has ended by itself; its log says why.")

    def _say_once(self, text: str) -> None:
        if not self._told:
            self._told = True
            _say(self._console, text)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
