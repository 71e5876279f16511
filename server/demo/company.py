"""The rest of the simulated company: leaks of other kinds, and the healthy machines that make up most of any fleet."""

from collections.abc import Sequence
from dataclasses import replace

from server.demo.hosts import SimulatedHost
from server.demo.lives import Daily, Life, Pooled, Resident
from server.demo.programs import NETWORK, SYSTEM, Motion, NamedObject, Program, linux, macos, nt4, svchost, windows
from server.demo.shapes import (
    Climb,
    Fill,
    Leak,
    NightJob,
    Noise,
    Refill,
    Rhythm,
    Sawtooth,
    Shape,
    Spikes,
    StepUp,
    Wander,
    WhiteNoise,
    WorkingWeek,
)
from server.demo.story import Story, software

CLOSE_WAIT = "tcp CLOSE_WAIT"
SMTPSVC = "\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\Services\\SMTPSVC\\Performance"
GOOD_JAVA = software("openjdk-17-jre-headless", "Debian", "17.0.13+11-2~deb12u1")
OLD_JAVA = software("openjdk-17-jre-headless", "Debian", "17.0.9+9-1~deb12u1")
NGINX = software("nginx", "nginx.org", "1.26.2")
POSTGRES = software("postgresql-16", "PGDG", "16.4-1.pgdg120+2")
SQL_SERVER = software("Microsoft SQL Server 2019", "Microsoft Corporation", "15.0.4390.2")


def rest_of_fleet(story: Story) -> list[SimulatedHost]:
    return [
        *_leaking_linux(story),
        *_leaking_windows(story),
        *_web(story),
        *_data(story),
        *_kubernetes(story),
        *_services(story),
        *_windows(story),
        *_offices(story),
    ]


def _moves(type_: str, shape: Shape, name: str | None = None) -> Motion:
    return Motion(type_, shape, name=name, each=name is not None)


def _nginx(height: float, opens_h: float = 7.0) -> list[Program]:
    workers = [
        linux("nginx", 38 + 2 * worker, (_moves("socket", Rhythm(height, opens_h=opens_h)),), user="www-data",
              limit=16_384, look_every=6, exe="/usr/sbin/nginx", behaviour="rhythm", life=Resident(44 + worker))
        for worker in range(3)
    ]  # fmt: skip
    return [linux("nginx", 22, limit=16_384, exe="/usr/sbin/nginx"), *workers]


def _java(total: int, motions: Sequence[Motion], *, behaviour: str, leaking: bool = False, **facts: object) -> Program:
    usual: dict[str, object] = {"user": "app", "limit": 4096, "look_every": 4, "exe": "/usr/lib/jvm/java-17/bin/java"}
    usual |= {"life": Resident(60), "suspect": leaking, "leaking": leaking, "behaviour": behaviour}
    return linux("java", total, motions, **(usual | facts))


