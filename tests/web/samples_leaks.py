"""Sample views of leaks and of detection settings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from server.web import views as v
from server.web import views_leaks as vl

NOW = datetime(2026, 11, 22, 10, 0, 20, tzinfo=UTC)
HOUR, DAY = 3_600, 86_400
HOOK = "\\BaseNamedObjects\\V3SOCKHOOK"
V3_PRO = v.SignatureBadge(id="v3-pro", title="V3 Pro", level="leaking")
SUMMARY = vl.LeaksSummary(
    programs=7,
    hosts=12,
    at_limit=3,
    muted=2,
    next_limit_s=3 * HOUR,
    known_hosts=412,
    judged_to=NOW - timedelta(hours=1),
)


def leak(number: int, **changes: object) -> vl.LeakRow:
    values: dict[str, object] = {
        "id": f"{number}-1",
        "host": f"web-{number:02}",
        "program": "java",
        "type": "socket",
        "object": "CLOSE_WAIT",
        "state": "leaking",
        "phase": "growing",
        "triage": "new",
        "started_at": NOW - timedelta(hours=31 * number),
        "rate_per_hour": 41.2,
        "rate_low": 38.0,
        "rate_high": 44.0,
        "last_seen_at": NOW - timedelta(seconds=20),
        "handles": 3_901,
        "limit": 4_096,
        "left_s": 4.75 * HOUR,
        "left_low_s": 4.2 * HOUR,
        "left_high_s": 5.5 * HOUR,
    }
    values |= changes
    fullest = {"fullest": values["handles"], "fullest_pid": 4_711} if values["limit"] is not None else {}
    return vl.LeakRow(**(fullest | values))  # type: ignore[arg-type]


ROWS = (
    leak(
        3, host="db-03", program="postgres_exporter", type="file", object="/proc/N/stat", phase="at_limit",
        handles=1_024, limit=1_024, rate_per_hour=0.0, rate_low=0.0, rate_high=0.4, left_s=None,
    ),
    leak(
        4, host="ci-runner-eu-west-1-spot-0442", program="containerd-shim-runc-v2", type="eventpoll", object=None,
        phase="at_limit", handles=65_536, limit=65_536, rate_per_hour=1_840.0, left_s=None, triage="acknowledged",
        assignee="ann", note="restart planned for Sunday 06:00",
    ),
    leak(7),
    leak(
        1, host="NTBK01", program="ntbackup.exe", type="Event", object=HOOK, handles=12_345, limit=16_384,
        rate_per_hour=350.4, rate_low=310.0, rate_high=388.0, left_s=11.5 * HOUR, causes=(V3_PRO,), simulated=True,
        started_at=NOW - timedelta(days=9),
    ),
    leak(
        2, host="NTBK02", program="arcserve.exe", type="Event", object=HOOK, handles=5_120, limit=None,
        rate_per_hour=84.0, left_s=None, causes=(V3_PRO,), simulated=True, silent=True,
        last_seen_at=NOW - timedelta(minutes=26),
    ),
    leak(
        5, host="app-05", program="svchost.exe[Dnscache]", type=None, object=None, phase="detected", handles=1_412,
        limit=None, rate_per_hour=0.8, rate_low=0.6, rate_high=1.1, left_s=None, started_at=NOW - timedelta(days=5),
    ),
    leak(
        6, host="mail-02", program="dovecot", type="inotify", object=None, phase="returned", handles=88, limit=128,
        rate_per_hour=0.2, rate_low=0.1, rate_high=0.3, left_s=8 * DAY, triage="acknowledged",
    ),
    leak(
        8, host="web-08", triage="muted", muted_until=NOW + timedelta(days=6, hours=3), assignee="bob",
        handles=2_210, left_s=46 * HOUR,
    ),
    leak(
        9, host="web-09", program="node", type="pipe", object=None, triage="muted", muted_rate=12.0, handles=740,
        limit=1_048_576, rate_per_hour=9.0, left_s=None,
    ),
)  # fmt: skip
RESOLVED = leak(
    11, host="web-11", state="resolved", phase="growing", resolved_at=NOW - timedelta(days=2), left_s=None, handles=212
)
GROUPS = (
    vl.LeakGroup(
        program="java", type="socket", object="CLOSE_WAIT", hosts=9, leaks=9, first_seen_at=NOW - timedelta(days=12),
        lost=31_877, rate_per_hour=370.0, next_limit_s=4.75 * HOUR, untriaged=7,
    ),
    vl.LeakGroup(
        program="ntbackup.exe", type="Event", object=HOOK, hosts=2, leaks=2, first_seen_at=NOW - timedelta(days=9),
        lost=17_465, rate_per_hour=434.4, next_limit_s=11.5 * HOUR, causes=(V3_PRO,), untriaged=2,
    ),
    vl.LeakGroup(
        program="containerd-shim-runc-v2", type="eventpoll", object=None, hosts=3, leaks=3, lost=190_000,
        first_seen_at=NOW - timedelta(days=1), rate_per_hour=1_840.0, at_limit=2,
    ),
    vl.LeakGroup(
        program="svchost.exe[Dnscache]", type=None, object=None, hosts=1, leaks=1, lost=1_412,
        first_seen_at=NOW - timedelta(days=5), rate_per_hour=0.8, untriaged=1,
    ),
)  # fmt: skip
CHOICES: Mapping[str, Any] = {
    "type_choices": tuple(
        v.Choice(value=value, label=value, count=count) for value, count in (("Event", 2), ("file", 1), ("socket", 3))
    ),
    "assignee_choices": (v.Choice(value="-", label="nobody", count=6), v.Choice(value="ann", label="ann", count=1)),
    "signature_choices": (v.Choice(value="v3-pro", label="V3 Pro", count=2),),
    "label_choices": (v.Choice(value="site:seoul", label="site:seoul", count=4),),
    "csv_url": "/api/v1/leaks?format=csv",
    "json_url": "/api/v1/leaks",
}


NO_QUERY = vl.LeaksQuery()


def leaks(shell: v.Shell, query: vl.LeaksQuery = NO_QUERY, **changes: Any) -> vl.LeaksView:
    rows: tuple[vl.LeakRow, ...] = (
        ROWS if query.status == "" else (RESOLVED,) if query.status == "resolved" else (*ROWS, RESOLVED)
    )
    rows = tuple(row for row in rows if query.search in row.program + row.host and query.triage in ("", row.triage))
    values: dict[str, object] = {
        "shell": shell,
        "query": query,
        "summary": SUMMARY,
        "rows": () if query.groups else rows,
        "groups": GROUPS if query.groups else (),
        "leaks_total": len(rows),
        "groups_total": len(GROUPS),
        "people": ("ann", "bob"),
        "may_triage": shell.role in ("operator", "admin"),
        **CHOICES,
    }
    return vl.LeaksView(**(values | changes))  # type: ignore[arg-type]


def many(shell: v.Shell, query: vl.LeaksQuery) -> vl.LeaksView:
    """As many as a page holds, of more."""
    rows = tuple(leak(number, host=f"web-{number:03}", left_s=number * HOUR) for number in range(1, 101))
    return leaks(shell, query, rows=rows, leaks_total=1_240, next_cursor="more")


def detection(shell: v.Shell, **changes: object) -> vl.DetectionView:
    rows = (
        vl.SensitivityRow(
            id=1,
            program="java",
            level="quiet",
            label="role:build",
            created_at=NOW - timedelta(days=3),
            created_by="ann",
        ),
        vl.SensitivityRow(id=2, program="backup*", level="high", created_at=NOW, created_by="bob"),
    )
    values: dict[str, object] = {
        "shell": shell,
        "rows": rows,
        "programs": ("java", "ntbackup.exe"),
        "labels": ("role:build", "site:seoul"),
        "may_change": shell.role in ("operator", "admin"),
    }
    return vl.DetectionView(**(values | changes))  # type: ignore[arg-type]


def full(shell: v.Shell) -> dict[str, v.View]:
    done = vl.Done(text="3 leaks acknowledged.", at_us=1)
    return {
        "leaks": leaks(shell, done=done),
        "leaks-groups": leaks(shell, vl.LeaksQuery(view="groups")),
        "leaks-all": leaks(shell, vl.LeaksQuery(status="all", program="java", object="CLOSE_WAIT", type="-")),
        "leaks-viewer": leaks(replace(shell, role="viewer")),
        "leaks-many": many(shell, vl.LeaksQuery(cursor="x")),
        "detection": detection(shell, said="Programs named java are quiet from now on."),
        "detection-viewer": detection(replace(shell, role="viewer")),
    }


def empty(shell: v.Shell) -> dict[str, v.View]:
    calm = vl.LeaksSummary(known_hosts=412, judged_to=NOW - timedelta(hours=1), unjudged=3)
    none: dict[str, Any] = {"rows": (), "groups": (), "leaks_total": 0, "groups_total": 0, "summary": calm}
    return {
        "leaks": leaks(shell, **none),
        "leaks-groups": leaks(shell, vl.LeaksQuery(view="groups"), **none),
        "leaks-new": leaks(shell, **(none | {"summary": vl.LeaksSummary(known_hosts=2, unjudged=2)})),
        "leaks-no-hosts": leaks(shell, **(none | {"summary": vl.LeaksSummary()})),
        "leaks-filtered": leaks(shell, vl.LeaksQuery(search="nothing-like-it", label="a:b"), **none),
        "leaks-resolved": leaks(shell, vl.LeaksQuery(status="resolved"), **none),
        "leaks-all": leaks(shell, vl.LeaksQuery(status="all"), **none),
        "detection": detection(shell, rows=(), programs=(), labels=()),
    }


def broken(shell: v.Shell, names: Sequence[str]) -> dict[str, v.View]:
    """Every name hostile, everything unknown unknown."""
    first = names[0]
    rows = tuple(
        leak(
            number, host=name, program=name, type=name, object=name, handles=None, limit=None, left_s=None,
            assignee=name, note=name, causes=(v.SignatureBadge(id=name, title=name, level="leaking"),),
        )
        for number, name in enumerate(names)
    )  # fmt: skip
    groups = tuple(
        vl.LeakGroup(program=name, type=name, object=name, hosts=1, leaks=1, first_seen_at=NOW) for name in names
    )
    query = vl.LeaksQuery(
        search=first, host=first, program=first, type=first, object=first, phase=first, triage=first, assignee=first,
        signature=first, label=first, sort=first, cursor=first, status=first,
    )  # fmt: skip
    choices = tuple(v.Choice(value=name, label=name, count=1) for name in names)
    common: dict[str, Any] = {
        "type_choices": choices, "assignee_choices": choices, "signature_choices": choices, "label_choices": choices,
        "people": tuple(names), "done": vl.Done(text=first),
    }  # fmt: skip
    form = vl.SensitivityForm(program=first, label=first, level=first, error=first, fault=first)
    settings = tuple(
        vl.SensitivityRow(id=number, program=name, level="quiet", label=name, created_by=name)
        for number, name in enumerate(names)
    )
    return {
        "leaks": leaks(shell, query, rows=rows, **common),
        "leaks-groups": leaks(shell, replace(query, view="groups"), groups=groups, **common),
        "detection": detection(shell, rows=settings, form=form, said=first, programs=tuple(names), labels=tuple(names)),
    }


def page(segments: Sequence[str], query: Mapping[str, str], shell: v.Shell) -> v.View | None:
    """What the preview shows for an address below /leaks; None: nothing special."""
    asked = vl.LeaksQuery(**{name: query.get(name, "") for name in vl.LeaksQuery.__dataclass_fields__})
    if query.get("sample") == "many":
        return many(shell, asked)
    if query.get("sample") == "viewer":
        return leaks(replace(shell, role="viewer"), asked)
    done = vl.Done(text="3 leaks acknowledged.", at_us=1) if "done" in query else None
    return leaks(shell, asked, done=done) if segments == ["leaks"] else None
