"""Programs that do not leak, by behaviour: plain ones, and all that looks like a leak for a day or a week."""

from collections.abc import Callable

import numpy as np

from bench.detection.life import Instance, Life, Recipe, Setting, resident, some_restarts, spread_base
from bench.detection.ordinary import draw_base, ordinary
from bench.detection.shapes import (
    Floats,
    Load,
    Part,
    constant,
    decays,
    flicker,
    log_uniform,
    noise,
    pulses,
    sawtooth,
    slow_fill,
    spikes,
    steps,
    wander,
    warm_up,
)

Behaviour = Callable[[Setting], Life]


def _service(s: Setting, recipe: Recipe, *, a_month: float = 0.5) -> Life:
    return Life(recipe.lives(s, resident(s, some_restarts(s, a_month=a_month))))


def _height(s: Setting, base: float) -> float:
    """How much comes on top of a base: a few handles to several times as many."""
    return max(base, 10.0) * log_uniform(s.rng, 0.05, 5)


def constant_count(s: Setting) -> Life:
    recipe = spread_base(s, draw_base(s))
    if s.rng.random() < 0.5:
        recipe.add(s.leading_type(), flicker(s.rng, log_uniform(s.rng, 0.0005, 0.1), 3))
    return _service(s, recipe)


def everyday(s: Setting) -> Life:
    """Any ordinary life."""
    life = _service(s, ordinary(s), a_month=1)
    if s.rng.random() < 0.3:
        life.object_of = s.leading_type()
    return life


def white_noise(s: Setting) -> Life:
    base = draw_base(s)
    spread = max(base, 8) * log_uniform(s.rng, 0.01, 0.3)
    return _service(s, spread_base(s, base).add(s.leading_type(), constant(2 * spread), noise(s.rng, spread)))


def slow_wander(s: Setting) -> Life:
    base = draw_base(s)
    spread = max(base, 8) * log_uniform(s.rng, 0.02, 0.4)
    slow = wander(s.rng, spread=spread, tau_h=log_uniform(s.rng, 1, 20), between=s.span)
    return _service(
        s, spread_base(s, base).add(s.leading_type(), constant(2.5 * spread), slow, noise(s.rng, spread / 10))
    )


def day_and_night(s: Setting) -> Life:
    base = draw_base(s)
    load = Load.draw(s.rng, s.clock)
    part = load.level if s.rng.random() < 0.4 else lambda most: load.connections(s.rng, most)
    return _service(s, spread_base(s, base).add(s.leading_type(), part(_height(s, base))))


def weekly(s: Setting) -> Life:
    base = draw_base(s)
    load = Load.draw(s.rng, s.clock)
    load.weekend = float(s.rng.uniform(0, 0.3))
    day_of = s.rng.uniform(0.6, 1.4, 7)
    height = _height(s, base)

    def part(hours: Floats, _born: float) -> Floats:
        return s.rng.poisson(height * load.at(hours) * day_of[s.clock.weekday(hours)]).astype(np.float64)

    return _service(s, spread_base(s, base).add(s.leading_type(), part))


def monday_climb(s: Setting) -> Life:
    """A steep climb on Monday morning, held through the week, given back on Friday or at the weekend."""
    base = draw_base(s)
    height, up, down = _height(s, base), s.rng.uniform(6, 10), s.rng.uniform(4.6, 6.5) * 24
    steep, swing = log_uniform(s.rng, 0.3, 8), s.rng.uniform(0, 0.15)
    load = Load.draw(s.rng, s.clock)

    def part(hours: Floats, _born: float) -> Floats:
        of_week = s.clock.weekday(hours) * 24 + s.clock.hour(hours)
        held = np.clip((of_week - up) / steep, 0, 1) * np.clip((down - of_week) / 3, 0, 1)
        return np.asarray(height * held * (1 - swing + swing * load.at(hours)), np.float64)

    return _service(s, spread_base(s, base).add(s.leading_type(), part, noise(s.rng, height * 0.01)))


def warming_up(s: Setting) -> Life:
    base = draw_base(s)
    recipe = ordinary(s, base=base, temper=str(s.rng.choice(["calm", "noisy", "daily"])))
    recipe.add(s.leading_type(), warm_up(_height(s, base), log_uniform(s.rng, 0.1, 6)))
    return Life(recipe.lives(s, resident(s, [s.hour(0, 0.9)])))


