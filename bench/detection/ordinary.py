"""A program's ordinary life, leak or not: a base of some types and, on it, calm, noise, the day's load, collections or
a slow wander."""

import numpy as np

from bench.detection.life import Recipe, Setting, spread_base
from bench.detection.shapes import Load, constant, flicker, log_uniform, noise, sawtooth, spikes, wander, warm_up

TEMPERS = ("calm", "noisy", "daily", "collected", "wandering", "busy")
_WEIGHTS = (0.3, 0.2, 0.2, 0.08, 0.12, 0.1)


def draw_base(s: Setting) -> float:
    """From fewer than ten to tens of thousands."""
    return log_uniform(s.rng, *((4, 40) if s.rng.random() < 0.2 else (20, 30_000)))


def ordinary(
    s: Setting, *, base: float | None = None, daily_growth: float = np.inf, temper: str | None = None
) -> Recipe:
    """What lies under a behaviour. `daily_growth` is that of a leak on top: slow wander stays below what hides the
    leak from everyone for good, while noise and the day's load may be many times as high."""
    rng = s.rng
    size = draw_base(s) if base is None else base
    recipe = spread_base(s, size)
    kind = str(rng.choice(TEMPERS, p=_WEIGHTS)) if temper is None else temper
    swing = min(max(size, 12.0) * log_uniform(rng, 0.02, 1.0), daily_growth * log_uniform(rng, 1.0, 40.0))
    drift = min(max(size, 12.0) * log_uniform(rng, 0.01, 0.15), daily_growth * log_uniform(rng, 0.1, 0.8))
    where = s.leading_type()
    if kind == "calm":
        recipe.add(where, flicker(rng, log_uniform(rng, 0.001, 0.2), int(rng.integers(1, 4))))
    if kind in ("noisy", "busy"):
        recipe.add(where, constant(swing), noise(rng, swing * rng.uniform(0.05, 0.35)))
        if rng.random() < 0.4:
            shaky = min(swing * 0.3, daily_growth * log_uniform(rng, 0.2, 2.5))
            recipe.add(
                where, constant(2 * shaky), wander(rng, spread=shaky, tau_h=log_uniform(rng, 0.1, 2), between=s.span)
            )
    if kind in ("daily", "busy"):
        load = Load.draw(rng, s.clock)
        recipe.add(s.leading_type(), load.connections(rng, swing))
        if rng.random() < 0.5:
            recipe.add(s.leading_type(), load.level(swing * rng.uniform(0.1, 0.6)))
    if kind == "collected":
        period = log_uniform(rng, 0.3, 20.0)
        recipe.add(where, sawtooth(rng, height=swing, period_h=period, between=s.span, ragged=rng.uniform(0, 0.4)))
    if kind == "wandering" or rng.random() < 0.1:
        slow = wander(rng, spread=drift, tau_h=log_uniform(rng, 0.3, 12.0), between=s.span)
        recipe.add(where, constant(2 * drift), slow)
    if rng.random() < 0.15:
        a_week = log_uniform(rng, 0.5, 10)
        recipe.add(s.leading_type(), spikes(rng, height=size * log_uniform(rng, 0.1, 3), a_week=a_week, between=s.span))
    if rng.random() < 0.5:
        recipe.add(where, warm_up(size * log_uniform(rng, 0.05, 0.6), log_uniform(rng, 0.02, 3.0)))
    return recipe
