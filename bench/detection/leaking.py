"""Programs that leak, by behaviour. Each draws its own numbers from wide ranges; what is leaked, net, is a `Growth`
over the whole history, of which a process shows what was leaked since it was born."""

from collections.abc import Callable

import numpy as np

from bench.detection.life import Leak, Life, Setting, resident, some_restarts
from bench.detection.ordinary import draw_base, ordinary
from bench.detection.shapes import Floats, Growth, Load, constant, log_uniform, noise, sawtooth, wander

Behaviour = Callable[[Setting], Life]

_GRID_H = 0.25
_LIMITS = (1024, 4096, 8192, 16_384, 65_536, 524_288)
_MOST = 12_000_000  # handles that a leak may reach in a history


def _grid(s: Setting, onset: float) -> Floats:
    return np.arange(onset, s.end + 1 + _GRID_H, _GRID_H)


def _steady(s: Setting, onset: float, rate: float, until: float | None = None) -> Growth:
    end = s.end + 1 if until is None else until
    return Growth(np.array([onset, end]), np.array([0.0, rate * (end - onset)]))


def _onset(s: Setting, latest: float = 0.55) -> float:
    """Before the history (the process is older than it) in one of five, else early enough to be told at all."""
    if s.rng.random() < 0.2:
        return max(s.uptimes[0][0] + 0.1, -log_uniform(s.rng, 2, 700))
    return s.hour(0.02, latest)


def _resident(
    s: Setting, growth: Growth, onset: float, *, base: float | None = None, temper: str | None = None
) -> Life:
    """A service with an ordinary life, rarely restarted, that leaks handles of one type."""
    kind = s.leading_type()
    daily = growth.rate(onset, s.end) * 24
    recipe = ordinary(s, base=base, daily_growth=daily, temper=temper).add(kind, growth.part())
    restarts = some_restarts(s, a_month=0.15)
    return Life(recipe.lives(s, resident(s, restarts)), Leak(growth, onset, kind))


def steady_slow(s: Setting) -> Life:
    onset = _onset(s)
    growth = _steady(s, onset, log_uniform(s.rng, 0.5, 15))
    temper = str(s.rng.choice(["noisy", "daily", "busy", "wandering", "collected"]))
    return _resident(s, growth, onset, base=log_uniform(s.rng, 100, 20_000), temper=temper)


def creeping(s: Setting) -> Life:
    """A few handles a day on a calm base; each at its own moment."""
    onset = _onset(s, 0.4)
    a_day = log_uniform(s.rng, 1.5, 12)
    count = int(a_day / 24 * (s.end - onset) * 1.3) + 20
    at = onset + np.concatenate([[0.0], np.cumsum(s.rng.exponential(24 / a_day, count))])
    growth = Growth(at, np.arange(1.0, len(at) + 1), steps=True)
    return _resident(s, growth, onset, base=log_uniform(s.rng, 5, 5000), temper="calm")


def fast(s: Setting) -> Life:
    onset = _onset(s, 0.85)
    rate = log_uniform(s.rng, 60, 20_000)
    rate = min(rate, _MOST / (s.end - onset))
    return _resident(s, _steady(s, onset, rate), onset)


def _stairs(onset: float, gaps: Floats, sizes: Floats) -> Growth:
    return Growth(onset + np.concatenate([[0.0], np.cumsum(gaps)]), np.cumsum(sizes), steps=True)


def stairs_regular(s: Setting) -> Life:
    onset, every = _onset(s, 0.45), log_uniform(s.rng, 0.25, 24)
    count = int((s.end - onset) / every) + 2
    size = log_uniform(s.rng, 1, 200) if every > 2 else log_uniform(s.rng, 1, 20)
    sizes = np.maximum(1, np.rint(size * s.rng.uniform(0.8, 1.2, count + 1)))
    gaps = np.full(count, every) + s.rng.normal(0, every * 0.02, count)
    return _resident(s, _stairs(onset, gaps, sizes), onset)


