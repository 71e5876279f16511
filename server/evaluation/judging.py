"""The detector run over labelled histories: what it says of each host, as it would be read from the API."""

from collections.abc import Iterable, Iterator

import numpy as np

from server.analysis.digest import Digest, digest
from server.analysis.floors import LOOK_BACK_DAYS, laid_out
from server.analysis.following import by_key, hours_worth, keeper
from server.analysis.frames import Frame, between, take
from server.analysis.instants import DAY
from server.analysis.lately import live
from server.analysis.leaking import Leak, followed, with_races
from server.analysis.names import folds_case
from server.analysis.racing import LOOK_BACK, Race, races_by_hour
from server.analysis.worth import EACH, summary
from server.analysis.worth import LOOK_BACK_DAYS as WORTH_LOOK_BACK_DAYS
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
    """Day by day and hour by hour, as a server does it."""
    newest_us = int(frame.shown.max())
    whole_us = newest_us // EACH * EACH
    days = digest([take(frame, np.flatnonzero(frame.shown < whole_us))], None, fold=fold)
    found: list[Leak] = []
    window: list[Digest] = []
    for at, day in enumerate(days):
        until_us = min(day.day_us + DAY, whole_us)
        next_us = days[at + 1].begins_us if at + 1 < len(days) else int(frame.shown[frame.shown >= until_us].min())
        window = [one for one in days[: at + 1] if one.day_us >= day.day_us - LOOK_BACK_DAYS * DAY]
        racing = _races(frame, window, day.day_us, until_us, fold=fold)
        former = [summary(one) for one in window[:-1] if one.day_us >= day.day_us - WORTH_LOOK_BACK_DAYS * DAY]
        yesterday = window[-2] if len(window) > 1 else None
        part = between(frame, day.day_us, until_us - 1)
        found = followed(
            laid_out(window, next_us),
            day.day_us,
            found,
            racing,
            looked=hours_worth(day, yesterday, former, day.day_us, until_us),
            keep=keeper(racing, part, day.day_us, fold=fold),
        )
    last = _races(frame, window, whole_us, newest_us + 1, fold=fold)
    found = with_races(found, by_key(last, fold=fold))
    newest = between(frame, whole_us, newest_us)
    found = [keeper(last, newest, whole_us, fold=fold)(leak) for leak in found]
    return live(found, newest, fold=fold, lately=between(frame, newest_us - LOOK_BACK, newest_us))


def _races(frame: Frame, days: list[Digest], from_us: int, to_us: int, *, fold: bool) -> list[Race]:
    return races_by_hour([between(frame, from_us - LOOK_BACK, to_us - 1)], days, from_us, to_us, fold=fold)


def evaluate(hosts: Iterable[LabelledHost]) -> Report:
    """Hosts are judged and let go one by one."""
    truths: list[Truth] = []
    found: list[Record] = []
    for host in hosts:
        truths.append(Truth.of(host))
        found += records(host)
    return score(truths, found)
