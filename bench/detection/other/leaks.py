"""How programs leak: one function per behaviour, and how often each is drawn."""

from collections.abc import Callable, Sequence

import numpy as np

from bench.detection.other.scene import (
    DAY_H,
    Body,
    Floats,
    Growth,
    Leak,
    Lives,
    Ordinary,
    Process,
    Rhythm,
    Scene,
    Story,
    base_of,
    ordinary,
    wandering,
)

Telling = Callable[[Scene], Story]


def _onset(scene: Scene, *, before: float = 0.3) -> float:
    """In the history's first two thirds; or, by this chance, before it, as long as the first process has run."""
    up = scene.ups[0][0]
    if scene.chance(before):
        return -scene.spread(1, max(min(-up, 24 * 60), 2))
    return float(scene.rng.uniform(0, 0.62) * scene.end)


def _lives_over(scene: Scene, onset: float) -> Lives:
    """Of a program whose first process, when the leak is older than the history, is at least as old as the leak."""
    lives = scene.lives()
    if onset < 0 and lives[0][0] > onset:
        lives[0] = (onset - scene.spread(0.01, 24), lives[0][1])
    return lives


def _leaked(scene: Scene, growth: Growth, life: tuple[float, float], onset: float) -> Floats:
    """What one process has taken since it was born, over all columns."""
    before = growth(np.array([life[0]])) if life[0] > onset else 0.0
    return growth(scene.hours) - before


def _told(
    scene: Scene, growth: Growth, onset: float, *, everyday: Ordinary, base: float, lives: Lives | None = None
) -> Story:
    body = Body.draw(scene, base)
    kind = body.leaking_kind()
    lives = _lives_over(scene, onset) if lives is None else lives
    processes = [body.process(life, everyday.level, {kind: _leaked(scene, growth, life, onset)}) for life in lives]
    return Story(processes, Leak(onset, growth, kind), named=kind)


def _steady(scene: Scene, rate: float, onset: float) -> Growth:
    return Growth(np.array([onset, scene.end + DAY_H]), np.array([0.0, rate * (scene.end + DAY_H - onset)]))


def slow_on_noise(scene: Scene) -> Story:
    base = scene.spread(80, 1500)
    onset = _onset(scene)
    return _told(
        scene, _steady(scene, scene.spread(0.8, 15), onset), onset, everyday=ordinary(scene, base, 0.0), base=base
    )


def trickle(scene: Scene) -> Story:
    """A few a day, on a calm base."""
    base = scene.spread(6, 600)
    onset = _onset(scene, before=0.4)
    rate = scene.spread(3, 20) / DAY_H
    return _told(scene, _steady(scene, rate, onset), onset, everyday=ordinary(scene, base, 1.0), base=base)


def fast(scene: Scene) -> Story:
    base = base_of(scene)
    onset = _onset(scene, before=0.15)
    growth = _steady(scene, scene.spread(20, 900), onset)
    return _told(scene, growth, onset, everyday=ordinary(scene, base), base=base)


def _stairs(scene: Scene, moments: Floats, sizes: Floats) -> Story:
    base = base_of(scene)
    growth = Growth(moments, np.cumsum(sizes), steps=True)
    onset = float(moments[0])
    return _told(scene, growth, onset, everyday=ordinary(scene, base, 0.4), base=base)


def stairs_by_the_clock(scene: Scene) -> Story:
    every = float(scene.rng.choice([0.5, 1, 2, 4, 6, 8, 12, 24]))
    moments = np.arange(_onset(scene), scene.end, every)
    size = scene.spread(1, 40) * (1 + every / 8)
    return _stairs(scene, moments, np.rint(size * scene.rng.uniform(0.7, 1.3, len(moments))).clip(1))


def stairs_at_random(scene: Scene) -> Story:
    gap = scene.spread(0.6, 14)
    onset = _onset(scene)
    moments = onset + np.concatenate([[0.0], np.cumsum(scene.rng.exponential(gap, int((scene.end - onset) / gap) + 4))])
    return _stairs(scene, moments, np.rint(scene.spread(2, 50) * scene.rng.uniform(0.5, 1.5, len(moments))).clip(1))


def with_load(scene: Scene) -> Story:
    base = scene.spread(40, 3000)
    onset = _onset(scene)
    everyday = ordinary(scene, base, 0.0)
    rhythm = everyday.rhythm
    everyday.level = everyday.level + base * scene.spread(0.05, 0.5) * rhythm.at(scene.local(scene.hours))
    pace, night = scene.spread(1.5, 60), scene.rng.uniform(0, 0.25)
    growth = Growth.flowing(lambda at: pace * (night + rhythm.at(scene.local(at))), onset, scene.end)
    return _told(scene, growth, onset, everyday=everyday, base=base)