def stairs_random(s: Setting) -> Life:
    onset, every = _onset(s, 0.4), log_uniform(s.rng, 0.5, 16)
    count = int((s.end - onset) / every * 2) + 40
    size = log_uniform(s.rng, 3, 300)
    sizes = np.maximum(1, np.rint(s.rng.lognormal(np.log(size), s.rng.uniform(0.1, 0.8), count + 1)))
    return _resident(s, _stairs(onset, s.rng.exponential(every, count), sizes), onset)


def _integral(s: Setting, onset: float, speed: Callable[[Floats], Floats]) -> Growth:
    hours = _grid(s, onset)
    gained = np.cumsum(speed(hours[:-1] + _GRID_H / 2)) * _GRID_H
    return Growth(hours, np.concatenate([[0.0], gained]))


def with_load(s: Setting) -> Life:
    """More by day than by night, on top of honest handles that follow the same load."""
    onset, rate = _onset(s, 0.45), log_uniform(s.rng, 1, 400)
    load = Load.draw(s.rng, s.clock)
    growth = _integral(s, onset, lambda hours: 2 * rate * load.at(hours))
    kind = s.leading_type()
    recipe = ordinary(s, daily_growth=rate * 24, temper="calm").add(kind, growth.part())
    recipe.add(s.leading_type(), load.connections(s.rng, rate * 24 * log_uniform(s.rng, 0.2, 10)))
    return Life(recipe.lives(s, resident(s, some_restarts(s, a_month=0.15))), Leak(growth, onset, kind))


def after_health(s: Setting) -> Life:
    """Days of health in a running process, then the leak."""
    onset = s.hour(0.25, 0.6)
    rate = log_uniform(s.rng, 1.5, 500)
    return _resident(s, _steady(s, onset, rate), onset)


def after_update(s: Setting) -> Life:
    """The program is replaced by a version that leaks from its first minute on."""
    onset = s.hour(0.15, 0.6)
    growth = _steady(s, onset, log_uniform(s.rng, 1.5, 500))
    kind = s.leading_type()
    recipe = ordinary(s, daily_growth=growth.rate(onset, s.end) * 24).add(kind, growth.part())
    return Life(recipe.lives(s, resident(s, [onset])), Leak(growth, onset, kind))


def across_restarts(s: Setting) -> Life:
    """The count falls back with each new process, and the leak goes on in it."""
    onset = _onset(s, 0.3)
    every = log_uniform(s.rng, 10, 80)
    rate = log_uniform(s.rng, 1.5, 400) * max(1.0, 24 / every)
    if s.rng.random() < 0.5:
        restarts = s.clock.occasions(s.rng.uniform(0, 24), (0.0, s.end))[:: max(1, round(every / 24))].tolist()
    else:
        restarts = (np.cumsum(s.rng.gamma(4, every / 4, int(s.end / every) * 2 + 4))).tolist()
    growth = _steady(s, onset, rate)
    kind = s.leading_type()
    recipe = ordinary(s, daily_growth=rate * every * 0.5).add(kind, growth.part())
    return Life(recipe.lives(s, resident(s, restarts)), Leak(growth, onset, kind))


def two_forward_one_back(s: Setting) -> Life:
    """A clean-up at intervals returns a part of what was taken since the one before, never all."""
    onset, every = _onset(s, 0.4), log_uniform(s.rng, 1, 24)
    gain, back = log_uniform(s.rng, 2, 300) * every, s.rng.uniform(0.2, 0.75)
    count = int((s.end - onset) / every) + 3
    gains = gain * s.rng.uniform(0.7, 1.3, count)
    backs = gains * (back + s.rng.uniform(-0.1, 0.1, count))
    ends = onset + every * np.arange(1, count + 1)
    hours = np.stack([ends - 0.02, ends], axis=1).ravel()
    changes = np.stack([gains, -backs], axis=1).ravel()
    growth = Growth(np.concatenate([[onset], hours]), np.concatenate([[0.0], np.cumsum(changes)]))
    return _resident(s, growth, onset)


