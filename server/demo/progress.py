"""Shows how far the filling is: a bar on a terminal, a plain line now and then elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from server.demo.filling import Filling

LINE_EVERY_S = 10.0


class ProgressDisplay:
    """From entering to leaving. `update()` is called as often as one likes."""

    def __init__(self, console: Console, filling: Filling) -> None:
        self._console = console
        self._filling = filling
        self._began = self._line_at = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> "ProgressDisplay":
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("Simulated fleet"),
                BarColumn(),
                TextColumn("{task.fields[hosts]} hosts, {task.completed:,.0f} of {task.total:,.0f} snapshots,"),
                TimeRemainingColumn(compact=True),
                TextColumn("left"),
                console=self._console,
                redirect_stdout=False,  # the link goes to the real standard output
                redirect_stderr=False,
                refresh_per_second=4,
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=self._filling.snapshots, hosts=self._hosts())
        self.update()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self) -> None:
        filling = self._filling
        if self._bar is not None:
            self._bar.update(self._task, completed=filling.snapshots_done, hosts=self._hosts())
            return
        now = time.monotonic()
        if now - self._line_at >= LINE_EVERY_S:
            self._line_at = now
            share = filling.snapshots_done / max(1, filling.snapshots)
            left = f", about {(now - self._began) * (1 - share) / share:.0f} s left" if share > 0.02 else ""
            self._console.print(
                f"Simulated fleet: {self._hosts()} hosts, {filling.snapshots_done:,} of {filling.snapshots:,} "
                f"snapshots{left}",
                highlight=False,
                soft_wrap=True,
            )

    def _hosts(self) -> str:
        return f"{self._filling.hosts_done} of {self._filling.hosts}"