def slow_cache(s: Setting) -> Life:
    """Fills ever more slowly for a day or more after its start, then is full."""
    base = draw_base(s)
    recipe = spread_base(s, base)
    recipe.add(s.leading_type(), slow_fill(_height(s, base), log_uniform(s.rng, 5, 26), s.rng.uniform(0.8, 1.2)))
    if s.rng.random() < 0.5:
        recipe.add(s.leading_type(), noise(s.rng, max(base, 10) * 0.01))
    return Life(recipe.lives(s, resident(s, [s.hour(0, 0.7)])))


def cache_dropped(s: Setting) -> Life:
    """Fills, is dropped, fills again, at random times days apart."""
    base = draw_base(s)
    every = log_uniform(s.rng, 20, 120)
    drops = np.cumsum(s.rng.gamma(3, every / 3, int(s.end / every) * 3 + 6)) - every
    fill = slow_fill(_height(s, base), log_uniform(s.rng, 1, every / 3), 0.9)

    def part(hours: Floats, born: float) -> Floats:
        index = np.searchsorted(drops, hours, side="right") - 1
        since = np.where(index >= 0, drops[index.clip(0)], born)
        return fill(hours - np.maximum(since, born), 0.0)

    return _service(s, spread_base(s, base).add(s.leading_type(), part))


def one_step(s: Setting) -> Life:
    base = draw_base(s)
    recipe = ordinary(s, base=base)
    recipe.add(s.leading_type(), steps(np.array([s.hour(0.05, 0.95)]), np.array([_height(s, base)])))
    return _service(s, recipe, a_month=0)


def several_steps(s: Setting) -> Life:
    """Unrelated changes, up and down, seldom enough to be told apart from stairs."""
    base = draw_base(s)
    count = int(s.rng.integers(2, 6))
    sizes = _height(s, base) * s.rng.uniform(0.3, 1, count) * s.rng.choice([1, 1, -0.8], count)
    at = np.sort(s.rng.uniform(0, s.end, count))
    recipe = ordinary(s, base=base + float(np.abs(sizes).sum()) / 2).add(
        s.leading_type(), constant(abs(sizes.min())), steps(at, sizes)
    )
    return _service(s, recipe, a_month=0)


def collected(s: Setting) -> Life:
    """Garbage collection: climbs for many hours, always falls back to the same base."""
    base = draw_base(s)
    teeth = sawtooth(
        s.rng,
        height=_height(s, base),
        period_h=log_uniform(s.rng, 2, 60),
        between=s.span,
        ragged=s.rng.uniform(0, 0.5),
    )
    return _service(s, spread_base(s, base).add(s.leading_type(), teeth, noise(s.rng, base * 0.003)))


def _nightly_spans(s: Setting, *, long: tuple[float, float]) -> list[tuple[float, float]]:
    hour, span = s.rng.uniform(0, 24), log_uniform(s.rng, *long)
    starts = s.clock.occasions(hour, (-24.0, s.end)) + s.rng.normal(0, 0.05)
    spans = [(start, start + span * s.rng.uniform(0.6, 1.3)) for start in starts]
    return [(a, min(b, down)) for up, down in s.uptimes for a, b in spans if up < a < down]


def nightly_process(s: Setting) -> Life:
    """Starts, climbs and exits every night."""
    base = log_uniform(s.rng, 5, 500)
    spans = _nightly_spans(s, long=(0.3, 8))
    rate = log_uniform(s.rng, 5, 5000)

    def part(hours: Floats, born: float) -> Floats:
        return rate * (hours - born)

    return Life(spread_base(s, base).add(s.leading_type(), part).lives(s, spans), object_of=s.leading_type())


def clean_nightly_job(s: Setting) -> Life:
    """The job of a long-lived process takes handles and gives all of them back."""
    base = draw_base(s)
    starts = s.clock.occasions(s.rng.uniform(0, 24), (-24.0, s.end))
    starts = starts + s.rng.normal(0, 0.1, len(starts))
    spans = log_uniform(s.rng, 0.2, 7) * s.rng.uniform(0.7, 1.3, len(starts))
    kind = s.leading_type()
    job = pulses(starts, spans, _height(s, base) * s.rng.uniform(0.6, 1.4, len(starts)), bool(s.rng.random() < 0.7))
    life = _service(s, ordinary(s, base=base, temper=str(s.rng.choice(["calm", "noisy", "daily"]))).add(kind, job))
    life.object_of = kind
    return life


