"""Sample views of one leak and of one program: in full, with nothing in them, and with hostile names."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from server.analysis.evidence import Evidence, Piece, words
from server.analysis.instants import DAY, HOUR, to_us
from server.web import views as v
from server.web import views_leak as vl
from server.web.views_chart import Forecast, Mark, Overlay, Step, Trend
from server.web.views_leaks import Done, LeakRow

NOW = datetime(2026, 11, 22, 10, 0, 20, tzinfo=UTC)
BEGAN = datetime(2026, 11, 13, 4, 10, tzinfo=UTC)
HOST = "web-07"
UBUNTU = v.Os(family="linux", name="Ubuntu 24.04.3 LTS", version="24.04")


def ago(**spans: float) -> datetime:
    return NOW - timedelta(**spans)


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def leak_row(**changes: object) -> LeakRow:
    values: dict[str, object] = {
        "id": "7-3",
        "host": HOST,
        "program": "java",
        "type": "socket",
        "object": "tcp CLOSE_WAIT",
        "state": "leaking",
        "phase": "growing",
        "triage": "acknowledged",
        "started_at": BEGAN,
        "rate_per_hour": 14.2,
        "rate_low": 13.1,
        "rate_high": 15.4,
        "last_seen_at": ago(seconds=20),
        "handles": 3_901,
        "limit": 4_096,
        "left_s": 4.75 * 3600,
        "left_low_s": 4.0 * 3600,
        "left_high_s": 6.0 * 3600,
        "assignee": "bob",
        "note": "The payment gateway closes idle connections and our pool does not notice. Fix is in review.",
        "simulated": True,
    }
    return LeakRow(**(values | changes))  # type: ignore[arg-type]


def pieces() -> list[Piece]:
    first = to_us(datetime(2026, 11, 13, tzinfo=UTC))
    return [Piece(first + n * DAY, first + (n + 1) * DAY, 812 + 340 * n + (n * 37) % 60) for n in range(9)]


def overlay() -> Overlay:
    last = seconds(NOW)
    return Overlay(
        steps=tuple(Step(from_s=p.from_us // 10**6, to_s=p.to_us // 10**6, low=p.low) for p in pieces()),
        trends=(
            Trend(
                label="the growth told, +14/h",
                from_s=seconds(BEGAN),
                from_value=700,
                to_s=last,
                to_value=700 + 14.2 * 222,
            ),
        ),
        forecasts=(
            Forecast(
                from_s=last,
                from_value=3_901,
                limit=4_096,
                earliest_s=last + 4 * 3600,
                likely_s=last + 17_100,
                latest_s=last + 6 * 3600,
            ),
        ),
        marks=(
            Mark(at_s=seconds(BEGAN), label="began", kind="began"),
            Mark(at_s=seconds(BEGAN) + 30 * 3600, label="detected", kind="detected"),
            Mark(at_s=seconds(BEGAN) + 60 * 3600, label="restart", kind="restart"),
            Mark(at_s=seconds(BEGAN) + 130 * 3600, label="restart", kind="restart"),
        ),
        began=((seconds(BEGAN) - 7_200, seconds(BEGAN) + 10_800),),
    )


def chart(**changes: object) -> v.Chart:
    values: dict[str, object] = {
        "by": "total",
        "range": "",
        "from_": BEGAN - timedelta(hours=26),
        "to": NOW,
        "series_url": "/api/v1/hosts/web-07/series?by=total&program=java&type=socket&leak=1",
        "program": "java",
        "legend": (v.LegendRow(key={}, label="sockets", colour=0, last=3_901, min=640, max=3_950),),
        "limits": (v.LimitLine(label="limit", value=4_096),),
        "history_from": ago(days=14),
        "overlay": overlay(),
        "ahead_s": 6 * 3600,
    }
    return v.Chart(**(values | changes))  # type: ignore[arg-type]


def facts(**changes: object) -> vl.LeakFacts:
    values: dict[str, object] = {
        "handles_word": "sockets",
        "started_from": BEGAN - timedelta(hours=2),
        "started_to": BEGAN + timedelta(hours=3),
        "detected_at": BEGAN + timedelta(hours=30),
        "lasted_s": (NOW - BEGAN).total_seconds(),
        "share": 0.963,
        "limit_of": "soft limit on open files of each process (PID 2211)",
        "full_from": NOW + timedelta(hours=4),
        "full_at": NOW + timedelta(hours=4.75),
        "full_to": NOW + timedelta(hours=6),
    }
    return vl.LeakFacts(**(values | changes))  # type: ignore[arg-type]


def evidence(row: LeakRow) -> tuple[str, ...]:
    restarts = [to_us(BEGAN) + 60 * HOUR, to_us(BEGAN) + 130 * HOUR]
    return words(_Numbers(row), Evidence("days", pieces=pieces(), restarts=restarts, share=0.963))


class _Numbers:
    def __init__(self, row: LeakRow) -> None:
        self.type, self.object, self.limit = row.type, row.object, row.limit
        self.started_us = to_us(row.started_at)


def leak(shell: v.Shell, row: LeakRow | None = None, **changes: object) -> vl.LeakView:
    row = row or leak_row()
    values: dict[str, object] = {
        "shell": shell,
        "query": vl.LeakQuery(),
        "leak": row,
        "facts": facts(),
        "chart": chart(),
        "home": (BEGAN - timedelta(hours=26), NOW),
        "evidence": evidence(row),
        "counted": "the lowest count of each stretch that the evidence speaks of",
        "advice": (
            vl.Advice(
                text="See which sockets they are, as root. Sockets in CLOSE_WAIT are connections which the other side "
                "has closed and this program has not.",
                command="ss -tanp | grep 'pid=2211,' | sort -k4 | less\nlsof -nP -a -p 2211 -i",
            ),
            vl.Advice(
                text="Where the collector reads names, two moments can be compared by type and name:",
                href="/compare",
                link="what it took meanwhile",
            ),
            vl.Advice(text="A restart buys about 9 d, until it holds 4,096 again."),
        ),
        "log": (
            vl.LogEntry(at=ago(hours=5), text="assigned it to bob and wrote a note", by="ann", note=row.note),
            vl.LogEntry(at=ago(days=2), text="acknowledged it", by="ann"),
            vl.LogEntry(at=BEGAN + timedelta(hours=30), text="It was detected"),
            vl.LogEntry(at=BEGAN, text="It began, as far as can be told"),
        ),
        "other_leaks": 11,
        "other_hosts": 11,
        "may_triage": True,
        "people": ("ann", "bob"),
        "json_url": "/api/v1/leaks/7-3",
    }
    return vl.LeakView(**(values | changes))  # type: ignore[arg-type]


def known(shell: v.Shell) -> vl.LeakView:
    """V3 Pro, on a machine that can't forecast: its limit is far."""
    badge = v.SignatureBadge(id="v3-pro", title="V3 Pro", level="leaking")
    row = leak_row(
        id="1-1",
        host="NTBK01",
        program="ntbackup.exe",
        type="Event",
        object="\\BaseNamedObjects\\V3SOCKHOOK",
        triage="new",
        assignee=None,
        note=None,
        handles=12_345,
        limit=None,
        left_s=None,
        rate_per_hour=350.0,
        causes=(badge,),
    )
    return leak(
        shell,
        row,
        facts=facts(
            handles_word="Event handles",
            full_at=None,
            limit_of=None,
            no_forecast="no forecast: no limit is known of it",
        ),
        chart=chart(limits=(), overlay=replace(overlay(), forecasts=()), ahead_s=0),
        causes=(
            vl.Cause(
                badge=badge,
                summary="A backup program on Windows NT 4.0 holds ever more Event handles named V3SOCKHOOK.",
                resolution="Get the latest update of V3 Pro from AhnLab, or remove V3 Pro.",
                next_steps=("Look at the version that is installed.", "Restart the backup program afterwards."),
            ),
        ),
        advice=(vl.Advice(text="A restart gives the handles back, and ends nothing: it begins anew."),),
        other_hosts=0,
    )