def after_days_of_health(scene: Scene) -> Story:
    base = base_of(scene)
    onset = float(scene.rng.uniform(0.2, 0.65) * scene.end)
    growth = _steady(scene, scene.spread(0.8, 60), onset)
    return _told(scene, growth, onset, everyday=ordinary(scene, base), base=base)


def after_an_update(scene: Scene) -> Story:
    base = base_of(scene)
    onset = float(scene.rng.uniform(0.2, 0.65) * scene.end)
    growth = _steady(scene, scene.spread(0.8, 60), onset)
    lives = scene.lives([onset])
    onset = min((born for born, _ in lives if born >= onset), default=onset)
    return _told(scene, growth, onset, everyday=ordinary(scene, base), base=base, lives=lives)


def across_restarts(scene: Scene) -> Story:
    """Replaced every day or few, by the clock or not; each process leaks anew."""
    base = base_of(scene)
    every = float(scene.rng.choice([24.0, 24.0, 48.0, 12.0])) if scene.chance(0.5) else scene.spread(9, 80)
    uneven = 0.0 if scene.chance(0.5) else 0.4
    moments = np.cumsum(every * scene.rng.uniform(1 - uneven, 1 + uneven, int(scene.end / every * 2) + 3))
    moments = moments - scene.rng.uniform(0, 1) * every
    onset = _onset(scene, before=0.5)
    rate = max(scene.spread(1.0, 60), 12 / every)
    if scene.chance(0.2):  # a burst of restarts by day
        moments = np.concatenate([moments, moments + 0.4 * every])
    lives = scene.lives(moments.tolist())
    everyday = ordinary(scene, base, 0.5)
    return _told(scene, _steady(scene, rate, onset), onset, everyday=everyday, base=base, lives=lives)


def two_forward_one_back(scene: Scene) -> Story:
    onset, base = _onset(scene), base_of(scene)
    every, back = scene.spread(2, 40), float(scene.rng.uniform(0.3, 0.7))
    rate = scene.spread(2.5, 60)
    at, taken, now, level = [onset], [0.0], onset, 0.0
    while now < scene.end:
        now += every * scene.rng.uniform(0.6, 1.4)
        took = rate * (now - at[-1])
        at += [now, now + 1e-3]
        taken += [level + took, level + took * (1 - back)]
        level += took * (1 - back)
    growth = Growth(np.array(at), np.array(taken))
    return _told(scene, growth, onset, everyday=ordinary(scene, base, 0.4), base=base)


def _nights(scene: Scene, since: float, hour: float, days: Sequence[int]) -> list[float]:
    """The true hours at which it is this local hour on these days of the week."""
    first = int(np.floor((scene.monday + since) / DAY_H))
    last = int(np.ceil((scene.monday + scene.end) / DAY_H)) + 1
    moments = [day * DAY_H + hour - scene.monday for day in range(first, last) if day % 7 in days]
    return [moment for moment in moments if moment >= since]


def nightly_job(scene: Scene) -> Story:
    """Takes what it leaves in an hour or two of each night, with honest handles that it gives back."""
    base = base_of(scene)
    everyday = ordinary(scene, base, 0.45)
    days = range(7) if scene.chance(0.7) else range(5)
    long, late = scene.spread(0.3, 4), float(scene.rng.uniform(0, 0.2))
    before = _onset(scene, before=0.35)
    begins = _nights(scene, before, float(scene.rng.choice([22, 23, 0, 1, 2, 3, 4])) + scene.rng.uniform(0, 1), days)
    size = scene.spread(4, 400)
    at, taken = [begins[0]], [0.0]
    for begin in begins:
        at += [max(begin + long * scene.rng.uniform(0, late), at[-1] + 1e-3), begin + long]
        taken += [taken[-1], taken[-1] + size * scene.rng.uniform(0.75, 1.25)]
    honest = scene.spread(1, 60) if scene.chance(0.6) else 0.0
    for begin in _nights(scene, 0, begins[0] + scene.monday, days):
        cells = slice(*np.searchsorted(scene.hours, [begin, begin + long]).tolist())
        everyday.level[cells] += honest
    return _told(scene, Growth(np.array(at), np.array(taken)), begins[0], everyday=everyday, base=base)


def one_type(scene: Scene) -> Story:
    """One type grows while others shrink or wander so that the total says nothing."""
    base = scene.spread(120, 4000)
    body = Body.draw(scene, base)
    onset = _onset(scene)
    rate = scene.spread(0.4, 6)
    growth = _steady(scene, rate, onset)
    kind, other = (body.kinds[int(i)] for i in scene.rng.choice(len(body.kinds), 2, replace=False))
    lost = rate * (scene.end - max(onset, 0)) * scene.rng.uniform(0.8, 1.1)
    body.rest[body.kinds.index(other)] += np.ceil(lost * 1.2)
    body.busy[body.kinds.index(kind)] = 0.0
    if not body.busy.any():
        body.busy[body.kinds.index(other)] = 1.0
    everyday = ordinary(scene, base, 0.3)
    shrink = -np.interp(scene.hours, [max(onset, 0.0), scene.end], [0.0, lost])
    stray = wandering(scene, base * scene.spread(0.02, 0.12), scene.spread(4, 40))
    body.rest[body.kinds.index(other)] += np.ceil(max(-stray.min(), 0.0))
    more = shrink + stray if scene.chance(0.6) else stray
    processes: list[Process] = [
        body.process(life, everyday.level, {kind: _leaked(scene, growth, life, onset), other: more})
        for life in _lives_over(scene, onset)
    ]
    return Story(processes, Leak(onset, growth, kind))


