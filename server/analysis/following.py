"""What judging does with a stretch of one day, wherever the day comes from: at which hours programs are worth a look,
and what became of processes that raced."""

from collections.abc import Callable, Collection, Iterable, Sequence

from server.analysis.digest import Digest
from server.analysis.frames import Frame
from server.analysis.instants import HOUR
from server.analysis.lately import kept_up
from server.analysis.leaking import Leak
from server.analysis.names import program_key
from server.analysis.racing import Race
from server.analysis.worth import Summary, counted, hours_of, worth

Keep = Callable[[Leak], Leak]


def by_key(racing: Iterable[Race], *, fold: bool) -> list[tuple[str, Race]]:
    """Each with the key of its program."""
    return [(program_key(race.program, fold=fold), race) for race in racing]


def hours_worth(
    today: Digest,
    yesterday: Digest | None,
    former: Iterable[Summary],
    since_us: int,
    until_us: int,
    *,
    always: Collection[str] = (),
) -> dict[str, list[int]]:
    """By program, at which of these hours of a day it counts, as times. `former`: of days before, the oldest first;
    `always`: programs that count at all of them."""
    hours = counted(today.first, (since_us - today.day_us) // HOUR, (until_us - today.day_us) // HOUR)
    found = worth(today, yesterday, list(former), hours, frozenset(always))
    return hours_of(found, today.day_us)


def keeper(racing: Sequence[Race], frame: Frame, since_us: int, *, fold: bool) -> Keep:
    """What tells of a leak what became, in the snapshots from `since_us` on, of the process that raced."""
    keyed = by_key(racing, fold=fold)
    return lambda leak: kept_up([leak], keyed, frame, since_us, fold=fold)[0]