def _leaking_linux(story: Story) -> list[SimulatedHost]:
    close_wait = _moves("socket", Leak(41, since=story.at(hours=-86), swing=0.15), CLOSE_WAIT)
    java = _java(
        372, (_moves("file", Noise(4)), close_wait), behaviour="leak towards limit", leaking=True, look_every=2,
        types=(("file", 188), ("socket", 160), ("eventpoll", 8), ("pipe", 12), ("device", 4)),
    )  # fmt: skip
    etl = linux(
        "python3", 58, (_moves("pipe", Noise(2)), _moves("file", Leak(23, since=story.at(days=-19)))), user="etl",
        exe="/opt/etl/bin/python3", life=Daily(190), look_every=3, leaking=True, behaviour="leak across restarts",
    )  # fmt: skip
    pgbouncer = linux(
        "pgbouncer", 162, (_moves("eventpoll", Noise(1)), _moves("socket", Noise(30)),
                           _moves("socket", Leak(2, since=story.at(days=-30), jitter=0.2))),
        user="postgres", limit=65_536, look_every=3, leaking=True, behaviour="slow leak",
    )  # fmt: skip
    broker = linux(
        "beam.smp", 210, (_moves("file", Noise(1)), _moves("socket", Leak(7, since=story.at(days=-11)))),
        user="rabbitmq", limit=1024, look_every=2, leaking=True, behaviour="pinned at limit",
        types=(("file", 64), ("socket", 118), ("eventpoll", 16), ("pipe", 8), ("eventfd", 4)),
    )  # fmt: skip
    containerd = software("containerd.io", "Docker", "1.3.2-1")
    return [
        story.linux("web-07", "frankfurt", "web", [*_nginx(60), java], software=[NGINX, OLD_JAVA]),
        story.linux("k8s-node-03", "seoul", "kubernetes", _node(Leak(6.5, since=story.at(days=-12))),
                    software=[containerd], release="ubuntu", up_days=40),
        story.linux("edge-02", "busan", "gateway", _edge(story), release="rocky", up_days=88),
        story.linux("etl-02", "frankfurt", "batch", [etl, *_cron_jobs()], software=[OLD_JAVA]),
        story.linux("db-04", "seoul", "database", [pgbouncer, *_postgres(4, 60)], software=[POSTGRES]),
        story.linux("mq-01", "frankfurt", "queue", [broker, linux("epmd", 8, user="rabbitmq")], up_days=44),
    ]  # fmt: skip


def _edge(story: Story) -> list[Program]:
    inotify = _moves("inotify", Leak(5, since=story.at(days=-8), stairs=True, grain_h=2))
    agent = linux(
        "amazon-cloudwatch-agent", 64, (_moves("socket", Noise(2)), inotify), limit=65_536, look_every=4,
        leaking=True, behaviour="leak in stairs",
        types=(("file", 22), ("socket", 24), ("pipe", 8), ("eventpoll", 5), ("inotify", 5)),
    )  # fmt: skip
    return [agent, linux("haproxy", 84, (_moves("socket", Rhythm(140)),), user="haproxy", limit=200_032, look_every=6,
                         behaviour="rhythm")]  # fmt: skip


def _node(leak: Leak | None = None, pods: int = 6) -> list[Program]:
    shims = [
        linux("containerd-shim-runc-v2", 14 + pod, limit=1_048_576, life=Resident(95 + 4 * pod)) for pod in range(pods)
    ]
    if leak is not None:
        shims[2] = replace(
            shims[2], motions=(_moves("eventfd", leak),), leaking=True, behaviour="leak in one of many", look_every=3
        )
    return [
        linux("containerd", 118, (_moves("pipe", Rhythm(12, weekend=0.7)),), limit=1_048_576, behaviour="rhythm"),
        linux("kubelet", 96, (_moves("socket", WhiteNoise(2)),), limit=1_000_000, look_every=12,
              behaviour="white noise"),
        linux("kube-proxy", 19, limit=1_048_576),
        linux("coredns", 24, (_moves("socket", Noise(5)),), user="nobody", limit=1_048_576, behaviour="noise"),
        *shims,
        _java(248, (_moves("socket", Rhythm(70)), _moves("deleted", Sawtooth(60, 8))), behaviour="collection"),
    ]  # fmt: skip


