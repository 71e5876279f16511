"""What a detector's leaks are worth against the labels: found or not, how soon, how exactly, and what was cried in
vain; in all and by behaviour.

* An alarm is true when it is raised on a leaking program from its onset on and at most three days after its cure.
  Every other one is a false alarm, each by itself. A program counts as found with one true alarm, and as wrongly
  accused (for precision) when it is healthy and has any alarm, or leaks and has none but false ones.
* A leak older than the history is judged from its first snapshot on: the delay counts from there, and any onset between
  the true one and that snapshot is right.
* Rate, type, onset and delay are those of the first true alarm; a cured leak is resolved when all of its alarms are, a
  lasting one open when any of them is.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rich.table import Table

from server.analysis.instants import DAY, HOUR
from server.evaluation.labels import Label

AFTER_CURE = 3 * DAY
WEEK = 7 * DAY


class Judged(Protocol):
    """A host with its truth: what a `LabelledHost` and a line of labels.json have in common."""

    @property
    def name(self) -> str: ...
    @property
    def first_us(self) -> int: ...
    @property
    def last_us(self) -> int: ...
    @property
    def labels(self) -> Sequence[Label]: ...


@dataclass(frozen=True, slots=True)
class Truth:
    """A host's truth alone, without its history."""

    name: str
    first_us: int
    last_us: int
    labels: Sequence[Label]

    @classmethod
    def of(cls, host: Judged) -> "Truth":
        return cls(host.name, host.first_us, host.last_us, host.labels)


@dataclass(frozen=True, slots=True)
class Record:
    """A leak as a detector reports it, by the names of `GET /api/v1/leaks`; times in microseconds."""

    host: str
    program: str
    detected_at: int
    type: str | None = None
    state: str = "leaking"
    started_at: int | None = None
    resolved_at: int | None = None
    rate_per_hour: float | None = None
    limit: int | None = None
    exhausted_at: int | None = None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Record":
        """Of a mapping with these keys, and any others."""
        return cls(**{name: item[name] for name in cls.__slots__ if name in item})


@dataclass(frozen=True, slots=True)
class Found:
    """One leaking program and what was said of it; without a true alarm, all but the delay is None."""

    host: str
    label: Label
    delay_h: float  # infinite for a miss
    rate_error: float | None = None
    onset_error_h: float | None = None
    type_right: bool | None = None
    before_limit: bool | None = None
    settled: bool | None = None  # resolved if cured, open if lasting


@dataclass(slots=True)
class Report:
    """`healthy` counts programs by behaviour, `accused` those of them with an alarm; `false_alarms` come with their
    behaviour."""

    host_weeks: float
    found: list[Found] = field(default_factory=list)
    healthy: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    accused: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    false_alarms: list[tuple[str, Record]] = field(default_factory=list)
    only_false: int = 0  # leaking programs with none but false alarms

    @property
    def hits(self) -> int:
        return sum(math.isfinite(one.delay_h) for one in self.found)

    @property
    def recall(self) -> float:
        return _ratio(self.hits, len(self.found))

    @property
    def precision(self) -> float:
        return _ratio(self.hits, self.hits + sum(self.accused.values()) + self.only_false)

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both > 0 else 0.0

    @property
    def false_alarms_per_host_week(self) -> float:
        return _ratio(len(self.false_alarms), self.host_weeks)

    def delay(self, share: float) -> float:
        return quantile([one.delay_h for one in self.found], share)

    @property
    def rate_error(self) -> float:
        return quantile([one.rate_error for one in self.found if one.rate_error is not None], 0.5)

    @property
    def onset_error_h(self) -> float:
        return quantile([one.onset_error_h for one in self.found if one.onset_error_h is not None], 0.5)

    @property
    def type_share(self) -> float:
        return _share([one.type_right for one in self.found])

    @property
    def before_limit_share(self) -> float:
        return _share([one.before_limit for one in self.found])

    @property
    def cured_resolved_share(self) -> float:
        return _share([one.settled for one in self.found if one.label.cured_us is not None])

    @property
    def lasting_open_share(self) -> float:
        return _share([one.settled for one in self.found if one.label.cured_us is None])


def score(hosts: Iterable[Judged], leaks: Iterable[Record]) -> Report:
    """Names of hosts and programs are compared without case."""
    by_program: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in leaks:
        by_program[record.host.lower(), record.program.lower()].append(record)
    report = Report(0.0)
    for host in hosts:
        report.host_weeks += (host.last_us - host.first_us) / WEEK
        for label in host.labels:
            records = by_program.pop((host.name.lower(), label.program.lower()), [])
            records.sort(key=lambda record: record.detected_at)
            if label.leaks:
                _judge_leak(report, host, label, records)
            else:
                report.healthy[label.behaviour] += 1
                report.accused[label.behaviour] += bool(records)
                report.false_alarms += [(label.behaviour, record) for record in records]
    for strays in by_program.values():  # of programs that there are not
        report.accused["unknown program"] += 1
        report.false_alarms += [("unknown program", record) for record in strays]
    return report


