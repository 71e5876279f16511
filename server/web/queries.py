"""What query strings say: times, limits, orders; what can't be understood is a 422 that names the parameter."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from server.analysis.instants import to_us
from server.problems import Fault, Problem

MOST_ITEMS = 500
MOST_LABELS = 8


def bad(name: str, detail: str) -> Problem:
    return Problem(422, f"{name}: {detail}.", [Fault(name, detail)])


def moment(text: str | None, name: str, *, zone_needed: bool = True) -> int | None:
    """RFC 3339 as microseconds; a plus that was not escaped arrives as a space. Where no zone is needed, what a form
    sends will do, and means UTC."""
    if not text:
        return None
    if len(text) > 6 and text[-6] == " ":
        text = f"{text[:-6]}+{text[-5:]}"
    try:
        found = msgspec.convert(text, datetime) if zone_needed else datetime.fromisoformat(text)
    except (msgspec.ValidationError, ValueError) as error:
        raise bad(name, "must be a time like 2026-11-22T10:00:00Z") from error
    if found.tzinfo is None:
        if zone_needed:
            raise bad(name, "must be a time with its zone, like 2026-11-22T10:00:00Z")
        found = found.replace(tzinfo=UTC)
    return to_us(found)


def whole(text: str | None, name: str, *, default: int | None, least: int, most: int) -> int | None:
    if text is None or text == "":
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text[:18]) <= most:
        raise bad(name, f"must be a whole number from {least} to {most}")
    return int(text[:18])


def limit(text: str | None, default: int = 100) -> int:
    return whole(text, "limit", default=default, least=1, most=MOST_ITEMS) or default


def flag(text: str | None, name: str) -> bool | None:
    if text is None or text == "":
        return None
    if text.lower() in ("yes", "true", "1"):
        return True
    if text.lower() in ("no", "false", "0", "silent"):
        return False
    raise bad(name, "must be yes or no")


def order(text: str | None, known: Sequence[str], default: str) -> str:
    if not text:
        return default
    if text.removeprefix("-") not in known:
        raise bad("sort", f"must be one of {', '.join(known)}, with a - before it for descending")
    return text


def label(text: str) -> tuple[str, str]:
    key, colon, value = text.partition(":")
    if not colon:
        raise bad("label", "must be written key:value")
    return key, value


def labels(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Each as `label`, once; every one costs a look-up, and the planning of many takes a database minutes."""
    found = list(dict.fromkeys(label(plain(text, "label")) for text in texts))
    if len(found) > MOST_LABELS:
        raise bad("label", f"may be given {MOST_LABELS} times at most")
    return found


def plain(text: str | None, name: str) -> str:
    """Free text, bounded; a NUL can't be in any name."""
    text = text or ""
    if len(text) > 1024:
        raise bad(name, "must be at most 1,024 characters")
    return text.replace("\0", "\ufffd")