def resolved(shell: v.Shell) -> vl.LeakView:
    row = leak_row(state="resolved", resolved_at=ago(days=1), left_s=None, handles=640, triage="muted", muted_rate=30.0)
    event = v.EventRow(
        time=ago(days=4), kind="software", text="openjdk-17 updated from 17.0.9 to 17.0.13", from_=ago(days=5), to=NOW
    )
    return leak(
        shell,
        row,
        facts=facts(
            full_at=None,
            no_forecast="never, as it stands: the leak is over",
            resolved_why="It is over: what it took was given back.",
        ),
        software=(event,),
        advice=(vl.Advice(text="It is over."),),
        reopens=True,
        done=Done(text="1 leak resolved.", at_us=1),
        beside=(leak_row(id="7-1", type=None, started_at=ago(days=30)),),
    )


def at_limit(shell: v.Shell) -> vl.LeakView:
    row = leak_row(
        phase="at_limit", left_s=None, muted_until=NOW + timedelta(days=3), triage="muted", type=None, object=None
    )
    return leak(
        shell,
        row,
        facts=facts(handles_word="handles", full_at=None, no_forecast="now", at_limit_at=ago(hours=3), share=None),
        error="Nothing was changed: state it ended by itself.",
        may_triage=False,
    )


def program(shell: v.Shell, **changes: object) -> vl.ProgramView:
    values: dict[str, object] = {
        "shell": shell,
        "query": vl.ProgramQuery(),
        "facts": vl.ProgramFacts(
            host=HOST,
            program="java",
            running=1,
            os=UBUNTU,
            simulated=True,
            handles=4_020,
            limit=4_096,
            last_seen_at=ago(seconds=20),
            first_seen_at=ago(days=7),
            read_at=ago(seconds=20),
            other_leaks=11,
            other_hosts=11,
        ),
        "chart": chart(
            range="7d", legend=(v.LegendRow(key={}, label="All processes", colour=0, last=4_020, min=600, max=4_050),)
        ),
        "processes": (
            v.ProcessRow(
                pid=2211,
                program="java",
                started_at=ago(days=4),
                user="tomcat",
                version="17.0.9",
                handles=4_020,
                limit=4_096,
                types=(v.TypeCount(type="socket", count=3_901), v.TypeCount(type="file", count=88)),
                objects=(v.ObjectCount(type="socket", name="tcp CLOSE_WAIT", count=3_700),),
            ),
            v.ProcessRow(pid=2212, program="java"),
        ),
        "processes_at": ago(seconds=20),
        "leaks": (leak_row(), leak_row(id="7-1", state="resolved", resolved_at=ago(days=40), left_s=None, type=None)),
        "matches": (v.Match(id="v3-pro", title="V3 Pro (Q277673)", level="leaking", handles=12, rate_per_hour=3.0),),
        "events": (
            v.EventRow(
                time=ago(days=4),
                kind="restart",
                text="java restarted: process 1922, now 2211",
                from_=ago(days=5),
                to=ago(days=3),
            ),
        ),
    }
    return vl.ProgramView(**(values | changes))  # type: ignore[arg-type]


