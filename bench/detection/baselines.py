"""What a user of Prometheus would write over the totals of programs, each with the threshold that does best on the very
corpus that it is judged on, and the best of a few times for which it must hold (`for:`): a bound from above for such
rules.

All work on the last count of each hour, and are evaluated once an hour (over seven days every fourth). An alarm is open
until its rule has been quiet for a day."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.analysis.instants import HOUR
from server.evaluation.labels import Label, LabelledHost
from server.evaluation.scoring import AFTER_CURE, Record

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

QUIET_H = 24
HELD_H = (1, 6, 24, 48, 72, 96)
_KNOWN = 2 / 3  # of a window's points, or nothing is said
_CERTAIN = (2.0, 3.0, 4.0)  # standard deviations of Mann-Kendall's S
_CANDIDATES = 240


class Fleet(NamedTuple):
    """Programs of all hosts by the hour: `counts` NaN where nothing is known; `limits` NaN where there is none.
    `begun` and `over` are the hours of a leak between which an alarm is true (NaN for the healthy)."""

    hosts: list[str]
    labels: list[Label]
    first_us: NDArray[np.int64]
    counts: Floats
    limits: Floats
    begun: Floats
    over: Floats


@dataclass(frozen=True, slots=True)
class Signal:
    """How strongly a rule speaks, and the growth per hour that it sees; NaN where it says nothing."""

    strength: Floats
    slope: Floats


def hourly(hosts: Iterable[LabelledHost]) -> Fleet:
    """Frames are let go one by one, so that the hosts may come from a generator."""
    names: list[str] = []
    labels: list[Label] = []
    firsts: list[int] = []
    rows: list[Floats] = []
    limits: list[float] = []
    for host in hosts:
        for label, counts, limit in _programs(host):
            names.append(host.name)
            labels.append(label)
            firsts.append(host.first_us)
            rows.append(counts)
            limits.append(limit)
    width = max(len(row) for row in rows)
    counts = np.stack([np.pad(row, (0, width - len(row)), constant_values=np.nan) for row in rows])
    first_us = np.array(firsts, np.int64)
    begun = [np.nan if one.onset_us is None else one.onset_us for one in labels]
    over = [np.inf if one.cured_us is None else one.cured_us + AFTER_CURE for one in labels]
    return Fleet(
        names,
        labels,
        first_us,
        counts,
        np.array(limits, np.float32),
        ((np.array(begun) - first_us) / HOUR).astype(np.float32),
        ((np.array(over) - first_us) / HOUR).astype(np.float32),
    )


def _programs(host: LabelledHost) -> Iterator[tuple[Label, Floats, float]]:
    frame = host.frame
    hours = (frame.times - frame.times[0]) // HOUR
    ends = np.flatnonzero(np.diff(hours, append=hours[-1] + 1))
    handles = frame.handles.last[:, ends]
    by_program: dict[str, list[int]] = {}
    for row, key in enumerate(frame.processes):
        by_program.setdefault(key.program, []).append(row)
    for label in host.labels:
        part = handles[by_program[label.program]]
        known = part >= 0
        sums = np.where(known.any(axis=0), np.where(known, part, 0).sum(axis=0), np.nan)
        counts = np.full(int(hours[-1]) + 1, np.nan, np.float32)
        counts[hours[ends]] = sums
        limit = float(frame.limits[by_program[label.program]].max())
        yield label, counts, limit if limit >= 0 else np.nan


def increase(fleet: Fleet, hours: int) -> Signal:
    """`delta(handles[24h])`"""
    index = np.maximum.accumulate(np.where(np.isnan(fleet.counts), 0, np.arange(fleet.counts.shape[1])), axis=1)
    filled = np.take_along_axis(fleet.counts, index, axis=1)
    change = np.full_like(filled, np.nan)
    change[:, hours:] = filled[:, hours:] - filled[:, :-hours]
    return Signal(change, (change / hours).astype(np.float32))


def _regression(counts: Floats, hours: int) -> tuple[Floats, Floats]:
    """Least squares over the last so many hours: slope, and the line's value now."""
    at = np.arange(counts.shape[1], dtype=np.float64)
    known = ~np.isnan(counts)
    centre = np.nansum(counts, axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    values = np.where(known, counts - centre, 0.0).astype(np.float64)

    def window(part: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.cumsum(np.pad(part, ((0, 0), (hours, 0))), axis=1)
        sums = np.concatenate([np.zeros((len(part), 1)), sums], axis=1)
        return np.asarray(sums[:, hours + 1 :] - sums[:, 1:-hours], np.float64)

    n, t, tt = window(known * 1.0), window(known * at), window(known * at * at)
    x, xt = window(values), window(values * at)
    spread = n * tt - t * t
    enough = (n >= max(_KNOWN * hours, 3)) & (spread > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(enough, (n * xt - t * x) / spread, np.nan)
        now = np.where(enough, (x - slope * t) / n + slope * at, np.nan) + centre
    return slope.astype(np.float32), now.astype(np.float32)


def derivative(fleet: Fleet, hours: int) -> Signal:
    """`deriv(handles[24h])`"""
    slope, _ = _regression(fleet.counts, hours)
    return Signal(slope, slope)


def prediction(fleet: Fleet, hours: int) -> Signal:
    """`predict_linear(handles[6h], …)` beyond the limit, or beyond twice what is there; as speed of arrival."""
    slope, now = _regression(fleet.counts, hours)
    there = np.maximum(now, 1.0)
    target = np.where(np.isnan(fleet.limits)[:, np.newaxis], 2 * there, fleet.limits[:, np.newaxis])
    arrival = slope / np.maximum(target - there, 1.0)
    return Signal(arrival.astype(np.float32), slope)


def mann_kendall(fleet: Fleet, hours: int, *, step: int) -> list[Signal]:
    """Sen's slope over every `step`-th hour of a window, where Mann-Kendall's test is certain; by certainty."""
    points = hours // step
    left, right = np.triu_indices(points, 1)
    apart = ((right - left) * step).astype(np.float32)
    width = fleet.counts.shape[1]
    slopes = np.full(fleet.counts.shape, np.nan, np.float32)
    scores = np.full(fleet.counts.shape, np.nan, np.float32)
    for hour in range(hours - 1, width, step if step > 2 else 1):
        window = fleet.counts[:, hour - (points - 1) * step : hour + 1 : step]
        enough = (~np.isnan(window)).sum(axis=1) >= _KNOWN * points
        if not enough.any():
            continue
        change = window[enough][:, right] - window[enough][:, left]
        sign = np.sign(change)
        slopes[enough, hour] = _median(change / apart)
        n = (~np.isnan(window[enough])).sum(axis=1)
        tied = np.sqrt(np.maximum(1 - (sign == 0).sum(axis=1) / np.maximum(n * (n - 1) / 2, 1), 1e-6))
        scores[enough, hour] = np.nansum(sign, axis=1) / (np.sqrt(n * (n - 1) * (2 * n + 5) / 18) * tied)
    return [Signal(np.where(scores >= sure, slopes, -np.inf).astype(np.float32), slopes) for sure in _CERTAIN]


def _median(values: Floats) -> Floats:
    """Of each row, without the NaN, which sorting puts last."""
    ordered = np.sort(values, axis=1)
    middle = (~np.isnan(ordered)).sum(axis=1) // 2
    return np.asarray(np.take_along_axis(ordered, middle[:, np.newaxis], axis=1)[:, 0], np.float32)


def held(strength: Floats, hours: int) -> Floats:
    """The least that a rule said in the last so many hours; where it said nothing, nothing is held against it."""
    least, reach = np.where(np.isnan(strength), np.inf, strength), 1
    while reach < hours:
        step = min(reach, hours - reach)
        before = np.pad(least, ((0, 0), (step, 0)), constant_values=-np.inf)[:, :-step]
        least, reach = np.minimum(least, before), reach + step
    return np.where(np.isnan(strength), np.nan, least).astype(np.float32)


def best_threshold(fleet: Fleet, strength: Floats) -> tuple[float, float]:
    """The threshold with the best F1 over programs, and that F1."""
    loud = np.where(np.isnan(strength), -np.inf, strength)
    hours = np.arange(loud.shape[1])
    true = (hours >= fleet.begun[:, np.newaxis]) & (hours <= fleet.over[:, np.newaxis])
    leaks = ~np.isnan(fleet.begun)
    inside = np.where(true, loud, -np.inf).max(axis=1)[leaks]
    outside = np.where(true, -np.inf, loud).max(axis=1)
    candidates = np.unique(np.concatenate([inside, outside]))
    candidates = candidates[np.isfinite(candidates) & (candidates > 0)]
    if len(candidates) == 0:
        return np.inf, 0.0
    candidates = np.unique(np.quantile(candidates, np.linspace(0, 1, _CANDIDATES), method="nearest"))
    best, best_f1 = np.inf, 0.0
    for threshold in candidates.tolist():
        hits = int((inside >= threshold).sum())
        wrong = int((outside[~leaks] >= threshold).sum())
        early = int(((outside[leaks] >= threshold) & (inside < threshold)).sum())
        f1 = 2 * hits / (hits + wrong + early + int(leaks.sum()))
        if f1 > best_f1:
            best, best_f1 = threshold, f1
    return best, best_f1


def records(fleet: Fleet, signal: Signal, threshold: float) -> Iterator[Record]:
    """The alarms that a rule raises: closed when it was quiet for a day."""
    raised = signal.strength >= threshold
    for row in np.flatnonzero(raised.any(axis=1)).tolist():
        hours = np.flatnonzero(raised[row])
        first = int(fleet.first_us[row])
        for part in np.split(hours, np.flatnonzero(np.diff(hours) > QUIET_H) + 1):
            last = int(part[-1])
            alive = np.flatnonzero(~np.isnan(fleet.counts[row]))
            resolved = last + QUIET_H < int(alive[-1])
            yield Record(
                fleet.hosts[row],
                fleet.labels[row].program,
                detected_at=first + (int(part[0]) + 1) * HOUR,
                state="resolved" if resolved else "leaking",
                resolved_at=first + (last + QUIET_H) * HOUR if resolved else None,
                rate_per_hour=float(signal.slope[row, last]),
            )


Rule = Callable[[Fleet], Sequence[Signal]]

RULES: dict[str, Rule] = {
    "increase over 24 h": lambda fleet: [increase(fleet, 24)],
    "deriv over 24 h": lambda fleet: [derivative(fleet, 24)],
    "deriv over 72 h": lambda fleet: [derivative(fleet, 72)],
    "predict_linear over 6 h": lambda fleet: [prediction(fleet, 6)],
    "Mann-Kendall, Sen, 24 h": lambda fleet: mann_kendall(fleet, 24, step=1),
    "Mann-Kendall, Sen, 72 h": lambda fleet: mann_kendall(fleet, 72, step=2),
    "Mann-Kendall, Sen, 168 h": lambda fleet: mann_kendall(fleet, 168, step=4),
}


def run(fleet: Fleet) -> Iterator[tuple[str, list[Record]]]:
    """Each rule at its best: of what it can be set to, the setting, the time to hold and the threshold with the best
    F1. The time is told with the rule's name."""
    for name, rule in RULES.items():
        best, best_name, best_f1 = list[Record](), name, 0.0
        for signal in rule(fleet):
            for hours in HELD_H:
                strength = held(signal.strength, hours)
                threshold, f1 = best_threshold(fleet, strength)
                if f1 > best_f1:
                    best = list(records(fleet, Signal(strength, signal.slope), threshold))
                    best_name, best_f1 = f"{name}, for {hours} h", f1
        yield best_name, best
