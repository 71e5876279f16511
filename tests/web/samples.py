"""Sample views: a full fleet, an empty one, and one whose names try to break the page. For tests and the preview."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from server.analysis.signatures import Level
from server.web import views as v
from server.web import views_signatures as vs
from server.web.colours import assign
from tests.web import samples_import, samples_leak, samples_leaks

NOW = datetime(2026, 11, 22, 10, 0, 20, tzinfo=UTC)
SCRIPT = "<script>alert(1)</script>"
TURNED = "safe\u202egpj.exe"
LONG = "h" * 1000
SLASHED = "a/b%2F#c?d&e=\"f'g"
HOSTILE = (SCRIPT, TURNED, LONG, SLASHED, "..", "  ", "한국어-서버")
V3 = "\\BaseNamedObjects\\V3SOCKHOOK"

NT_SP6A = v.Os(family="windows", name="Windows NT Server", version="4.0.1381", service_pack="6a")
NT_SP5 = v.Os(family="windows", name="Windows NT Server", version="4.0.1381", service_pack="5")
SERVER_2022 = v.Os(family="windows", name="Windows Server 2022", version="10.0.20348")
DEBIAN = v.Os(family="linux", name="Debian GNU/Linux 13 (trixie)", version="13")
UBUNTU = v.Os(family="linux", name="Ubuntu 24.04.3 LTS", version="24.04")


def ago(**spans: float) -> datetime:
    return NOW - timedelta(**spans)


def parsed(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def shell(nav: v.Nav = "fleet", **changes: object) -> v.Shell:
    values: dict[str, object] = {
        "user": "ann",
        "role": "admin",
        "csrf_token": "sample-csrf-token",
        "nav": nav,
        "version": "0.1.0",
        "now": NOW,
        "simulated": True,
    }
    return v.Shell(**(values | changes))  # type: ignore[arg-type]


def badge(level: Level) -> v.SignatureBadge:
    return v.SignatureBadge(id="v3-pro", title="V3 Pro", level=level)


def wave(base: int, swing: int, *, rise: float = 0, gap: tuple[int, int] = (0, 0)) -> tuple[int | None, ...]:
    return tuple(
        None
        if gap[0] <= i < gap[1]
        else int(base + swing * math.sin(i / 48 * 6.283) + rise * i + swing / 6 * math.sin(i * 2.7))
        for i in range(48)
    )


# --- fleet ------------------------------------------------------------------------------------------------------------


def fleet_rows() -> tuple[v.FleetRow, ...]:
    backup = {"site": "seoul", "role": "backup"}
    rows = [
        v.FleetRow(
            name="NTBK01",
            os=NT_SP6A,
            simulated=True,
            handles=18_230,
            processes=31,
            coverage=v.Coverage(processes=31, denied=2),
            spark=wave(9_800, 60, rise=170),
            worst=v.WorstProgram(program="ntbackup.exe", handles=12_345, growing=True),
            leaks=1,
            signatures=(badge("leaking"),),
            labels=backup,
            last_seen_at=ago(seconds=24),
        ),
        v.FleetRow(
            name="NTBK02",
            os=NT_SP6A,
            simulated=True,
            handles=9_412,
            processes=28,
            coverage=v.Coverage(processes=28, denied=0),
            spark=wave(5_200, 90, rise=85),
            worst=v.WorstProgram(program="arcserve.exe", handles=5_120, growing=True),
            leaks=1,
            signatures=(badge("leaking"),),
            labels=backup,
            last_seen_at=ago(seconds=31),
        ),
        v.FleetRow(
            name="ntfile-05",
            os=NT_SP5,
            simulated=True,
            handles=2_104,
            processes=26,
            coverage=v.Coverage(processes=26, denied=0),
            spark=wave(2_000, 120),
            worst=v.WorstProgram(program="services.exe", handles=402),
            signatures=(badge("exposed"),),
            labels={"site": "busan"},
            last_seen_at=ago(seconds=47),
        ),
        v.FleetRow(
            name="web-07",
            os=UBUNTU,
            simulated=True,
            handles=14_877,
            processes=188,
            coverage=v.Coverage(processes=188, denied=0),
            spark=wave(12_900, 420, rise=41),
            worst=v.WorstProgram(program="java", handles=3_901, growing=True),
            leaks=1,
            labels={"site": "frankfurt", "role": "web", "tier": "front", "team": "payments"},
            last_seen_at=ago(seconds=12),
        ),
        v.FleetRow(
            name="mail-02",
            os=DEBIAN,
            simulated=True,
            silent=True,
            handles=6_120,
            processes=140,
            coverage=v.Coverage(processes=140, denied=0),
            spark=wave(6_000, 300, gap=(46, 48)),
            worst=v.WorstProgram(program="dovecot", handles=1_204),
            labels={"site": "frankfurt", "role": "mail"},
            last_seen_at=ago(minutes=26),
        ),
        v.FleetRow(
            name="build-vm",
            os=DEBIAN,
            handles=3_377,
            processes=155,
            coverage=v.Coverage(processes=155, denied=13),
            spark=wave(3_200, 200, gap=(10, 20)),
            worst=v.WorstProgram(program="chromium", handles=1_088),
            last_seen_at=ago(seconds=8),
        ),
        v.FleetRow(name="new-host", os=v.Os(family="other"), last_seen_at=None),
    ]
    for number in range(1, 24):
        windows = number % 3 == 0
        rows.append(
            v.FleetRow(
                name=f"{'app' if windows else 'db'}-{number:02}",
                os=SERVER_2022 if windows else UBUNTU,
                simulated=True,
                handles=4_000 + 997 * number,
                processes=90 + number,
                coverage=v.Coverage(processes=90 + number, denied=0),
                spark=wave(4_000 + 997 * number, 90 * number),
                worst=v.WorstProgram(
                    program="svchost.exe[Dnscache]" if windows else "postgres", handles=700 + 31 * number
                ),
                labels={"site": "frankfurt" if number % 2 else "seoul"},
                last_seen_at=ago(seconds=5 + number),
            )
        )
    return tuple(rows)


def attention() -> tuple[v.Attention, ...]:
    return (
        v.Attention(
            kind="leaking",
            host="NTBK01",
            program="ntbackup.exe",
            type="Event",
            object=V3,
            handles=12_345,
            rate_per_hour=350.4,
            since=ago(days=9),
            signature=badge("leaking"),
            simulated=True,
        ),
        v.Attention(
            kind="leaking",
            host="NTBK02",
            program="arcserve.exe",
            type="Event",
            object=V3,
            handles=5_120,
            rate_per_hour=84,
            since=ago(days=2, hours=3),
            signature=badge("leaking"),
            simulated=True,
        ),
        v.Attention(
            kind="growing",
            host="web-07",
            program="java",
            type="socket",
            object="CLOSE_WAIT",
            handles=3_901,
            rate_per_hour=41,
            since=ago(days=1, hours=6),
            full_in_s=17_100,
            simulated=True,
            leak="7-1",
            phase="growing",
            triage="new",
        ),
        v.Attention(
            kind="growing",
            host="ci-runner-eu-west-1-spot-0442",
            program="containerd-shim-runc-v2",
            type="eventpoll",
            handles=65_536,
            rate_per_hour=1_840,
            since=ago(days=5),
            leak="4-1",
            phase="at_limit",
            triage="acknowledged",
            assignee="ann",
        ),
        v.Attention(kind="near_limit", host="db-04", program="postgres", handles=921, limit=1_024, simulated=True),
        v.Attention(kind="silent", host="mail-02", since=ago(minutes=26), simulated=True),
    )


def fleet(query: v.FleetQuery | None = None) -> v.FleetView:
    rows = fleet_rows()
    query = query or v.FleetQuery()
    if query.search:
        rows = tuple(row for row in rows if query.search.casefold() in row.name.casefold())
    return v.FleetView(
        shell=shell(search=query.search),
        query=query,
        summary=v.FleetSummary(
            hosts=412,
            reporting=409,
            leaking_programs=7,
            leaking_hosts=12,
            signatures=(v.SignatureCount(id="v3-pro", title="V3 Pro", hosts=3),),
            next_limit_s=17_100,
        ),
        attention=attention(),
        attention_more=3,
        rows=rows,
        total=len(rows) if query.search else 412,
        os_choices=(
            v.Choice(value="linux", label="Linux", count=301),
            v.Choice(value="windows", label="Windows", count=111),
        ),
        label_choices=(v.Choice(value="site:seoul", label="site:seoul", count=88),),
        signature_choices=(v.Choice(value="v3-pro", label="V3 Pro (Q277673)", count=6),),
        next_cursor=None if query.search else "opaque",
    )


def fleet_empty() -> v.FleetView:
    return v.FleetView(
        shell=shell(simulated=False),
        query=v.FleetQuery(),
        summary=v.FleetSummary(hosts=0, reporting=0, leaking_programs=0, leaking_hosts=0),
    )


def fleet_broken() -> v.FleetView:
    """Every name hostile, everything unknown unknown."""
    rows = tuple(
        v.FleetRow(
            name=name,
            os=v.Os(family="other", name=name, version=name, service_pack=name),
            worst=v.WorstProgram(program=name, handles=2**53 - 1, growing=True),
            leaks=1_000_000,
            signatures=(v.SignatureBadge(id=name, title=name, level="leaking"),),
            labels={name: name},
            handles=2**53 - 1,
            spark=(None, 5, None, 2**53 - 1),
            last_seen_at=NOW + timedelta(hours=3),
        )
        for name in HOSTILE
    )
    return v.FleetView(
        shell=shell(user=SCRIPT, search=SLASHED, notices=(SCRIPT,)),
        query=v.FleetQuery(search=LONG, label=SLASHED, sort="-nonsense", cursor=SLASHED),
        summary=v.FleetSummary(
            hosts=1,
            reporting=0,
            leaking_programs=1,
            leaking_hosts=1,
            signatures=(v.SignatureCount(id=SLASHED, title=LONG, hosts=1),),
        ),
        attention=tuple(
            v.Attention(kind="growing", host=n, program=n, type=n, object=n, handles=0, rate_per_hour=-0.04)
            for n in HOSTILE
        ),
        rows=rows,
        total=1,
        label_choices=tuple(v.Choice(value=name, label=name) for name in HOSTILE),
    )


# --- host -------------------------------------------------------------------------------------------------------------

PROGRAMS = (
    "ntbackup.exe", "services.exe", "svchost.exe[Dnscache]", "lsass.exe", "v3pro32.exe", "explorer.exe", "inetinfo.exe",
    "winlogon.exe",
)  # fmt: skip
TYPES = ("Event", "File", "Key", "Semaphore", "Thread", "Section")


def series(query: Mapping[str, str], *, empty: bool = False) -> dict[str, object]:
    """What the series call answers, made up: a rise with a nightly dip, a gap, and a band in long ranges."""
    if empty:
        return {"times": [], "series": []}
    points = 240
    until = parsed(query.get("to", NOW.isoformat()))
    since = parsed(query.get("from", ago(hours=24).isoformat()))
    step = (until - since) / points
    times = [since + step * i for i in range(points)]
    by = query.get("by", "total")
    if query.get("leak"):
        known = samples_leak.line(since, times)
        return {
            "times": [time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in times],
            "series": [{"key": {}, "last": known, "min": known, "max": known}],
        }
    all_keys: dict[str, list[dict[str, object]]] = {
        "total": [{}],
        "program": [{"program": name} for name in PROGRAMS],
        "type": [{"type": name} for name in TYPES],
        "process": [{"program": "ntbackup.exe", "pid": 187, "started_at": "2026-11-22T01:00:00Z"}],
    }
    keys = all_keys[by]
    return {
        "times": [time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in times],
        "series": [_line(key, index, times) for index, key in enumerate(keys)],
    }


def _line(key: dict[str, object], index: int, times: list[datetime]) -> dict[str, object]:
    base = 12_000 / (1 + index) ** 1.7 + 150
    last: list[int | None] = []
    for time in times:
        hours = (time - ago(hours=24)).total_seconds() / 3600
        value = base + (200 * hours if index == 0 else 0.03 * base * math.sin(hours / 3.8 + index))
        gone = 9.2 < hours < 10.8
        last.append(None if gone else max(int(value), 0))
    return {
        "key": key,
        "last": last,
        "min": [None if value is None else int(value * 0.97) for value in last],
        "max": [None if value is None else int(value * 1.04) for value in last],
    }


def processes() -> v.Processes:
    colours = assign(PROGRAMS)
    v3 = v.ObjectCount(type="Event", name=V3, count=11_950, distinct=11_950)
    rows = [
        v.ProcessRow(
            pid=187,
            program="ntbackup.exe",
            started_at=ago(hours=9),
            user="NT AUTHORITY\\SYSTEM",
            version="4.0",
            handles=12_345,
            types=(
                v.TypeCount(type="Event", count=12_000),
                v.TypeCount(type="Key", count=60),
                v.TypeCount(type="File", count=51),
                v.TypeCount(type="Thread", count=12),
                v.TypeCount(type="Section", count=8),
            ),
            objects=(v3, v.ObjectCount(type="Mutant", name="\\BaseNamedObjects\\lock-#", count=3, estimated=True)),
            rate_per_hour=350.4,
            growing_since=ago(days=9),
            colour=colours["ntbackup.exe"],
        ),
        v.ProcessRow(pid=8, program="csrss.exe", started_at=ago(days=2)),
        v.ProcessRow(pid=4410, program="java", user="app", handles=3_901, limit=4_096, types=(), objects=()),
    ]
    for index, name in enumerate(PROGRAMS[1:]):
        rows.append(
            v.ProcessRow(
                pid=200 + index,
                program=name,
                started_at=ago(days=2),
                user="SYSTEM",
                handles=1_800 - 190 * index,
                limit=16_777_216,
                types=(v.TypeCount(type="Key", count=90), v.TypeCount(type="File", count=40)),
                colour=colours[name],
            )
        )
    return v.Processes(time=ago(seconds=20), rows=tuple(rows), total=31, json_url="/api/x", csv_url="/api/x?format=csv")


def chart(query: v.HostQuery, host: str) -> v.Chart:
    by: v.By = query.by if query.by in ("program", "type", "process") else "total"  # type: ignore[assignment]
    colours = assign(PROGRAMS) | assign(TYPES)
    if by == "program":
        legend = tuple(
            v.LegendRow(key={"program": n}, label=n, colour=colours[n], last=12_345 - i, min=40, max=12_345)
            for i, n in enumerate(PROGRAMS)
        )
    elif by == "type":
        legend = tuple(
            v.LegendRow(key={"type": n}, label=n, colour=colours[n], last=900, min=40, max=1_000) for n in TYPES
        )
    elif by == "process":
        key: dict[str, str | int | None] = {"program": "ntbackup.exe", "pid": 187, "started_at": "2026-11-22T01:00:00Z"}
        legend = (v.LegendRow(key=key, label="ntbackup.exe 187", colour=0, last=12_345, min=40, max=12_345),)
    else:
        legend = (v.LegendRow(key={}, label="All processes", colour=0, last=18_230, min=9_640, max=18_230),)
    custom = bool(query.from_ and query.to)
    span = "" if custom else query.range if query.range in v.RANGES else "24h"
    since = parsed(query.from_) if custom else NOW - timedelta(seconds=v.RANGES[span])
    until = parsed(query.to) if custom else NOW
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    return v.Chart(
        by=by,
        range=span,
        from_=since,
        to=until,
        program=query.program or None,
        series_url=f"/api/v1/hosts/{host}/series?from={since:{stamp}}&to={until:{stamp}}&by={by}&top=8&points=600",
        legend=legend,
        limits=(v.LimitLine(label="Limit of java", value=16_384),) if by == "program" else (),
        history_from=ago(days=14),
    )


def host(query: v.HostQuery | None = None) -> v.HostView:
    query = query or v.HostQuery()
    return v.HostView(
        shell=shell(),
        query=query,
        host=v.HostFacts(
            name="NTBK01",
            os=NT_SP6A,
            simulated=True,
            booted_at=ago(days=2, hours=4),
            last_seen_at=ago(seconds=20),
            handles=18_230,
            processes=31,
            coverage=v.Coverage(processes=31, denied=2),
            labels={"site": "seoul", "role": "backup"},
            collector=v.Collector(
                version="0.1.0",
                source="simulated",
                interval_s=60,
                cost=v.CollectorCost(cpu_percent=0.42, rss_bytes=31_457_280, reading_s=0.08),
            ),
            skew_s=-94,
            open_files=v.Share(used=4_832, limit=814_000),
            inotify=v.Share(used=120, limit=128, user="app"),
        ),
        chart=chart(query, "NTBK01"),
        processes=processes(),
        findings=(
            v.Finding(
                severity="bad",
                text="ntbackup.exe leaks Event handles named V3SOCKHOOK, +350/h",
                program="ntbackup.exe",
                signature=badge("leaking"),
                since=ago(days=9),
            ),
            v.Finding(severity="warn", text="2 of 31 processes could not be read"),
            v.Finding(severity="note", text="Its clock is 1 min 34 s behind; times are corrected"),
        ),
        matches=(
            v.Match(
                id="v3-pro",
                title="V3 Pro (Q277673)",
                level="leaking",
                program="ntbackup.exe",
                handles=11_950,
                distinct=11_950,
                rate_per_hour=350.4,
                first_seen_at=ago(days=9),
                last_seen_at=ago(seconds=20),
                applies_to=True,
            ),
        ),
        software=(
            v.Software(name="V3 Pro 2000 Deluxe", vendor="AhnLab", version="5.0"),
            v.Software(name="Windows NT Backup", vendor="Microsoft"),
            v.Software(name="MonSvcNT", kind="service"),
        ),
        software_total=3,
        inventory_at=ago(hours=9),
        events=v.Events(
            rows=(
                event("silence", "silent for 26 min", ago(hours=3), until=ago(minutes=154)),
                event("restart", "ntbackup.exe restarted: process 187, now 204", ago(hours=20)),
                event("software", "V3 Pro 2000 Deluxe updated from 4.2 to 5.0", ago(days=2)),
                event("limit", "limit of java from 1,024 to 4,096", ago(days=2, hours=1)),
                event("reboot", "rebooted", ago(days=2, hours=4)),
            ),
            more=True,
            json_url="/api/v1/events?host=NTBK01",
            csv_url="/api/v1/events?host=NTBK01&format=csv",
        ),
    )


def event(kind: str, text: str, time: datetime, *, until: datetime | None = None) -> v.EventRow:
    around = timedelta(minutes=30)
    return v.EventRow(time=time, kind=kind, text=text, until=until, from_=time - around, to=(until or time) + around)


def host_empty() -> v.HostView:
    return v.HostView(
        shell=shell(simulated=False),
        query=v.HostQuery(),
        host=v.HostFacts(name="new-host", os=v.Os(family="linux")),
        chart=v.Chart(by="total", range="24h", from_=ago(hours=24), to=NOW, series_url="/api/v1/hosts/new-host/series"),
        processes=v.Processes(time=None),
    )


def host_broken(name: str = SCRIPT) -> v.HostView:
    return v.HostView(
        shell=shell(),
        query=v.HostQuery(by=name, program=name, search=name, software=name, at=name, range=name, sort=name),
        host=v.HostFacts(
            name=name,
            os=v.Os(family=name, name=name, version=name, service_pack=name),
            silent=True,
            coverage=v.Coverage(processes=0, denied=0),
            labels={name: name},
            collector=v.Collector(version=name, source=name, interval_s=0, cost=v.CollectorCost()),
            skew_s=10**9,
        ),
        chart=v.Chart(
            by="program",
            range="",
            from_=ago(days=90),
            to=NOW,
            program=name,
            series_url="/api/v1/hosts/x/series?by=program",
            legend=tuple(v.LegendRow(key={"program": n}, label=n, colour=i) for i, n in enumerate(HOSTILE)),
            limits=(v.LimitLine(label=name, value=2**53 - 1),),
        ),
        processes=v.Processes(
            time=NOW,
            rows=tuple(
                v.ProcessRow(
                    pid=i,
                    program=n,
                    user=n,
                    version=n,
                    handles=2**53 - 1,
                    limit=0,
                    types=tuple(v.TypeCount(type=n, count=1) for _ in range(64)),
                    objects=tuple(v.ObjectCount(type=n, name=n, count=1, estimated=True) for _ in range(200)),
                )
                for i, n in enumerate(HOSTILE)
            ),
            total=20_000,
        ),
        findings=tuple(v.Finding(severity="bad", text=n, program=n) for n in HOSTILE),
        matches=(v.Match(id=name, title=name, level="cleared", program=name, changed=name, applies_to=False),),
        software=tuple(v.Software(name=n, vendor=n, version=n) for n in HOSTILE),
        software_total=7,
        inventory_at=NOW,
        events=v.Events(
            rows=tuple(
                v.EventRow(time=NOW, kind="software", text=n, from_=NOW, to=NOW, key=str(i))
                for i, n in enumerate(HOSTILE)
            ),
            more=True,
            json_url="/api/v1/events",
            csv_url="/api/v1/events?format=csv",
        ),
    )


# --- signatures -------------------------------------------------------------------------------------------------------


def v3_pro() -> vs.SignatureFacts:
    return vs.SignatureFacts(
        id="v3-pro",
        title="V3 Pro (Q277673)",
        summary="V3 Pro Antivirus on Windows NT 4.0 makes backup programs leak event handles",
        applies_to=("Windows NT Server 4.0", "4.0 SP6", "4.0 SP6a"),
        programs=("ntbackup.exe", *(f"backup-{number}.exe" for number in range(1, 40))),
        type="Event",
        object=V3,
        least=2,
        software="V3 Pro by AhnLab, any version",
        cause=(
            "A backup program opens event handles named V3SOCKHOOK in great number while it runs. V3 Pro does not "
            "always signal the events behind them, so they are never closed and pile up in the backup program."
        ),
        resolution="Install the newest update of V3 Pro from its vendor, AhnLab, or remove V3 Pro from the machine.",
        next_steps=(
            "Restart the backup program, or end and start its job: that gives the handles back until it leaks again.",
            "Update V3 Pro or remove it. The machine then moves to cleared by itself, with what changed.",
        ),
        unknowns=(
            "The article names no version of V3 Pro, neither one that leaks nor one that is fixed.",
            "It gives no least count and no rate; two handles are this catalogue's own choice.",
        ),
        notes="Monitoring open handles can itself hang Windows NT 4.0: prefer counts, and take names once.",
        references=(
            vs.Reference(text="Microsoft Knowledge Base Q277673, 10 August 2001"),
            vs.Reference(text="AhnLab", href="https://www.ahnlab.com/"),
        ),
    )


def machines() -> tuple[vs.SignatureHost, ...]:
    soft = v.Software(name="V3 Pro 2000 Deluxe", vendor="AhnLab", version="5.0")
    return (
        vs.SignatureHost(
            host="NTBK01", os=NT_SP6A, level="leaking", simulated=True, program="ntbackup.exe", pid=187, handles=11_950,
            distinct=11_950, rate_per_hour=350.4, first_seen_at=ago(days=9), last_seen_at=ago(seconds=20),
            applies_to=True, software=soft,
        ),
        vs.SignatureHost(
            host="NTBK02", os=NT_SP6A, level="leaking", simulated=True, program="arcserve.exe", pid=203, handles=4_820,
            distinct=4_818, estimated=True, rate_per_hour=84, first_seen_at=ago(days=2, hours=3),
            last_seen_at=ago(seconds=31), applies_to=True, software=soft,
        ),
        vs.SignatureHost(
            host="ntbk-busan", os=NT_SP5, level="present", simulated=True, program="bengine.exe", handles=61,
            distinct=61, rate_per_hour=0, first_seen_at=ago(days=1), last_seen_at=ago(seconds=40), applies_to=False,
            software=v.Software(name="AhnLab V3Pro 2002 Deluxe", vendor="AhnLab"),
        ),
        vs.SignatureHost(
            host="ntfile-05", os=NT_SP6A, level="exposed", simulated=True, first_seen_at=ago(days=12),
            last_seen_at=ago(seconds=47), applies_to=True, software=soft,
        ),
        vs.SignatureHost(
            host="NTBK03", os=NT_SP6A, level="cleared", simulated=True, silent=True, program="ntbackup.exe", handles=0,
            first_seen_at=ago(days=13), last_seen_at=ago(hours=5), applies_to=None,
            changed="V3 Pro 2000 Deluxe 5.0 removed",
        ),
    )  # fmt: skip


def signature(query: vs.SignatureQuery | None = None) -> vs.SignatureView:
    query = query or vs.SignatureQuery()
    rows = tuple(row for row in machines() if not query.level or row.level == query.level)
    return vs.SignatureView(
        shell=shell("signatures"),
        query=query,
        signature=v3_pro(),
        counts=vs.LevelCounts(exposed=1, present=1, leaking=2, cleared=1),
        rows=rows,
        total=len(rows),
    )


def signature_empty() -> vs.SignatureView:
    return vs.SignatureView(
        shell=shell("signatures"),
        query=vs.SignatureQuery(),
        signature=vs.SignatureFacts(id="bare", title="Bare"),
        counts=vs.LevelCounts(),
    )


def signature_broken() -> vs.SignatureView:
    return vs.SignatureView(
        shell=shell("signatures"),
        query=vs.SignatureQuery(level=SCRIPT, cursor=SLASHED),
        signature=vs.SignatureFacts(
            id=SLASHED,
            title=SCRIPT,
            summary=LONG,
            object=LONG,
            programs=HOSTILE,
            applies_to=HOSTILE,
            cause=LONG,
            references=(vs.Reference(text=SCRIPT, href="javascript:alert(1)"),),
        ),
        counts=vs.LevelCounts(leaking=10**12),
        rows=tuple(
            vs.SignatureHost(
                host=name,
                os=v.Os(family=name, name=name),
                level="leaking",
                program=name,
                handles=2**53 - 1,
                rate_per_hour=1e9,
                software=v.Software(name=name, version=name),
                changed=name,
            )
            for name in HOSTILE
        ),
        total=len(HOSTILE),
        next_cursor=SLASHED,
    )


def signatures() -> vs.SignaturesView:
    other = vs.SignatureFacts(
        id="synergy-sendsas", title="Synergy SendSAS", type="Event", object="\\BaseNamedObjects\\SendSAS"
    )
    return vs.SignaturesView(
        shell=shell("signatures"),
        rows=(
            vs.CatalogueRow(signature=v3_pro(), counts=vs.LevelCounts(exposed=1, present=1, leaking=2, cleared=1)),
            vs.CatalogueRow(signature=other, counts=vs.LevelCounts()),
        ),
    )


# --- the rest ---------------------------------------------------------------------------------------------------------


def hosts_add() -> v.HostsAddView:
    return v.HostsAddView(
        shell=shell("hosts_add"),
        server_url="https://handlewatch.example.org",
        token="hw_enroll_0f6c2a7be19d4c58a3f1",
        expires_at=NOW + timedelta(hours=24),
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        bundle_ready=True,
        enrolled=(
            v.EnrolledHost(name="web-09", enrolled_at=NOW - timedelta(seconds=4)),
            v.EnrolledHost(
                name="NTBK01",
                enrolled_at=NOW - timedelta(minutes=3),
                arrived=True,
                seen_at=NOW - timedelta(seconds=20),
                handles=18_230,
                processes=31,
            ),
        ),
        enrolled_total=60,
    )


def error() -> v.ErrorView:
    return v.ErrorView(
        shell=shell(""),
        status=404,
        title="There is no such host",
        detail="No machine of this name has ever reported here.",
        mend=("Look for it by a part of its name on the fleet page.", "If it is new, wait for its first reading."),
        request_id="01JD3X8Q",
    )


def login(error: str | None = None) -> v.LoginView:
    return v.LoginView(shell=shell("", user=None, role=None, simulated=False), error=error)


FULL: dict[str, v.View] = {
    "fleet": fleet(),
    "host": host(),
    "host-program": host(
        v.HostQuery(by="program", at="2026-11-22T10:00:00Z", from_="2026-11-22T01:00", to="2026-11-22T09:00")
    ),
    "signatures": signatures(),
    "signature": signature(),
    "hosts_add": hosts_add(),
    "login": login("That name and password do not go together."),
    "error": error(),
    "docs": v.DocsView(shell=shell("docs")),
    **samples_import.full(shell("import")),
    **samples_leaks.full(shell("leaks")),
    **samples_leak.full(shell("leaks")),
}
EMPTY: dict[str, v.View] = {
    "fleet": fleet_empty(),
    "fleet-filtered": fleet(v.FleetQuery(search="nothing-like-it")),
    "host": host_empty(),
    "signatures": vs.SignaturesView(shell=shell("signatures")),
    "signature": signature_empty(),
    "signature-level": signature(vs.SignatureQuery(level="nonsense")),
    "hosts_add": v.HostsAddView(shell=shell("hosts_add", role="viewer"), server_url="http://127.0.0.1"),
    "login": login(),
    "error": v.ErrorView(
        shell=shell("", user=None, role=None), status=500, title="Something broke", detail="It is logged."
    ),
    **samples_import.empty(shell("import")),
    **samples_leaks.empty(shell("leaks")),
    **samples_leak.empty(shell("leaks")),
}
BROKEN: dict[str, v.View] = {
    "fleet": fleet_broken(),
    "host": host_broken(),
    "signature": signature_broken(),
    "hosts_add": v.HostsAddView(
        shell=shell(),
        server_url=SCRIPT,
        token=SCRIPT,
        download_ready=True,
        enrolled=tuple(v.EnrolledHost(name=name, enrolled_at=NOW, arrived=True, seen_at=NOW) for name in HOSTILE),
        enrolled_total=len(HOSTILE),
    ),
    "login": v.LoginView(shell=shell("", user=None, role=None), next=SCRIPT, user=SCRIPT, error=SCRIPT),
    "error": v.ErrorView(shell=shell(""), status=404, title=SCRIPT, detail=LONG, mend=HOSTILE, request_id=SCRIPT),
    **samples_import.broken(shell("import"), HOSTILE),
    **samples_leaks.broken(shell("leaks"), HOSTILE),
    **samples_leak.broken(shell("leaks"), HOSTILE),
}


def page(segments: list[str], query: Mapping[str, str]) -> tuple[int, v.View]:
    """Which sample answers a path of the preview."""
    name = {"": "fleet", "hosts": "host", "signatures": "signatures"}.get(segments[0], segments[0])
    if segments[:2] == ["hosts", "add"]:
        name = "hosts_add"
    elif segments[0] == "signatures" and len(segments) > 1:
        name = "signature"
    elif segments == ["settings", "detection"]:
        name = "detection"
    elif segments == ["leaks"] and query.get("view") == "groups":
        name = "leaks-groups"
    elif segments[0] == "leaks" and len(segments) == 2:
        name = segments[1] if segments[1] in FULL else "leak"
    elif segments[2:3] == ["programs"]:
        name = "program"
    sample = query.get("sample", "")
    if sample in ("empty", "broken"):
        return 200, {"empty": EMPTY, "broken": BROKEN}[sample].get(name, FULL["error"])
    if name.startswith(("leak-", "program")) or name == "leak":
        return 200, FULL[name]
    leaking = samples_leaks.page(segments, query, shell("leaks"))
    if leaking is not None:
        return 200, leaking
    if name == "fleet":
        return 200, fleet(v.FleetQuery(search=query.get("search", ""), sort=query.get("sort", "-leaks")))
    if name == "host":
        known = {field: query.get(field.rstrip("_"), "") for field in v.HostQuery.__dataclass_fields__}
        return 200, host(v.HostQuery(**known))
    if name == "signature":
        return 200, signature(vs.SignatureQuery(level=query.get("level", ""), sort=query.get("sort", "")))
    return (200, FULL[name]) if name in FULL else (404, FULL["error"])