def _jobs(s: Setting, onset: float, *, a_job: float, span: float, nights: Floats) -> Growth:
    sizes = np.maximum(1, np.rint(a_job * s.rng.uniform(0.6, 1.4, len(nights))))
    hours = np.stack([nights, nights + span], axis=1).ravel()
    totals = np.concatenate([[0.0], np.cumsum(sizes)])
    return Growth(
        np.concatenate([[onset - 1e-6], hours]),
        np.concatenate([[0.0], np.stack([totals[:-1], totals[1:]], axis=1).ravel()]),
    )


def nightly_job(s: Setting) -> Life:
    """Flat all day; the night's job of a long-lived process leaves its handles behind."""
    rng = s.rng
    hour = rng.uniform(18, 30) % 24 if rng.random() < 0.85 else rng.uniform(0, 24)
    since = -24.0 * rng.integers(1, 20) if rng.random() < 0.15 else s.hour(0.02, 0.35)
    span = log_uniform(rng, 0.1, 5)
    nights = s.clock.occasions(hour, (since, s.end + 24))
    if rng.random() < 0.15:  # not on each night of the week
        nights = nights[s.clock.weekday(nights) < rng.integers(5, 7)]
    nights = nights + np.clip(rng.normal(0, rng.uniform(0, 0.3), len(nights)), -1, 1)
    onset = float(nights[0])
    a_job = log_uniform(rng, 4, 3000)
    growth = _jobs(s, onset, a_job=a_job, span=span, nights=nights)
    kind = s.leading_type()
    base = log_uniform(rng, 10, 10_000) if a_job < 30 else None
    temper = str(rng.choice(["calm", "calm", "calm", "noisy", "daily"]))
    recipe = ordinary(s, base=base, daily_growth=a_job, temper=temper).add(kind, growth.part())
    lives = recipe.lives(s, resident(s, some_restarts(s, a_month=0.1)))
    return Life(lives, Leak(growth, onset, kind), object_of=kind)


def one_type(s: Setting) -> Life:
    """One type grows while others shrink or wander as much, so that the total says nothing."""
    rng = s.rng
    onset, rate = _onset(s, 0.4), log_uniform(rng, 1, 100)
    growth = _steady(s, onset, rate)
    kind = s.leading_type()
    others = [name for name in ("File", "Key", "Section", "file", "socket", "pipe") if name != kind]
    other = str(rng.choice([name for name in others if name[0].isupper() == (s.family == "windows")]))
    gained = growth.at(np.array([s.end]))[0]
    recipe = ordinary(s, daily_growth=rate * 24, temper="calm").add(kind, growth.part())
    if rng.random() < 0.5:  # the other shrinks at about the same rate, for other reasons
        recipe.add(other, constant(gained * rng.uniform(1.05, 1.5)), lambda hours, _born: -growth.at(hours))
        recipe.add(other, wander(rng, spread=gained * 0.03, tau_h=log_uniform(rng, 2, 20), between=s.span))
    else:
        spread = gained * rng.uniform(0.3, 0.7)
        recipe.add(
            other, constant(3 * spread), wander(rng, spread=spread, tau_h=log_uniform(rng, 4, 40), between=s.span)
        )
    return Life(recipe.lives(s, resident(s)), Leak(growth, onset, kind))


def one_of_several(s: Setting) -> Life:
    """Several processes share a name; one of them leaks while the others live, wander and come and go."""
    rng = s.rng
    onset, rate = s.hour(0.02, 0.45), log_uniform(rng, 1.5, 300)
    growth = _steady(s, onset, rate)
    kind, base = s.leading_type(), draw_base(s)
    temper = str(rng.choice(["calm", "noisy", "wandering", "daily"]))
    leaking = ordinary(s, base=base, daily_growth=rate * 24, temper=temper).add(kind, growth.part())
    instances = leaking.lives(s, resident(s))
    for _ in range(int(rng.integers(1, 8))):
        other = ordinary(s, base=base * rng.uniform(0.5, 1.5), daily_growth=rate * 12, temper=temper)
        instances += other.lives(s, resident(s, some_restarts(s, a_month=rng.choice([0, 0, 2]))))
    return Life(instances, Leak(growth, onset, kind))


