"""The detector run over labelled histories: what it says of each host, as it would be read from the API."""

from collections.abc import Iterable, Iterator

from server.analysis.floors import floors
from server.analysis.leaking import leaks
from server.analysis.names import folds_case
from server.evaluation.labels import LabelledHost
from server.evaluation.scoring import Record, Report, Truth, score

NAME = "Handlewatch"


def records(host: LabelledHost) -> Iterator[Record]:
    for leak in leaks(floors(host.frame, fold=folds_case(host.os_family))):
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


def evaluate(hosts: Iterable[LabelledHost]) -> Report:
    """Hosts are judged and let go one by one."""
    truths: list[Truth] = []
    found: list[Record] = []
    for host in hosts:
        truths.append(Truth.of(host))
        found += records(host)
    return score(truths, found)
