"""How healthy programs live, most of all those that look as if they leaked: one function per behaviour."""

from collections.abc import Callable

import numpy as np

from bench.detection.other.scene import (
    DAY_H,
    WEEK_H,
    Body,
    Floats,
    Process,
    Rhythm,
    Scene,
    Story,
    base_of,
    ordinary,
    sawtooth,
    spikes,
    swaying,
    wandering,
)


def _lasting(scene: Scene, level: Floats, base: float, lives: list[tuple[float, float]] | None = None) -> Story:
    body = Body.draw(scene, base)
    lives = scene.lives() if lives is None else lives
    return Story([body.process(life, level) for life in lives], named=body.most_moved())


def _aging(
    scene: Scene, level: Floats, base: float, grown: Callable[[Floats], Floats], restarts: list[float] | None = None
) -> Story:
    """With something on top that depends on a process's age in hours."""
    body = Body.draw(scene, base)
    kind = str(scene.rng.choice(body.kinds))
    lives = scene.lives(restarts or [])
    made = [body.process(life, level, {kind: grown((scene.hours - life[0]).clip(0))}) for life in lives]
    return Story(made, named=kind)


def constant(scene: Scene) -> Story:
    return _lasting(scene, np.zeros(len(scene.hours)), base_of(scene))


def white_noise(scene: Scene) -> Story:
    base = base_of(scene)
    level = scene.rng.normal(0, max(min(base, 3000) * scene.spread(0.003, 0.12), 0.4), len(scene.hours))
    return _lasting(scene, level - level.min(), base)


def everyday(scene: Scene) -> Story:
    base = base_of(scene)
    return _lasting(scene, ordinary(scene, base).level, base)


def wanders(scene: Scene) -> Story:
    base = base_of(scene)
    size = min(base, 3000) * scene.spread(0.02, 0.25)
    level = wandering(scene, size, scene.spread(3, 40)) if scene.chance(0.6) else swaying(scene, 2 * size)
    return _lasting(scene, level - level.min() + scene.rng.normal(0, size * 0.1, len(level)), base)


def day_and_week(scene: Scene) -> Story:
    base, rhythm = base_of(scene), Rhythm.draw(scene.rng)
    size = min(base, 4000) * scene.spread(0.1, 2)
    level = size * rhythm.at(scene.local(scene.hours)) * (1 + scene.rng.normal(0, 0.05, len(scene.hours)))
    days = np.floor(scene.local(scene.hours) / DAY_H).astype(np.int64)
    level = level * scene.rng.uniform(0.9, 1.1, int(days[-1] - days[0]) + 1)[days - days[0]]
    return _lasting(scene, level + ordinary(scene, base, 0.6).level, base)


def monday_climb(scene: Scene) -> Story:
    """Steeply up on Monday morning, held through the week, given back for the weekend."""
    base = base_of(scene)
    size, rise = min(base, 3000) * scene.spread(0.2, 3), scene.spread(0.5, 6)
    begin, end = scene.rng.uniform(6, 10), 4 * DAY_H + scene.rng.uniform(15, 30)
    at = scene.local(scene.hours) % WEEK_H
    level = size * np.interp(at, [begin, begin + rise, end, end + scene.spread(0.5, 10)], [0, 1, 1, 0])
    noise = scene.rng.normal(0, size * scene.spread(0.005, 0.06), len(level))
    return _lasting(scene, (level + noise).clip(0) + ordinary(scene, base, 0.6).level, base)


def warms_up(scene: Scene) -> Story:
    base = base_of(scene)
    size, slow = min(base, 4000) * scene.spread(0.2, 5), scene.spread(0.2, 6)
    return _aging(scene, ordinary(scene, base).level, base, lambda age: size * (1 - np.exp(-age / slow)))


def fills_slowly(scene: Scene) -> Story:
    """A cache that fills ever more slowly for a day or more."""
    base = base_of(scene)
    size, slow = min(base, 4000) * scene.spread(0.2, 4), scene.spread(5, 18)
    again = [float(scene.rng.uniform(0, scene.end))] if scene.chance(0.6) else []
    return _aging(scene, ordinary(scene, base).level, base, lambda age: size * (1 - np.exp(-age / slow)), again)


def dropped_cache(scene: Scene) -> Story:
    """Fills, is dropped, and fills again."""
    base = base_of(scene)
    size, slow, every = min(base, 3000) * scene.spread(0.2, 3), scene.spread(1, 30), scene.spread(10, 110)
    cuts = np.cumsum(every * scene.rng.uniform(0.6, 1.4, int(scene.end / every * 2) + 3)) - every
    since = scene.hours - np.concatenate([[-every], cuts])[np.searchsorted(cuts, scene.hours, side="right")]
    return _lasting(scene, ordinary(scene, base).level + size * (1 - np.exp(-since / slow)), base)