def to_the_limit(s: Setting) -> Life:
    """Up to the limit, and flat there: pinned is not healthy."""
    onset, limit = s.hour(0.02, 0.4), int(s.rng.choice(_LIMITS))
    base = min(draw_base(s), limit * s.rng.uniform(0.03, 0.22))
    reached = s.rng.uniform(onset / s.end + 0.12, 0.9) * s.end
    growth = _steady(s, onset, (limit - base) / (reached - onset))
    kind = s.leading_type()
    temper = str(s.rng.choice(["calm", "noisy"]))
    recipe = ordinary(s, base=base, daily_growth=growth.rate(onset, s.end), temper=temper).add(kind, growth.part())
    return Life(recipe.lives(s, resident(s)), Leak(growth, onset, kind), limit=limit)


def runaway(s: Setting) -> Life:
    """From nothing to the limit within hours."""
    onset, limit = s.hour(0.02, 0.95), int(s.rng.choice((4096, 65_536, 524_288, 1_048_576)))
    base = min(draw_base(s), limit * s.rng.uniform(0.03, 0.22))
    growth = _steady(s, onset, (limit - base) / log_uniform(s.rng, 1.5, 12))
    kind = s.leading_type()
    recipe = ordinary(s, base=base, temper=str(s.rng.choice(["calm", "noisy"]))).add(kind, growth.part())
    return Life(recipe.lives(s, resident(s)), Leak(growth, onset, kind), limit=limit)


def stuck_at_the_limit(s: Setting) -> Life:
    """It was there before the first snapshot, and has been flat since: only the limit itself tells."""
    born = s.uptimes[0][0] + 0.2
    onset, limit = born * s.rng.uniform(0.5, 0.95), int(s.rng.choice(_LIMITS[:4]))
    reached = onset * s.rng.uniform(0.05, 0.8)
    base = limit * s.rng.uniform(0.05, 0.5)
    growth = _steady(s, onset, (limit - base / 2) / (reached - onset))
    kind = s.leading_type()
    recipe = ordinary(s, base=base, temper="calm").add(kind, growth.part())
    return Life(recipe.lives(s, resident(s)), Leak(growth, onset, kind, at_limit=reached), limit=limit)


def cured(s: Setting) -> Life:
    """Until an update: then the count is back at its base, and stays there."""
    onset, cure = s.hour(0.02, 0.2), s.hour(0.55, 0.75)
    growth = _steady(s, onset, log_uniform(s.rng, 2, 1000), until=cure)
    kind = s.leading_type()
    daily = growth.rate(onset, cure) * 24
    recipe = ordinary(s, daily_growth=daily).add(kind, growth.part())
    return Life(recipe.lives(s, resident(s, [cure])), Leak(growth, onset, kind, cured=cure))


def cured_nightly(s: Setting) -> Life:
    cure = s.hour(0.6, 0.75)
    nights = s.clock.occasions(s.rng.uniform(0, 6), (s.hour(0.0, 0.1), cure - 5))
    onset = float(nights[0])
    a_job = log_uniform(s.rng, 5, 2000)
    growth = _jobs(s, onset, a_job=a_job, span=log_uniform(s.rng, 0.1, 4), nights=nights)
    kind = s.leading_type()
    recipe = ordinary(s, daily_growth=a_job, temper="calm").add(kind, growth.part())
    return Life(recipe.lives(s, resident(s, [cure])), Leak(growth, onset, kind, cured=cure), object_of=kind)


def under_collections(s: Setting) -> Life:
    """The base of a garbage collector's sawtooth rises, slowly under high teeth."""
    onset, rate = _onset(s, 0.4), log_uniform(s.rng, 1, 60)
    growth = _steady(s, onset, rate)
    kind, period = s.leading_type(), log_uniform(s.rng, 1, 12)
    teeth = sawtooth(
        s.rng,
        height=rate * 24 * log_uniform(s.rng, 0.5, 15),
        period_h=period,
        between=s.span,
        ragged=s.rng.uniform(0, 0.4),
    )
    recipe = ordinary(s, daily_growth=rate * 24, temper="calm").add(kind, growth.part(), teeth)
    return Life(recipe.lives(s, resident(s)), Leak(growth, onset, kind))