def one_of_several(scene: Scene) -> Story:
    """Processes of one name, each with a life of its own; the first leaks."""
    base = scene.spread(10, 500)
    onset = _onset(scene)
    growth = _steady(scene, scene.spread(0.8, 30), onset)
    body = Body.draw(scene, base)
    kind = body.leaking_kind()
    processes: list[Process] = []
    for index in range(int(scene.rng.integers(2, 7))):
        level = ordinary(scene, base, 0.3).level
        for life in _lives_over(scene, onset) if index == 0 else scene.lives():
            more = {kind: _leaked(scene, growth, life, onset)} if index == 0 else None
            processes.append(body.process(life, level, more))
    return Story(processes, Leak(onset, growth, kind))


def to_the_limit(scene: Scene) -> Story:
    """Until it stands at its limit, some days on or before the history begins."""
    limits = {"linux": [1024, 4096, 8192, 65_536], "macos": [256, 2560, 10_240], "windows": [2048, 10_000, 65_536]}
    limit = int(scene.rng.choice(limits[scene.family]))
    base = min(base_of(scene), limit * 0.3)
    room = limit - base * 1.1
    onset = _onset(scene, before=0.35)
    span = scene.spread(8, max(0.9 * (scene.end - onset), 10))
    everyday = ordinary(scene, base, 0.4)
    over = everyday.level.max() - 0.3 * room
    if over > 0:
        everyday.level = everyday.level * (0.3 * room / everyday.level.max())
    story = _told(scene, _steady(scene, room / span, onset), onset, everyday=everyday, base=base)
    story.limit = limit
    return story


def cured_by_an_update(scene: Scene) -> Story:
    base = base_of(scene)
    onset = -scene.spread(1, 200) if scene.chance(0.35) else float(scene.rng.uniform(0, 0.3) * scene.end)
    cured = float(scene.rng.uniform(max(onset, 0) + 0.3 * scene.end, 0.82 * scene.end))
    growth = _steady(scene, scene.spread(1.2, 60), onset)
    stop = float(growth(np.array([cured]))[0])
    growth = Growth(np.array([onset, cured]), np.array([0.0, stop]))
    lives = scene.lives([cured])
    story = _told(scene, growth, onset, everyday=ordinary(scene, base), base=base, lives=lives)
    assert story.leak is not None
    story.leak.cured = cured
    return story


def nightly_event(scene: Scene) -> Story:
    """One kind of named Event that piles up in a backup program, night after night."""
    story = nightly_job(scene)
    assert story.leak is not None
    wanted = "Event" if scene.family == "windows" else "eventfd" if scene.family == "linux" else "kqueue"
    kind = story.leak.kind
    for process in story.processes:
        if wanted not in process.counts:
            process.counts[wanted] = np.zeros_like(process.counts[kind])
        process.counts[kind], process.counts[wanted] = process.counts[wanted], process.counts[kind]
    story.leak.kind = story.named = wanted
    return story


def noon_and_night(scene: Scene) -> Story:
    """With load, where the load is a rhythm of its own: two peaks a day, none at weekends."""
    base = scene.spread(40, 1500)
    onset = _onset(scene)
    first, second = Rhythm(10, 1.5, 0.0, 0.0), Rhythm(20, 1.5, 0.1, 0.0)
    pace = scene.spread(2, 30)

    def busy(at: Floats) -> Floats:
        return first.at(scene.local(at)) + second.at(scene.local(at))

    everyday = ordinary(scene, base, 0.0)
    everyday.level = everyday.level + base * 0.2 * busy(scene.hours)
    growth = Growth.flowing(lambda at: pace * busy(at), onset, scene.end)
    return _told(scene, growth, onset, everyday=everyday, base=base)


LEAKS: dict[Telling, float] = {
    slow_on_noise: 17,
    trickle: 12,
    nightly_job: 12,
    nightly_event: 6,
    stairs_by_the_clock: 6,
    stairs_at_random: 5,
    with_load: 6,
    noon_and_night: 1,
    fast: 5,
    after_days_of_health: 5,
    after_an_update: 4,
    across_restarts: 6,
    two_forward_one_back: 5,
    one_type: 4,
    one_of_several: 4,
    to_the_limit: 5,
    cured_by_an_update: 5,
}