def one_step(scene: Scene) -> Story:
    base = base_of(scene)
    at, size = scene.rng.uniform(0.05, 0.95) * scene.end, max(min(base, 3000) * scene.spread(0.05, 3), 3)
    rise = np.interp(scene.hours, [at, at + scene.spread(0.01, 1)], [0.0, size])
    return _lasting(scene, ordinary(scene, base).level + rise, base)


def several_steps(scene: Scene) -> Story:
    """Unrelated ones, up and down, or two or three up."""
    base = base_of(scene)
    count = int(scene.rng.integers(2, 5))
    up = scene.chance(0.35)
    count = min(count, 3) if up else count
    level, now = np.zeros(len(scene.hours)), 0.0
    for at in np.sort(scene.rng.uniform(0, scene.end, count)).tolist():
        size = max(min(base, 2000) * scene.spread(0.04, 1), 2)
        now = now + size if up or now - size < 0 or scene.chance(0.5) else now - size
        level[scene.hours >= at] = now
    return _lasting(scene, ordinary(scene, base).level + level, base)


def collected(scene: Scene) -> Story:
    """Climbs for many hours and always falls back to the same base."""
    base = base_of(scene)
    level = sawtooth(scene, min(base, 3000) * scene.spread(0.2, 4), scene.spread(2, 50), scene.rng.uniform(0, 0.5))
    return _lasting(scene, ordinary(scene, base, 0.6).level + level, base)