def _grown_by_day(s: Setting, recipe: Recipe) -> Life:
    start, long = s.rng.uniform(7, 10), s.rng.uniform(6, 11)
    mornings = s.clock.occasions(start, (-24.0, s.end))
    mornings = mornings[s.clock.weekday(mornings) < (5 if s.rng.random() < 0.8 else 7)]
    mornings = mornings + s.rng.normal(0, 0.4, len(mornings))
    spans = [(float(a), float(a + long + s.rng.normal(0, 0.7))) for a in mornings]
    cut = [(a, min(b, down)) for up, down in s.uptimes for a, b in spans if up < a < down and b > a]
    return Life(recipe.lives(s, cut))


def working_day(s: Setting) -> Life:
    """A user's program: grows from morning to evening, then closed; locked rather than closed on some nights."""
    base, a_day = log_uniform(s.rng, 50, 2000), log_uniform(s.rng, 30, 6000)
    bend = s.rng.uniform(0.5, 1.2)

    def part(hours: Floats, born: float) -> Floats:
        return a_day * np.clip((hours - born) / 10, 0, 1.2) ** bend

    return _grown_by_day(s, spread_base(s, base).add(s.leading_type(), part, noise(s.rng, a_day * 0.03)))


def restarts_with_warm_up(s: Setting) -> Life:
    base = draw_base(s)
    every = log_uniform(s.rng, 6, 72)
    restarts = np.cumsum(s.rng.gamma(3, every / 3, int(s.end / every * 2) + 4)).tolist()
    recipe = ordinary(s, base=base).add(
        s.leading_type(), warm_up(_height(s, base), log_uniform(s.rng, 0.05, every / 8))
    )
    return Life(recipe.lives(s, resident(s, restarts)))


def process_pool(s: Setting) -> Life:
    """Workers of one name that come with the load, are recycled by age, and go."""
    rng = s.rng
    base, most = log_uniform(rng, 8, 300), int(rng.integers(2, 9))
    load = Load.draw(rng, s.clock)
    long = log_uniform(rng, 6, 72)
    session = log_uniform(rng, 0.5, 40)

    def part(hours: Floats, born: float) -> Floats:
        return session * np.sqrt(np.maximum(hours - born, 0))

    recipe = spread_base(s, base).add(s.leading_type(), part)
    instances: list[Instance] = []
    for place in range(most):
        start = s.uptimes[0][0] if s.uptimes[0][0] > -long else -rng.uniform(0, long)
        while start < s.end and len(instances) < 80:
            wanted = place < max(1, round(most * float(load.at(np.array([start]))[0])))
            death = start + long * rng.uniform(0.5, 1.3)
            downs = [down for up, down in s.uptimes if up <= start < down]
            if wanted and downs:
                instances += recipe.lives(s, [(start, min(death, downs[0]))])
                start = min(death, downs[0])
            start += rng.uniform(0.02, 2) if wanted else rng.uniform(1, 8)
    return Life(instances)


def several_wandering(s: Setting) -> Life:
    """Several processes of one name, each wandering by itself."""
    base = draw_base(s)
    instances: list[Instance] = []
    for _ in range(int(s.rng.integers(2, 9))):
        spread = max(base, 8) * log_uniform(s.rng, 0.02, 0.25)
        slow = wander(s.rng, spread=spread, tau_h=log_uniform(s.rng, 1, 20), between=s.span)
        recipe = spread_base(s, base * s.rng.uniform(0.5, 2)).add(s.leading_type(), constant(2 * spread), slow)
        instances += recipe.lives(s, resident(s, some_restarts(s, a_month=1)))
    return Life(instances)


def pid_taken(s: Setting) -> Life:
    """Its processes end, and their pids go to others, with other counts."""
    every = log_uniform(s.rng, 12, 96)
    restarts = np.cumsum(s.rng.gamma(3, every / 3, int(s.end / every * 2) + 4)).tolist()
    spans = resident(s, restarts)
    shortened = [(born, born + (min(dead, s.end) - born) * s.rng.uniform(0.4, 0.98)) for born, dead in spans]
    return Life(ordinary(s).lives(s, shortened), pid_taken=True)