def _leaking_windows(story: Story) -> list[SimulatedHost]:
    winlogon = Motion("Key", Leak(24, since=story.at(days=-20)), name=SMTPSVC, each=True)
    token = Motion("Token", Leak(31, since=story.at(days=-6), swing=0.3))
    named = (NamedObject("Event", "\\BaseNamedObjects\\userenv: user profile setup event"),)
    iis = story.nt4(
        "NTIIS01", "frankfurt", "web",
        [nt4("inetinfo.exe", 486, (_moves("File", Rhythm(40)),), behaviour="rhythm"), nt4("msdtc.exe", 148)],
        service_pack="3", up_days=20.5,
        software=[software("Windows NT 4.0 Option Pack", "Microsoft Corporation", "4.0"),
                  software("Microsoft SMTP Service", "Microsoft Corporation", "5.5.1774")],
    )  # fmt: skip
    leaking = [
        replace(program, motions=(winlogon,), suspect=True, leaking=True, behaviour="leak", named=named)
        if program.name == "winlogon.exe" else program
        for program in iis.programs
    ]  # fmt: skip
    rds = story.windows(
        "RDS01", "frankfurt", "terminal",
        [svchost("seclogon", 212, motions=(token,), leaking=True, behaviour="leak"), *_sessions(3)],
        release="2019", software=[software("Remote Desktop Services", "Microsoft Corporation", "10.0")],
    )  # fmt: skip
    return [replace(iis, programs=tuple(leaking)), rds]


def _sessions(users: int) -> list[Program]:
    """People's programs of a working day: they grow from morning to evening, then they are closed."""
    rows = []
    for user in range(users):
        day: Life = Daily(495 + 20 * user, lasts_s=33_600, weekdays=True)
        who = f"CORP\\user{user + 11}"
        rows.append(
            windows("explorer.exe", 1480, (_moves("Event", Climb(22)),), user=who, life=day, behaviour="session")
        )
        rows.append(windows("OUTLOOK.EXE", 2310, (_moves("Key", Climb(34)),), user=who, life=day, behaviour="session"))
    return rows


def _web(story: Story) -> list[SimulatedHost]:
    restart = Resident(60, restarts=(story.at(days=-5, hours=-3), story.at(days=-1, hours=-7)))
    collected = _java(310, (_moves("file", Sawtooth(420, 12)), _moves("socket", Noise(1))), behaviour="collection")
    warm = _java(290, (_moves("socket", Fill(320, 7200)),), life=restart, behaviour="warm-up after restart")
    pool = [
        linux("php-fpm", 16, (_moves("file", Fill(9, 1500)),), user="www-data", look_every=12,
              life=Pooled((3600, 5400, 7200)[worker % 3], above=0.12 * max(0, worker - 1)), behaviour="pool")
        for worker in range(9)
    ]  # fmt: skip
    return [
        story.linux("web-01", "frankfurt", "web", [*_nginx(110), collected], software=[NGINX, GOOD_JAVA]),
        story.linux("web-02", "frankfurt", "web", [*_nginx(95), collected], software=[NGINX, GOOD_JAVA], up_days=31),
        story.linux("web-03", "austin", "web", [*_nginx(150, 6.5), warm], software=[NGINX, GOOD_JAVA]),
        story.linux("web-04", "seoul", "web", [*_nginx(80), linux("php-fpm", 21), *pool], software=[NGINX]),
    ]


def _postgres(backends: int, every_min: int) -> list[Program]:

    def postgres(total: int, *motions: Motion, **facts: object) -> Program:
        exe = "/usr/lib/postgresql/16/bin/postgres"
        return linux("postgres", total, motions, **({"user": "postgres", "limit": 65_536, "exe": exe} | facts))

    pooled = [
        postgres(44, _moves("file", Fill(60, 1800)), behaviour="pool", look_every=12,
                 life=Pooled(every_min * 60, above=0.2 * place))
        for place in range(backends)
    ]  # fmt: skip
    return [postgres(74), postgres(18, _moves("file", Noise(2)), behaviour="noise"), *pooled]


def _cron_jobs() -> list[Program]:
    """Jobs that start, climb and exit every night; two of them were given the same pid."""
    return [
        linux("pg_dump", 12, (_moves("file", Climb(260)),), user="backup", behaviour="nightly job", look_every=2,
              life=Daily(70, lasts_s=6300, jitter_s=240)),
        linux("rsync", 9, (_moves("file", Climb(180)),), user="backup", behaviour="pid re-used", pid=28_417,
              life=Daily(200, lasts_s=5400)),
        linux("logrotate", 6, behaviour="pid re-used", pid=28_417, life=Daily(360, lasts_s=900)),
    ]  # fmt: skip


