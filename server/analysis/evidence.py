"""What a leak was recognised by, in numbers that its chart shows and in words that a person can check."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from server.analysis.instants import HOUR

MOST_PIECES = 60

Kind = Literal["days", "hours", "nights", "lives", "limit", "pinned", "race"]


class Piece(NamedTuple):
    """A stretch of time and the low of what was held in it."""

    from_us: int
    to_us: int
    low: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """kind: `days` and `hours`: the low of each piece lies above that of the one before; `nights`: like jumps at a like
    time of day; `lives`: each process climbs as the one before; `limit`: it runs into its limit; `pinned`: it stands at
    it; `race`: fast growth within minutes. pieces: oldest first. counted: `held`, or `kept`: what its processes took
    and kept, restarts taken out. restarts: when processes were replaced while it grew. share: of the program's growth,
    what `type` took. process: (pid, started) if one process alone leaks."""

    kind: Kind
    counted: Literal["held", "kept"] = "held"
    pieces: list[Piece] = field(default_factory=list)
    restarts: list[int] = field(default_factory=list)
    share: float | None = None
    process: tuple[int, int | None] | None = None

    @property
    def hours(self) -> float:
        return (self.pieces[-1].to_us - self.pieces[0].from_us) / HOUR if self.pieces else 0.0