def traffic_plateau(s: Setting) -> Life:
    """Traffic grows for days, then stays where it is."""
    base = draw_base(s)
    start, long = s.hour(-0.2, 0.4), log_uniform(s.rng, 20, 110)
    long = min(long, s.end * 0.35)
    load, height = Load.draw(s.rng, s.clock), _height(s, base)

    def part(hours: Floats, _born: float) -> Floats:
        return s.rng.poisson(height * load.at(hours) * (0.3 + 0.7 * np.clip((hours - start) / long, 0, 1))).astype(
            float
        )

    return _service(s, spread_base(s, base).add(s.leading_type(), part), a_month=0)


def plateau_by_day(s: Setting) -> Life:
    """The level itself, not the day's swing, climbs for days and stays. While it climbs nobody can tell it from a
    leak, so it is rare."""
    base = draw_base(s)
    start, long = s.hour(0, 0.4), min(log_uniform(s.rng, 30, 120), s.end * 0.35)
    height = _height(s, base)
    smooth = bool(s.rng.random() < 0.5)

    def part(hours: Floats, _born: float) -> Floats:
        share = np.clip((hours - start) / long, 0, 1)
        return np.asarray(height * (share * share * (3 - 2 * share) if smooth else share), np.float64)

    return _service(s, ordinary(s, base=base, daily_growth=height * 24 / long).add(s.leading_type(), part), a_month=0)


def rare_spikes(s: Setting) -> Life:
    base = draw_base(s)
    huge = spikes(
        s.rng, height=max(base, 20) * log_uniform(s.rng, 3, 100), a_week=log_uniform(s.rng, 0.5, 6), between=s.span
    )
    return _service(s, ordinary(s, base=base).add(s.leading_type(), huge))


def near_the_limit(s: Setting) -> Life:
    """Much of what it may hold is taken, and that is all."""
    limit = int(s.rng.choice([256, 1024, 4096, 65_536]))
    base = limit * s.rng.uniform(0.8, 0.95)
    recipe = spread_base(s, base).add(s.leading_type(), noise(s.rng, limit * 0.005))
    life = _service(s, recipe)
    life.limit = limit
    return life


def thread_pool(s: Setting) -> Life:
    """A pool that adds a thread at each new peak of load and keeps it, up to its size."""
    base, most = draw_base(s), int(s.rng.integers(8, 200))
    each, tau = int(s.rng.integers(1, 5)), log_uniform(s.rng, 2, 30)
    kind = s.leading_type()

    def part(hours: Floats, born: float) -> Floats:
        return np.asarray(each * np.floor(most * -np.expm1(-(hours - born) / tau) + 0.5), np.float64)

    return Life(spread_base(s, base).add(kind, part).lives(s, resident(s, [s.hour(0, 0.6)])))


def log_rotation(s: Setting) -> Life:
    """Open logs pile up until the hour at which all are rotated away, each day, seldom each few days."""
    base, height = draw_base(s), log_uniform(s.rng, 5, 500)
    hour, days = s.rng.uniform(0, 24), int(s.rng.choice([1, 2, 4], p=[0.9, 0.07, 0.03]))
    cuts = s.clock.occasions(hour, (-24.0 * 9, s.end + 24))
    cuts = cuts[s.clock.day(cuts) % days == s.rng.integers(0, days)]

    def part(hours: Floats, born: float) -> Floats:
        index = np.searchsorted(cuts, hours, side="right") - 1
        since = np.maximum(cuts[index.clip(0)], born)
        return np.asarray(height * np.maximum(hours - since, 0) / (24 * days), np.float64)

    return _service(s, spread_base(s, base).add(s.leading_type(), part))


def weekend_batch(s: Setting) -> Life:
    base = draw_base(s)
    starts = s.clock.occasions(s.rng.uniform(0, 24), (-48.0, s.end))
    starts = starts[s.clock.weekday(starts) == s.rng.integers(4, 7)]
    spans = s.rng.uniform(10, 50) * np.ones(len(starts))
    job = pulses(starts, spans, _height(s, base) * s.rng.uniform(0.8, 1.2, len(starts)), bool(s.rng.random() < 0.6))
    return _service(s, spread_base(s, base).add(s.leading_type(), job))