def _data(story: Story) -> list[SimulatedHost]:
    mariadb = linux(
        "mariadbd", 196, (_moves("file", Fill(1400, 21_600)), _moves("socket", Rhythm(60))), user="mysql", limit=32_768,
        look_every=6, behaviour="cache fills", life=Resident(40, restarts=(story.at(days=-14, hours=-5),)),
    )  # fmt: skip
    redis = linux("redis-server", 38, (_moves("socket", WorkingWeek(240)),), user="redis", limit=10_032, look_every=6,
                  behaviour="working week")  # fmt: skip
    memcached = linux("memcached", 52, (_moves("socket", Noise(22)),), user="memcache", look_every=6, behaviour="noise")
    gap = ((story.at(days=-4, hours=-9), story.at(days=-4, hours=-3)),)
    cache_02 = story.linux("cache-02", "busan", "cache", [memcached])
    config = linux("elasticsearch", 680, (_moves("file", Refill(900, 9000, 24)),
                   _moves("file", StepUp(160, story.at(days=-13, hours=-6)))), user="elastic", limit=65_535,
                   look_every=6, behaviour="step")  # fmt: skip
    return [
        story.linux("db-01", "frankfurt", "database", _postgres(6, 60), software=[POSTGRES]),
        story.linux("db-02", "frankfurt", "database", [*_postgres(3, 120), *_cron_jobs()], software=[POSTGRES]),
        story.linux(
            "db-03", "seoul", "database", [mariadb], software=[software("mariadb-server", "MariaDB", "10.11.9")]
        ),
        story.linux("cache-01", "seoul", "cache", [redis, linux("redis-sentinel", 21, user="redis")]),
        replace(cache_02, silences=(*cache_02.silences, *gap)),
        story.linux("log-01", "frankfurt", "logs", [config, *_nginx(20)], software=[GOOD_JAVA]),
    ]


def _kubernetes(story: Story) -> list[SimulatedHost]:
    containerd = [software("containerd.io", "Docker", "1.7.22-1")]
    second = story.linux("k8s-node-02", "seoul", "kubernetes", _node(), software=containerd, release="ubuntu")
    # The machine was off for a few minutes.
    booted = story.at(days=-3, hours=-2)
    return [
        story.linux("k8s-node-01", "seoul", "kubernetes", _node(pods=9), software=containerd, release="ubuntu"),
        replace(
            second,
            boots=(*second.boots, booted),
            silences=(
                *second.silences,
                (booted - 420, booted + 120),
            ),
        ),
    ]


def _services(story: Story) -> list[SimulatedHost]:
    postfix = [
        linux("master", 92, (_moves("socket", WhiteNoise(1.5)),), behaviour="white noise"),
        linux("qmgr", 21, (_moves("file", Rhythm(18)),), user="postfix", behaviour="rhythm"),
        linux("dovecot", 118, (_moves("socket", Rhythm(160)),), limit=8192, look_every=6, behaviour="rhythm"),
        linux("clamd", 27, (_moves("file", Spikes(600)),), user="clamav", limit=2048, behaviour="spikes"),
    ]
    mail_02 = story.linux("mail-02", "busan", "mail", postfix)
    jenkins = _java(420, (_moves("file", Rhythm(380)), _moves("pipe", NightJob(60, 3.0, 2.0))), behaviour="rhythm")
    runner = [
        linux("gitlab-runner", 26, (_moves("socket", Wander(40)),), look_every=12, behaviour="wandering"),
        linux("dockerd", 88, (_moves("file", Refill(140, 10_800, 12)),), limit=1_048_576, behaviour="cache dropped"),
        *_cron_jobs(),
    ]
    seen = story.linux("dev-07", "austin", "developer", _developer())
    hidden = [replace(program, readable=program.user == "dana") for program in seen.programs]
    return [
        story.linux("mail-01", "frankfurt", "mail", postfix),
        replace(mail_02, silent_since=story.at(hours=-3)),
        story.linux("ci-01", "austin", "ci", [jenkins], software=[GOOD_JAVA]),
        story.linux("ci-02", "austin", "ci", runner, release="ubuntu"),
        replace(seen, programs=tuple(hidden)),
    ]


