"""What became of a leak, in words: what its host's history tells and what people did."""

from collections.abc import Mapping, Sequence
from typing import Any

from server.analysis.instants import from_us
from server.store.leaks import Entry
from server.web.render import number, rate
from server.web.views_leak import LogEntry

_DERIVED = {
    "started": "It began, as far as can be told",
    "detected": "It was detected",
    "returned": "It returned after it was resolved",
    "at_limit": "It reached its limit",
    "resolved": "It was over",
}


def log_entries(entries: Sequence[Entry], row: Any) -> tuple[LogEntry, ...]:
    """Newest first."""
    return tuple(_entry(entry, row) for entry in reversed(entries))


def _entry(entry: Entry, row: Any) -> LogEntry:
    at = from_us(entry.at_us)
    if entry.kind != "changed":
        text = _DERIVED.get(entry.kind, entry.kind)
        if entry.kind == "at_limit" and row.limit is not None:
            text = f"It reached its limit of {number(row.limit)}"
        return LogEntry(at=at, text=text)
    note = entry.changes.get("note")
    return LogEntry(at=at, text=in_words(entry.changes), by=entry.by, note=note if isinstance(note, str) else None)


def in_words(changes: Mapping[str, Any]) -> str:
    """What somebody did, after their name: acknowledged it and assigned it to ann."""
    said = []
    if changes.get("state") == "resolved":
        said.append("resolved it")
    elif changes.get("state") == "leaking":
        said.append("reopened it")
    said += _triage(changes)
    if "assignee" in changes:
        said.append(f"assigned it to {changes['assignee']}" if changes["assignee"] else "assigned it to nobody")
    if "note" in changes:
        said.append("wrote a note" if changes["note"] else "removed the note")
    return " and ".join(said) or "changed it"


def _triage(changes: Mapping[str, Any]) -> list[str]:
    until, faster = changes.get("muted_until"), changes.get("muted_above_rate_per_hour")
    if until is not None:
        return [f"muted it until {until[:10]} {until[11:16]} UTC"]
    if faster is not None:
        return [f"muted it until it grows faster than {rate(faster)}"]
    match changes.get("triage"):
        case "acknowledged":
            return ["acknowledged it"]
        case "muted":
            return ["muted it"]
        case "new":
            return ["put it back to new"]
        case _:
            return []