def _judge_leak(report: Report, host: Judged, label: Label, records: list[Record]) -> None:
    if label.onset_us is None:
        raise ValueError(f"{label.program} of {host.name} leaks since an unknown time")
    until = math.inf if label.cured_us is None else label.cured_us + AFTER_CURE
    true = [record for record in records if label.onset_us <= record.detected_at <= until]
    report.false_alarms += [(label.behaviour, record) for record in records if record not in true]
    limited = None if label.at_limit_us is None or label.at_limit_us <= host.first_us else label.at_limit_us
    if not true:
        report.only_false += bool(records)
        missed = None if limited is None else False
        report.found.append(Found(host.name, label, math.inf, before_limit=missed))
        return
    first = true[0]
    since = max(label.onset_us, host.first_us)
    report.found.append(
        Found(
            host.name,
            label,
            delay_h=max(first.detected_at - since, 0) / HOUR,
            rate_error=_rate_error(label, first),
            onset_error_h=_onset_error(label, first, since),
            type_right=None if label.type is None else first.type == label.type,
            before_limit=None if limited is None else first.detected_at < limited,
            settled=_settled(label, true),
        )
    )


def _rate_error(label: Label, record: Record) -> float | None:
    if not label.rate_per_hour or record.rate_per_hour is None:
        return None
    return abs(record.rate_per_hour - label.rate_per_hour) / label.rate_per_hour


def _onset_error(label: Label, record: Record, since: int) -> float | None:
    if record.started_at is None or label.onset_us is None:
        return None
    return max(label.onset_us - record.started_at, record.started_at - since, 0) / HOUR


def _settled(label: Label, records: list[Record]) -> bool:
    still = [record.state == "leaking" for record in records]
    return any(still) if label.cured_us is None else not any(still)


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that this share of all do not exceed; infinite ones are values like others. NaN for none."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else math.nan


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _share(values: Sequence[bool | None]) -> float:
    known = [value for value in values if value is not None]
    return _ratio(sum(known), len(known))


def _number(value: float, form: str) -> str:
    return "–" if math.isnan(value) else "∞" if math.isinf(value) else format(value, form)


def summary(reports: Mapping[str, Report]) -> Table:
    """One row per detector."""
    table = Table(title="Detectors", title_justify="left")
    table.add_column("detector")
    headings = ("F1", "precision", "recall", "false/host-week", "delay h", "p90 h", "rate err", "onset err h", "type")
    for heading in (*headings, "before limit", "cured resolved", "lasting open"):
        table.add_column(heading, justify="right")
    for name, report in reports.items():
        values = (
            (report.f1, ".3f"),
            (report.precision, ".3f"),
            (report.recall, ".3f"),
            (report.false_alarms_per_host_week, ".3f"),
            (report.delay(0.5), ".1f"),
            (report.delay(0.9), ".1f"),
            (report.rate_error, ".1%"),
            (report.onset_error_h, ".1f"),
            (report.type_share, ".1%"),
            (report.before_limit_share, ".0%"),
            (report.cured_resolved_share, ".0%"),
            (report.lasting_open_share, ".0%"),
        )
        table.add_row(name, *(_number(value, form) for value, form in values))
    return table


def recall_by_behaviour(reports: Mapping[str, Report]) -> Table:
    """One row per leaking behaviour: the share found, and the median delay, by each detector."""
    table = Table(title="Leaks found, and median delay in hours, by behaviour", title_justify="left")
    table.add_column("behaviour")
    table.add_column("leaks", justify="right")
    for name in reports:
        table.add_column(name, justify="right")
    kinds = sorted({one.label.behaviour for report in reports.values() for one in report.found})
    for kind in kinds:
        cells, count = [], 0
        for report in reports.values():
            of_kind = [one for one in report.found if one.label.behaviour == kind]
            count = len(of_kind)
            hit = sum(math.isfinite(one.delay_h) for one in of_kind)
            delay = quantile([one.delay_h for one in of_kind], 0.5)
            cells.append(f"{_number(_ratio(hit, count), '.0%')} {_number(delay, '.0f'):>4}")
        table.add_row(kind, str(count), *cells)
    return table


def false_alarms_by_behaviour(reports: Mapping[str, Report]) -> Table:
    """One row per behaviour with a false alarm: the programs accused, and the alarms."""
    table = Table(title="Programs accused in vain / false alarms, by behaviour", title_justify="left")
    table.add_column("behaviour")
    table.add_column("programs", justify="right")
    for name in reports:
        table.add_column(name, justify="right")
    kinds = sorted({kind for report in reports.values() for kind, _ in report.false_alarms})
    for kind in kinds:
        programs = next((report.healthy[kind] for report in reports.values() if kind in report.healthy), 0)
        cells = []
        for report in reports.values():
            of_kind = [record for behaviour, record in report.false_alarms if behaviour == kind]
            accused = len({(record.host, record.program) for record in of_kind})
            cells.append(f"{accused} / {len(of_kind)}" if of_kind else "")
        table.add_row(kind, str(programs) if programs else "", *cells)
    return table


def tables(reports: Mapping[str, Report]) -> list[Table]:
    return [summary(reports), recall_by_behaviour(reports), false_alarms_by_behaviour(reports)]
