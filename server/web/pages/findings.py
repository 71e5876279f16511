"""The first lines of a host page: what is wrong with it, in words, worst first."""

from collections.abc import Mapping, Sequence
from typing import Any

from server.analysis.catalogue import Signature
from server.analysis.evidence import called
from server.analysis.instants import MINUTE, SECOND, from_us
from server.analysis.signatures import Match
from server.jobs.detecting import LATEST
from server.store import fleet
from server.store.leaks import leak_id
from server.web import views
from server.web.api import schema
from server.web.api.signatures import literal
from server.web.pages import shell as shells
from server.web.pages.asking import is_imported
from server.web.render import duration, number, percent, rate, short_object, utc

NEAR_LIMIT = 0.9
_AHEAD = 5 * MINUTE  # less is no more than clocks that differ
_NONE: Mapping[str, str] = {}
_ORDER = {"bad": 0, "warn": 1, "note": 2}


def findings(
    row: Any,
    facts: views.HostFacts,
    growing: Sequence[Any],
    matches: Mapping[str, Match],
    processes: Sequence[schema.ProcessBody],
    *,
    catalogue: Mapping[str, Signature],
    now_us: int,
) -> tuple[views.Finding, ...]:
    """`row`: the host; `facts`: what its page says of it; `growing`: its rows of leaks; `processes`: those of the
    newest snapshot or the moment chosen."""
    leaks = {one.program: leak_id(one) for one in growing}
    found = [of_match(signature, match, catalogue, leaks=leaks) for signature, match in matches.items()]
    explained = {program.program for match in matches.values() for program in match.programs}
    found += [_of_growth(one, now_us) for one in growing if one.program not in explained]
    found += _near_limits(processes)
    found += _shares(facts)
    if fleet.is_silent(row, now_us):
        ago = duration((now_us - row.shown_us) / SECOND)
        found.append(views.Finding(severity="warn", text=f"Nothing was heard for {ago}", since=from_us(row.shown_us)))
    found += _ahead(row, now_us)
    if row.denied:
        unread = f"{number(row.denied)} of {number(row.processes)} processes"
        text = f"{unread} could not be read: give the collector more rights"
        if is_imported(row):
            text = f"The newest dump file tells no count of {unread}"
        found.append(views.Finding(severity="note", text=text))
    if row.skew_s:
        way = "ahead" if row.skew_s > 0 else "behind"
        text = f"Its clock is {duration(row.skew_s)} {way}; times here are corrected for it"
        found.append(views.Finding(severity="note", text=text))
    return worst_first(found)


def _ahead(row: Any, now_us: int) -> list[views.Finding]:
    """A newest snapshot that lies ahead, stored while this server's own clock was wrong."""
    if row.shown_us is None or row.shown_us <= now_us + _AHEAD:
        return []
    ahead = duration((row.shown_us - now_us) / SECOND)
    text = f"Its newest reading is stamped {ahead} ahead of this server's clock"
    again_us = row.shown_us - LATEST
    if again_us <= now_us:
        return [views.Finding(severity="warn", text=f"{text}; readings of now count as late, and are judged so")]
    text += (
        f", so readings of now are kept and drawn, but not judged for leaks before {utc(from_us(again_us))}. "
        "If this server's clock is right, forget the host through DELETE /api/v1/hosts and let it report anew"
    )
    return [views.Finding(severity="bad", text=text)]


def worst_first(found: Sequence[views.Finding]) -> tuple[views.Finding, ...]:
    return tuple(sorted(found, key=lambda one: _ORDER[one.severity]))


def of_match(
    signature_id: str, match: Match, catalogue: Mapping[str, Signature], *, leaks: Mapping[str, str] = _NONE
) -> views.Finding:
    """`leaks`: the ids of the open ones by program."""
    badge = shells.badge(catalogue, signature_id, match.level)
    handles = "handles" if match.handles is None else f"{number(match.handles)} handles"
    match match.level:
        case "leaking":
            held = "" if match.handles is None else f": {number(match.handles)} open"
            growth = "" if match.rate_per_hour is None else f", {rate(match.rate_per_hour)}"
            text, severity = f"{match.program} leaks {_kind(catalogue.get(signature_id))}{held}{growth}", "bad"
        case "present":
            growth = "; growth not yet known" if match.rate_per_hour is None else ", which do not grow now"
            text, severity = f"{match.program} holds {handles} of this leak{growth}", "warn"
        case "exposed":
            what = match.software.label if match.software else "the software that causes it"
            text, severity = f"{what} is installed; no such handles yet", "note"
        case _:
            text, severity = (
                f"It showed this leak and no longer does{f': {match.changed}' if match.changed else ''}",
                "note",
            )
    since = match.first_seen_us if match.level in ("leaking", "present") else None
    return views.Finding(
        severity=severity,  # type: ignore[arg-type]  # one of the three, see above
        text=text,
        program=match.program if match.level in ("leaking", "present") else None,
        leak=leaks.get(match.program or "") if match.level in ("leaking", "present") else None,
        signature=badge,
        since=shells.moment(since),
    )


def _kind(signature: Signature | None) -> str:
    """Which handles leak, as far as the signature says so: Event handles named V3SOCKHOOK."""
    if signature is None:
        return "handles"
    kind, name = signature.said.match.type, literal(signature.said.match.object)
    return (f"{kind} handles" if kind else "handles") + (f" named {short_object(name)}" if name else "")


def _of_growth(row: Any, now_us: int) -> views.Finding:
    held = "" if row.handles is None else f": {number(row.handles)} held"
    text = f"{row.program} leaks {called(row.type)}{held}, {rate(row.rate_per_hour)}"
    if row.phase == "at_limit":
        text += f"; it is at its limit of {number(row.limit)}" if row.limit is not None else "; it is at its limit"
    elif row.exhausted_us is not None:
        text += f"; full in about {duration(max(0, row.exhausted_us - now_us) / SECOND)}"
    return views.Finding(
        severity="note" if row.triage_now == "muted" else "bad",
        text=f"{text} (muted)" if row.triage_now == "muted" else text,
        program=row.program,
        leak=leak_id(row),
        since=from_us(row.started_us),
    )


def _near_limits(processes: Sequence[schema.ProcessBody]) -> list[views.Finding]:
    near = [one for one in processes if one.handles is not None and one.limit and one.handles >= NEAR_LIMIT * one.limit]
    return [
        views.Finding(
            severity="warn",
            text=f"{one.program} (PID {one.pid}) holds {number(one.handles)} of the {number(one.limit)} handles "
            f"it may, {percent(one.handles, one.limit)}",
            program=one.program,
        )
        for one in near[:5]
    ]


def _shares(facts: views.HostFacts) -> list[views.Finding]:
    """What processes share and is nearly used up: then programs fail that hold few handles themselves."""
    shares = (
        (facts.open_files, "All processes together have {used} of the {limit} files open that this machine allows"),
        (facts.inotify, "User {user} has {used} of the {limit} inotify instances a user may have"),
    )
    return [
        views.Finding(
            severity="warn",
            text=text.format(user=share.user, used=number(share.used), limit=number(share.limit))
            + f", {percent(share.used, share.limit)}",
        )
        for share, text in shares
        if share is not None and share.limit and share.used >= NEAR_LIMIT * share.limit
    ]