def month_end(s: Setting) -> Life:
    """One long run of a few days, once in the history, that ends."""
    base = draw_base(s)
    start, long = s.hour(0.1, 0.6), min(log_uniform(s.rng, 20, 90), s.end * 0.3)
    load, height = Load.draw(s.rng, s.clock), _height(s, base)

    def part(hours: Floats, _born: float) -> Floats:
        risen = np.clip((hours - start) / 12, 0, 1) * np.clip((start + long - hours) / 6, 0, 1)
        return np.asarray(height * risen * load.at(hours), np.float64)

    return _service(s, ordinary(s, base=base).add(s.leading_type(), part))


def connection_storm(s: Setting) -> Life:
    """Now and then very many at once, which drain away over a day."""
    base = draw_base(s)
    count = 1 + int(s.rng.poisson(s.end / 168))
    starts = s.rng.uniform(0, s.end, count)
    heights = max(base, 20) * s.rng.lognormal(0.5, 0.8, count)
    storm: Part = decays(starts, heights, log_uniform(s.rng, 3, 30))
    return _service(s, ordinary(s, base=base).add(s.leading_type(), storm))


def weekly_trim(s: Setting) -> Life:
    """A cache that grows with each working day's use and is trimmed every few nights, seldom each week."""
    base = draw_base(s)
    height, load = _height(s, base), Load.draw(s.rng, s.clock, idle=0.05)
    trims = s.clock.occasions(s.rng.uniform(0, 6), (-24.0 * 9, s.end + 24))
    if s.rng.random() < 0.15:
        trims = trims[s.clock.day(trims) % 7 == s.rng.integers(0, 7)]
    else:
        trims = trims[:: int(s.rng.integers(2, 4))]
    grid = np.arange(trims[0], s.end + 1, 0.25)
    used = np.concatenate([[0.0], np.cumsum(load.at(grid[:-1]) * 0.25)])

    def part(hours: Floats, born: float) -> Floats:
        index = (np.searchsorted(trims, hours, side="right") - 1).clip(0)
        since = np.maximum(trims[index], born)
        grown = np.interp(hours, grid, used) - np.interp(since, grid, used)
        return np.asarray(height * -np.expm1(-grown / 30), np.float64)

    return _service(s, spread_base(s, base).add(s.leading_type(), part), a_month=0.2)


def deployed_weekly(s: Setting) -> Life:
    """Replaced every few days; each version holds a little more or less than the last, and warms up."""
    base = draw_base(s)
    every = log_uniform(s.rng, 24, 170)
    cuts = np.cumsum(s.rng.gamma(6, every / 6, int(s.end / every * 2) + 3)).tolist()
    instances: list[Instance] = []
    for born, dead in resident(s, cuts):
        size = base * s.rng.uniform(0.9, 1.15)
        recipe = spread_base(s, size).add(s.leading_type(), warm_up(size * 0.3, log_uniform(s.rng, 0.2, 6)))
        instances += recipe.lives(s, [(born, dead)])
    return Life(instances)


HEALTHY: dict[Behaviour, float] = {
    constant_count: 12,
    everyday: 18,
    white_noise: 4,
    slow_wander: 5,
    day_and_night: 6,
    weekly: 4,
    monday_climb: 2.5,
    warming_up: 4,
    slow_cache: 3,
    cache_dropped: 2.5,
    one_step: 3,
    several_steps: 2,
    collected: 4,
    nightly_process: 3,
    clean_nightly_job: 3,
    working_day: 3,
    restarts_with_warm_up: 2.5,
    process_pool: 1.5,
    several_wandering: 2.5,
    pid_taken: 1.5,
    traffic_plateau: 2,
    plateau_by_day: 0.25,
    rare_spikes: 2,
    near_the_limit: 1.5,
    thread_pool: 1.5,
    log_rotation: 2,
    weekend_batch: 1,
    month_end: 0.7,
    connection_storm: 1.5,
    weekly_trim: 0.6,
    deployed_weekly: 1.3,
}
