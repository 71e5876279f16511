"""Times as whole microseconds since 1970 (UTC), which is how they are stored, compared and told apart."""

from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime; exact, before 1970 negative."""
    return (moment - EPOCH) // _MICROSECOND


_FIRST = to_us(datetime.min.replace(tzinfo=UTC))
_LAST = to_us(datetime.max.replace(tzinfo=UTC))


def from_us(moment: int) -> datetime:
    """The datetime; what lies outside the years 1 to 9999 (by its zone or a skew) is drawn to their edge."""
    return EPOCH + timedelta(microseconds=min(max(moment, _FIRST), _LAST))


def rfc3339(moment: int) -> str:
    """`2026-11-22T10:00:00Z`, with a fraction only where there is one."""
    return from_us(moment).replace(tzinfo=None).isoformat() + "Z"


def maybe_rfc3339(moment: int | None) -> str | None:
    return None if moment is None else rfc3339(moment)
