"""The simulated fleet of `handlewatch demo`: which hosts there are, and what their collectors would have sent."""

from datetime import datetime

from server.demo.company import rest_of_fleet
from server.demo.hosts import HISTORY, SimulatedHost, floor_to_step
from server.demo.snapshots import requests
from server.demo.story import Story
from server.demo.v3_hosts import v3_fleet

SEED = 277673

__all__ = ["HISTORY", "SEED", "SimulatedHost", "fleet", "floor_to_step", "requests"]


def fleet(anchor: datetime, *, seed: int = SEED) -> list[SimulatedHost]:
    """The hosts, those with V3 Pro first.

    What happens to them is told relative to `anchor` (aware; floored to five minutes): the end of the two weeks of
    history a first run shows. A later run that goes on from what is there must give the same anchor and seed again.
    """
    story = Story(floor_to_step(anchor), seed)
    return [*v3_fleet(story), *rest_of_fleet(story)]