def full(shell: v.Shell) -> Mapping[str, v.View]:
    return {
        "leak": leak(shell),
        "leak-known": known(shell),
        "leak-resolved": resolved(shell),
        "leak-at-limit": at_limit(shell),
        "program": program(shell),
    }


def empty(shell: v.Shell) -> Mapping[str, v.View]:
    nothing = chart(legend=(), limits=(), overlay=Overlay(), ahead_s=0, history_from=ago(days=2))
    return {
        "leak": leak(
            shell,
            leak_row(
                handles=None, limit=None, left_s=None, type=None, object=None, assignee=None, note=None, triage="new"
            ),
            facts=facts(handles_word="handles", full_at=None, no_forecast="no forecast: no limit is known of it"),
            chart=nothing,
            evidence=(),
            advice=(),
            log=(),
            other_hosts=0,
            may_triage=False,
        ),
        "program": program(
            shell,
            facts=vl.ProgramFacts(host=HOST, program="java", running=0, os=UBUNTU, last_seen_at=ago(days=3)),
            chart=replace(nothing, range="7d"),
            processes=(),
            leaks=(),
            matches=(),
            events=(),
        ),
    }


def broken(shell: v.Shell, hostile: Sequence[str]) -> Mapping[str, v.View]:
    script, long = hostile[0], hostile[2]
    most = 2**53 - 1
    row = leak_row(
        id="1-1", host=script, program=long, type=script, object=long, assignee=long, note=script + long, handles=most,
        limit=most, rate_per_hour=1e15, rate_low=-1e15, rate_high=1e15,
    )  # fmt: skip
    odd = v.LegendRow(key={"type": script}, label=script, colour=9, last=most, min=0, max=most)
    trend = Trend(label=script, from_s=0, from_value=0, to_s=2**40, to_value=1e300)
    marks = tuple(Mark(at_s=seconds(NOW) - 3_600 * n, label=name, kind="began") for n, name in enumerate(hostile))
    drawn = chart(legend=(odd,), limits=(v.LimitLine(label=script, value=most),))
    drawn = replace(drawn, overlay=replace(overlay(), trends=(trend,), marks=marks))
    return {
        "leak": leak(
            shell,
            row,
            facts=facts(handles_word=f"{script} handles", limit_of=long, share=5.0),
            chart=drawn,
            causes=(
                vl.Cause(
                    badge=v.SignatureBadge(id="../x", title=script, level="leaking"),
                    summary=long,
                    resolution=script,
                    next_steps=tuple(hostile),
                ),
            ),
            advice=tuple(vl.Advice(text=name, command=name, href="/compare", link=name) for name in hostile),
            log=tuple(vl.LogEntry(at=NOW, text=name, by=name, note=name) for name in hostile),
            software=tuple(v.EventRow(time=NOW, kind="software", text=n, from_=NOW, to=NOW) for n in hostile),
            people=tuple(hostile),
            error=long,
        ),
        "program": program(
            shell,
            facts=vl.ProgramFacts(host=script, program=long, running=9, os=UBUNTU, handles=most, last_seen_at=NOW),
            chart=drawn,
            processes=tuple(
                v.ProcessRow(
                    pid=n,
                    program=name,
                    user=name,
                    version=name,
                    handles=most,
                    limit=1,
                    types=(v.TypeCount(type=name, count=most),) * 7,
                    objects=(v.ObjectCount(type=name, name=name, count=most),),
                )
                for n, name in enumerate(hostile)
            ),
            leaks=tuple(replace(row, id=f"1-{n}", host=name, program=name) for n, name in enumerate(hostile)),
            events=tuple(
                v.EventRow(time=NOW, kind="restart", text=name, from_=NOW, to=NOW, key=name) for name in hostile
            ),
        ),
    }


def line(from_: datetime, times: Sequence[datetime]) -> list[int | None]:
    """What the series call answers for the chart of a leak: it climbs since it began, and comes down a little."""
    found: list[int | None] = []
    for time in times:
        hours = (time - BEGAN).total_seconds() / 3600
        low = 720 + max(hours, 0) * 14.2
        wave = 60 + 55 * ((hours % 24) - 12) / 12 if hours % 24 > 8 else 20
        found.append(None if time > NOW or time < from_ else int(low + wave))
    return found