def _developer() -> list[Program]:
    def own(name: str, total: int, *motions: Motion, **facts: object) -> Program:
        return linux(name, total, motions, **({"user": "dana", "look_every": 6} | facts))

    return [
        own("systemd", 34),
        own("gnome-shell", 142, _moves("memfd", Noise(3)), behaviour="noise"),
        own("code", 96, _moves("inotify", Climb(3)), life=Daily(520, lasts_s=32_400, weekdays=True),
            behaviour="session"),
        own("firefox", 260, _moves("socket", Climb(14)), life=Daily(510, lasts_s=34_200, weekdays=True),
            limit=4096, behaviour="session"),
        own("bash", 4),
        own("pipewire", 48),
    ]  # fmt: skip


def _windows(story: Story) -> list[SimulatedHost]:
    patched = story.at(days=-6, hours=-1)
    sql = windows(
        "sqlservr.exe", 2140, (_moves("File", Fill(900, 9000)), _moves("Event", Rhythm(120))),
        user="NT SERVICE\\MSSQLSERVER", look_every=1, version="15.0.4390.2", behaviour="warm-up after restart",
    )  # fmt: skip
    sql01 = story.windows("SQL01", "frankfurt", "database", [sql], software=[SQL_SERVER])
    sql01 = replace(
        sql01,
        boots=(*sql01.boots, patched),
        silences=(
            *sql01.silences,
            (patched - 900, patched + 60),
        ),
    )
    recycled = windows(
        "w3wp.exe", 780, (_moves("Event", Fill(260, 5400)), _moves("File", Rhythm(90))), instance="DefaultAppPool",
        user="IIS APPPOOL\\DefaultAppPool", life=Daily(180), behaviour="warm-up",
    )  # fmt: skip
    dns = windows("dns.exe", 3120, (_moves("File", WhiteNoise(2)),), user=SYSTEM, behaviour="white noise")
    dfsr = windows("dfsrs.exe", 618, (_moves("File", Wander(50)),), user=SYSTEM, behaviour="wandering")
    veeam = windows("VeeamAgent.exe", 410, (_moves("File", Climb(120)),), user=SYSTEM,
                    life=Daily(1350, lasts_s=9000), behaviour="nightly job")  # fmt: skip
    ntds = svchost("Netlogon", 340, NETWORK)
    return [
        sql01,
        story.windows("WEBIIS01", "frankfurt", "web", [recycled, windows("inetinfo.exe", 312, user=SYSTEM)]),
        story.windows("FILE01", "seoul", "files", [dfsr, veeam], release="2016"),
        story.windows("FILE02", "frankfurt", "files", [dfsr], release="2022"),
        story.windows("DC01", "frankfurt", "directory", [dns, ntds], release="2022", up_days=17),
        story.windows("DC02", "seoul", "directory", [dns, ntds], release="2022", up_days=16),
    ]


def _offices(story: Story) -> list[SimulatedHost]:
    xcode = macos("xcodebuild", 84, (_moves("file", Climb(120)),), user="builder", life=Daily(150, lasts_s=7200),
                  behaviour="nightly job")  # fmt: skip
    return [
        story.windows("PC-1142", "seoul", "desktop", _sessions(1), release="11", up_days=14.5),
        story.macos("mac-build-01", "austin", "ci", [xcode, macos("java", 180, (_moves("file", Sawtooth(90, 8)),),
                                                                  user="builder", behaviour="collection")]),
    ]  # fmt: skip
