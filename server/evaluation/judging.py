"""The detector run over labelled histories: what it says of each host, as it would be read from the API."""

from collections.abc import Iterable, Iterator

import numpy as np

from server.analysis.digest import digest
from server.analysis.floors import LOOK_BACK_DAYS, laid_out
from server.analysis.frames import Frame, take
from server.analysis.instants import DAY, HOUR
from server.analysis.leaking import Leak, followed
from server.analysis.names import folds_case
from server.evaluation.labels import LabelledHost
from server.evaluation.scoring import Record, Report, Truth, score

NAME = "Handlewatch"


def records(host: LabelledHost) -> Iterator[Record]:
    for leak in judged(host.frame, fold=folds_case(host.os_family)):
        yield Record(
            host.name,
            leak.program,
            leak.detected_us,
            leak.type,
            "leaking" if leak.resolved_us is None else "resolved",
            started_at=leak.started_us,
            resolved_at=leak.resolved_us,
            rate_per_hour=leak.rate_per_hour,
            limit=leak.limit,
        )


def judged(frame: Frame, *, fold: bool) -> list[Leak]:
    """Day by day, as a server does it."""
    newest_us = int(frame.shown.max())
    days = digest([take(frame, np.flatnonzero(frame.shown < newest_us // HOUR * HOUR))], None, fold=fold)
    found: list[Leak] = []
    for at, day in enumerate(days):
        next_us = days[at + 1].begins_us if at + 1 < len(days) else newest_us
        window = [one for one in days[: at + 1] if one.day_us >= day.day_us - LOOK_BACK_DAYS * DAY]
        found = followed(laid_out(window, next_us), day.day_us, found)
    return found


def evaluate(hosts: Iterable[LabelledHost]) -> Report:
    """Hosts are judged and let go one by one."""
    truths: list[Truth] = []
    found: list[Record] = []
    for host in hosts:
        truths.append(Truth.of(host))
        found += records(host)
    return score(truths, found)