def _begins(scene: Scene, hour: float, days: range, since: float = 0.0) -> list[float]:
    first, last = int((scene.monday + since) // DAY_H) - 1, int((scene.monday + scene.end) // DAY_H) + 1
    return [day * DAY_H + hour - scene.monday for day in range(first, last) if day % 7 in days]


def _when_up(scene: Scene, born: float, dead: float) -> bool:
    return any(up < born and dead < down for up, down in scene.ups)


def nightly_program(scene: Scene) -> Story:
    """Starts every night, climbs, and exits."""
    base = scene.spread(8, 400)
    body, kind = Body.draw(scene, base), 0
    long, size = scene.spread(0.3, 7), base * scene.spread(0.5, 20)
    processes: list[Process] = []
    for begin in _begins(scene, scene.rng.uniform(18, 29), range(7 if scene.chance(0.7) else 5)):
        born = begin + scene.rng.uniform(0, 0.05)
        dead = born + long * scene.rng.uniform(0.75, 1.25)
        if not _when_up(scene, born, dead):
            continue
        climb = (size * scene.rng.uniform(0.7, 1.3) * (scene.hours - born) / (dead - born)).clip(0)
        processes.append(body.process((born, dead), np.zeros(len(scene.hours)), {body.kinds[kind]: climb}))
    return Story(processes, hands_on=scene.chance(0.5))


def clean_nightly_job(scene: Scene) -> Story:
    """A job in a long-lived process that gives back all it took."""
    base = base_of(scene)
    long, size = scene.spread(0.3, 6), max(min(base, 3000) * scene.spread(0.1, 5), 5)
    level = ordinary(scene, base, 0.5).level
    shape = [0, 1, 0] if scene.chance(0.5) else [0, 1, 1]
    for begin in _begins(scene, scene.rng.uniform(20, 29), range(7)):
        span = long * scene.rng.uniform(0.8, 1.2)
        own = scene.rng.uniform(0.7, 1.3) * size
        level = level + own * np.interp(scene.hours, np.linspace(begin, begin + span, 3), shape, left=0, right=0)
    return _lasting(scene, level, base)


def working_day(scene: Scene) -> Story:
    """Opened in the morning, grows till the evening, closed; or left open, emptied by its user."""
    base = scene.spread(20, 1500)
    size, closes = base * scene.spread(0.3, 4), scene.chance(0.6)
    body = Body.draw(scene, base)
    kind = str(scene.rng.choice(body.kinds))
    processes: list[Process] = []
    level = np.zeros(len(scene.hours))
    for begin in _begins(scene, 0.0, range(5)):
        born, dead = begin + scene.rng.normal(8.3, 0.4), begin + scene.rng.normal(17.3, 0.7)
        sure = size * scene.rng.uniform(0.5, 1.5)
        climb = sure * np.interp(scene.hours, [born, dead, dead + 1e-3], [0, 1, 0])
        level = level + climb
        if closes and _when_up(scene, born, dead):
            processes.append(body.process((born, dead), np.zeros(len(scene.hours)), {kind: climb}))
    if not closes:
        processes = [body.process(life, np.zeros(len(scene.hours)), {kind: level}) for life in scene.lives()]
    return Story(processes, hands_on=scene.chance(0.3))


def restarted(scene: Scene) -> Story:
    """Restarted now and then, or every day, with a warm-up each time."""
    base, every = base_of(scene), 24.0 if scene.chance(0.4) else scene.spread(8, 150)
    size, slow = min(base, 2000) * scene.spread(0.1, 3), scene.spread(0.2, every / 7)
    moments = np.cumsum(every * scene.rng.uniform(0.9, 1.1, int(scene.end / every * 2) + 2)) - every / 2
    level = ordinary(scene, base).level
    return _aging(scene, level, base, lambda age: size * (1 - np.exp(-age / slow)), moments.tolist())


def pool(scene: Scene) -> Story:
    """Workers that come, age a little and are replaced; more of them by day."""
    base, rhythm = scene.spread(8, 300), Rhythm.draw(scene.rng)
    body = Body.draw(scene, base)
    most, life_h = int(scene.rng.integers(2, 12)), scene.spread(3, 60)
    most = min(most, max(int(300 * life_h / scene.end), 2))
    growth = base * scene.spread(0.01, 0.6) / life_h
    processes: list[Process] = []
    for index in range(most):
        now = -scene.rng.uniform(0, 1) * life_h
        least = index / most * scene.rng.uniform(0.5, 1)
        while now < scene.end:
            born, dead = now, now + life_h * scene.rng.uniform(0.6, 1.4)
            now = dead + scene.spread(0.003, 0.3)
            busy = rhythm.at(scene.local(np.array([max(born, 0.0)])))[0]
            if dead <= 0 or (index and busy < least * 0.6) or not _when_up(scene, born, dead):
                continue
            noise = np.abs(scene.rng.normal(0, base * 0.04, len(scene.hours)))
            processes.append(body.process((born, dead), noise + (growth * (scene.hours - born)).clip(0)))
    return Story(processes) if processes else everyday(scene)


def several_of_one_name(scene: Scene) -> Story:
    base = scene.spread(10, 600)
    body = Body.draw(scene, base)
    processes: list[Process] = []
    for _ in range(int(scene.rng.integers(2, 8))):
        size = base * scene.spread(0.02, 0.4)
        level = wandering(scene, size, scene.spread(2, 40))
        level = level - level.min()
        lives = scene.lives([float(scene.rng.uniform(0, scene.end))] if scene.chance(0.3) else [])
        processes += [body.process(life, level) for life in lives]
    return Story(processes)


def pid_goes_over(scene: Scene) -> Story:
    """A small program of which the pid goes to another."""
    story = restarted(scene)
    story.hands_on = True
    return story


def plateau(scene: Scene) -> Story:
    """Traffic that grows for days and then stays as it is."""
    base = base_of(scene)
    since = scene.rng.uniform(-0.3, 0.5) * scene.end
    span = scene.spread(1.5, 5) * DAY_H
    size = max(min(base, 3000) * scene.spread(0.1, 2), 5)
    if scene.chance(0.5):
        level = size * (1 - np.exp(-(scene.hours - since).clip(0) / (span / 3)))
    else:
        level = size / (1 + np.exp(-(scene.hours - since - span / 2) / (span / 8)))
    if scene.chance(0.7):
        rhythm = Rhythm.draw(scene.rng)
        level = level * (0.4 + 0.6 * rhythm.at(scene.local(scene.hours)))
    return _lasting(scene, ordinary(scene, base, 0.4).level + level, base)


def huge_spikes(scene: Scene) -> Story:
    base = base_of(scene)
    high = spikes(scene, base * scene.spread(3, 80), scene.spread(0.05, 0.6), 2.0)
    return _lasting(scene, ordinary(scene, base, 0.6).level + high, base)


SOUND: dict[Callable[[Scene], Story], float] = {
    constant: 10,
    white_noise: 7,
    everyday: 17,
    wanders: 6,
    day_and_week: 8,
    monday_climb: 3,
    warms_up: 6,
    fills_slowly: 4,
    dropped_cache: 3,
    one_step: 4,
    several_steps: 3,
    collected: 6,
    nightly_program: 4,
    clean_nightly_job: 4,
    working_day: 4,
    restarted: 4,
    pool: 3,
    several_of_one_name: 3,
    pid_goes_over: 1,
    plateau: 1.5,
    huge_spikes: 3,
}