def accelerating(s: Setting) -> Life:
    """Faster each day, as what causes it grows as well."""
    onset, rate = s.hour(0.02, 0.4), log_uniform(s.rng, 1, 100)
    daily = s.rng.uniform(0.02, 0.15)
    growth = _integral(s, onset, lambda hours: rate * (1 + daily) ** ((hours - onset) / 24))
    return _resident(s, growth, onset)


def paused_at_weekends(s: Setting) -> Life:
    onset, rate = _onset(s, 0.35), log_uniform(s.rng, 1.5, 300)
    load = Load(s.clock, "office", s.rng.uniform(11, 15), s.rng.uniform(0, 0.3), 0.0, np.ones(1))
    growth = _integral(s, onset, lambda hours: rate * load.at(hours) * (s.clock.weekday(hours) < 5))
    return _resident(s, growth, onset, temper=str(s.rng.choice(["calm", "noisy", "daily"])))


def bursts(s: Setting) -> Life:
    """Errors leak, and errors come in bursts of hours with quiet days between."""
    onset = s.hour(0.02, 0.35)
    every = log_uniform(s.rng, 6, 30)
    count = int((s.end - onset) / every * 2) + 20
    starts = onset + np.concatenate([[0.0], np.cumsum(s.rng.gamma(3, every / 3, count))])
    spans = np.minimum(s.rng.exponential(1.5, count) + 0.05, np.diff(starts) * 0.9)
    sizes = s.rng.lognormal(np.log(log_uniform(s.rng, 10, 1000)), 0.5, count)
    hours = np.stack([starts[:-1], starts[:-1] + spans], axis=1).ravel()
    totals = np.concatenate([[0.0], np.cumsum(sizes)])
    growth = Growth(hours, np.stack([totals[:-1], totals[1:]], axis=1).ravel())
    return _resident(s, growth, onset, temper=str(s.rng.choice(["calm", "noisy"])))


def weekly_recycled(s: Setting) -> Life:
    """Someone restarts it each week because it leaks."""
    rate = log_uniform(s.rng, 1.5, 200)
    onset = max(s.uptimes[0][0], -24.0 * s.rng.uniform(7, 30))
    growth = _steady(s, onset, rate)
    kind = s.leading_type()
    recycled = s.clock.occasions(s.rng.uniform(0, 24), (0.0, s.end))
    recycled = recycled[s.clock.weekday(recycled) == s.rng.integers(0, 7)]
    recipe = ordinary(s, daily_growth=rate * 24).add(kind, growth.part())
    return Life(recipe.lives(s, resident(s, recycled.tolist())), Leak(growth, onset, kind))


def noisy_threads(s: Setting) -> Life:
    """Threads and their events leak by the hour from a pool whose size keeps changing."""
    onset, rate = _onset(s, 0.4), log_uniform(s.rng, 2, 50)
    growth = _steady(s, onset, rate)
    kind = "Thread" if s.family == "windows" else "eventfd" if s.family == "linux" else "other"
    swing = rate * log_uniform(s.rng, 2, 60)
    recipe = ordinary(s, daily_growth=rate * 24, temper="calm")
    recipe.add(kind, constant(2.5 * swing), noise(s.rng, swing / 2), growth.part())
    return Life(recipe.lives(s, resident(s)), Leak(growth, onset, kind))


LEAKING: dict[Behaviour, float] = {
    steady_slow: 15,
    creeping: 9,
    nightly_job: 15,
    fast: 5,
    stairs_regular: 5,
    stairs_random: 5,
    with_load: 7,
    after_health: 6,
    after_update: 5,
    across_restarts: 7,
    two_forward_one_back: 5,
    one_type: 6,
    one_of_several: 5,
    to_the_limit: 6,
    runaway: 2,
    stuck_at_the_limit: 1,
    cured: 5,
    cured_nightly: 2,
    under_collections: 3,
    accelerating: 2,
    paused_at_weekends: 3,
    bursts: 2,
    weekly_recycled: 2,
    noisy_threads: 2,
}
