"""What a simulated program is, and the process lists that every Windows, Linux and macOS machine has."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from server.demo.lives import Life, Resident
from server.demo.shapes import Fill, Noise, Refill, Rhythm, Sawtooth, Shape, WhiteNoise

WINDOWS_LIMIT = 16_777_216
Types = tuple[tuple[str, int], ...]

# Shares of object types in an ordinary process, by kind of system, largest first.
MIXES: dict[str, tuple[tuple[str, float], ...]] = {
    "nt4": (
        ("Event", 0.34), ("Key", 0.2), ("File", 0.16), ("Thread", 0.1), ("Port", 0.06), ("Semaphore", 0.05),
        ("Mutant", 0.04), ("Section", 0.03), ("Token", 0.02),
    ),
    "windows": (
        ("Event", 0.26), ("Key", 0.16), ("EtwRegistration", 0.13), ("File", 0.12), ("Thread", 0.09),
        ("ALPC Port", 0.07), ("Semaphore", 0.06), ("Section", 0.04), ("Mutant", 0.03), ("Token", 0.03),
        ("Process", 0.01),
    ),
    "linux": (("file", 0.4), ("socket", 0.3), ("pipe", 0.1), ("eventfd", 0.08), ("eventpoll", 0.07), ("device", 0.05)),
    "macos": (),
}  # fmt: skip


@dataclass(frozen=True)
class Motion:
    """How one object type moves on top of its resting count; with a `name`, all that moves are handles of that name.

    `each`: every such handle has an object of its own; otherwise all share one.
    """

    type: str
    shape: Shape
    name: str | None = None
    each: bool = False


@dataclass(frozen=True)
class NamedObject:
    """A named object that a healthy program holds too."""

    type: str
    name: str
    count: int = 1
    distinct: int = 1


@dataclass(frozen=True)
class Program:
    """One process slot of a host: at most one process of it runs at a time.

    `total` handles at rest are spread over `types` (or over the usual mix of the system). `suspect`: the collector
    looks at its objects. `look_every`: its types are read in one snapshot of so many, 0 = never. `behaviour` and
    `leaking` are the truth about it, for tests and demonstrations; they never reach the wire.
    """

    name: str
    total: int
    kind: str
    life: Life = field(default_factory=Resident)
    motions: tuple[Motion, ...] = ()
    types: Types = ()
    instance: str | None = None
    user: str | None = None
    exe: str | None = None
    version: str | None = None
    limit: int | None = None
    named: tuple[NamedObject, ...] = ()
    suspect: bool = False
    look_every: int = 0
    readable: bool = True
    pid: int | None = None
    behaviour: str = "constant"
    leaking: bool = False

    @property
    def program(self) -> str:
        return self.name if self.instance is None else f"{self.name}[{self.instance}]"


def resting_types(program: Program) -> dict[str, int]:
    """The resting count spread over object types, adding up to `total`; empty where the system tells none."""
    if program.types:
        return dict(program.types)
    counts: dict[str, int] = {}
    left = program.total
    for (name, share), following in pairwise((*MIXES[program.kind], ("", 0.0))):
        taken = min(left, max(1, round(program.total * share))) if following[0] else left
        if taken:
            counts[name] = taken
        left -= taken
    return counts


def windows(name: str, total: int, motions: Sequence[Motion] = (), **facts: object) -> Program:
    return _program(name, total, motions, {"kind": "windows", "limit": WINDOWS_LIMIT, "look_every": 1} | facts)


def nt4(name: str, total: int, motions: Sequence[Motion] = (), **facts: object) -> Program:
    return _program(name, total, motions, {"kind": "nt4", "user": "SYSTEM", "look_every": 1} | facts)


def linux(name: str, total: int, motions: Sequence[Motion] = (), **facts: object) -> Program:
    return _program(name, total, motions, {"kind": "linux", "limit": 1024, "user": "root"} | facts)


def macos(name: str, total: int, motions: Sequence[Motion] = (), **facts: object) -> Program:
    return _program(name, total, motions, {"kind": "macos", "limit": 2560, "user": "root"} | facts)


def _program(name: str, total: int, motions: Sequence[Motion], facts: dict[str, object]) -> Program:
    return Program(name=name, total=total, motions=tuple(motions), **facts)  # type: ignore[arg-type]


def noise(type_: str, mean: float) -> tuple[Motion, ...]:
    return (Motion(type_, Noise(mean)),)


SYSTEM = "NT AUTHORITY\\SYSTEM"
SERVICE = "NT AUTHORITY\\LOCAL SERVICE"
NETWORK = "NT AUTHORITY\\NETWORK SERVICE"


def nt4_system() -> list[Program]:
    return [
        nt4("System", 212, types=(("File", 140), ("Key", 22), ("Thread", 44), ("Process", 6))),
        nt4("smss.exe", 31),
        nt4("csrss.exe", 286, noise("Thread", 2)),
        nt4("winlogon.exe", 58),
        nt4("services.exe", 312, noise("File", 3), behaviour="noise"),
        nt4("lsass.exe", 148, noise("Key", 2), behaviour="noise"),
        nt4("spoolss.exe", 96, (Motion("File", Rhythm(14)),), behaviour="rhythm"),
        nt4("rpcss.exe", 104),
        nt4("llssrv.exe", 74),
        nt4("mstask.exe", 66),
        nt4("pstores.exe", 41),
        nt4("snmp.exe", 122, (Motion("Event", WhiteNoise(1.5)),), behaviour="white noise"),
        nt4("nddeagnt.exe", 16, user="Administrator"),
        nt4("explorer.exe", 92, user="Administrator"),
        nt4("loadwc.exe", 22, user="Administrator"),
    ]


def v3_programs() -> list[Program]:
    return [
        nt4("monsvcnt.exe", 84, noise("File", 2), exe="C:\\Program Files\\AhnLab\\V3\\monsvcnt.exe", behaviour="noise"),
        nt4("monsysnt.exe", 47, exe="C:\\Program Files\\AhnLab\\V3\\monsysnt.exe"),
        nt4("v3pro32.exe", 63, user="Administrator", exe="C:\\Program Files\\AhnLab\\V3\\V3Pro32.exe"),
    ]


def svchost(instance: str, total: int, user: str = SYSTEM, motions: Sequence[Motion] = (), **facts: object) -> Program:
    exe = "C:\\Windows\\System32\\svchost.exe"
    return windows("svchost.exe", total, motions, **({"instance": instance, "user": user, "exe": exe} | facts))


def windows_system() -> list[Program]:
    return [
        windows("System", 2890, noise("File", 4), user=SYSTEM, behaviour="noise"),
        windows("smss.exe", 53, user=SYSTEM),
        windows("csrss.exe", 548, user=SYSTEM),
        windows("wininit.exe", 168, user=SYSTEM),
        windows("winlogon.exe", 268, user=SYSTEM),
        windows("services.exe", 694, noise("Token", 3), user=SYSTEM, behaviour="noise"),
        windows("lsass.exe", 1612, (Motion("Token", Rhythm(60)),), user=SYSTEM, behaviour="rhythm"),
        windows("dwm.exe", 612, user="Window Manager\\DWM-1"),
        windows("fontdrvhost.exe", 46, user="Font Driver Host\\UMFD-0"),
        svchost("DcomLaunch", 1043, motions=noise("Event", 3)),
        svchost("RpcSs", 1210, NETWORK),
        svchost("Dnscache", 388, NETWORK, (Motion("File", Rhythm(25)),), behaviour="rhythm"),
        svchost("EventLog", 462, SERVICE),
        svchost("Schedule", 684),
        svchost("Winmgmt", 432, motions=(Motion("Event", Sawtooth(90, 8)),), behaviour="collection"),
        svchost("LanmanServer", 374, motions=(Motion("File", Rhythm(30)),), behaviour="rhythm"),
        windows("spoolsv.exe", 498, user=SYSTEM),
        windows("MsMpEng.exe", 918, (Motion("File", WhiteNoise(2)),), user=SYSTEM, behaviour="white noise"),
        windows("WmiPrvSE.exe", 226, (Motion("Event", Fill(40, 1800)),), user=NETWORK, behaviour="warm-up"),
    ]


def linux_system() -> list[Program]:
    return [
        linux("systemd", 128, noise("socket", 2), limit=1_048_576, exe="/usr/lib/systemd/systemd", behaviour="noise"),
        linux("systemd-journald", 76, noise("file", 2), limit=524_288, behaviour="noise"),
        linux("systemd-udevd", 31),
        linux("systemd-logind", 27, (Motion("device", Rhythm(4)),), behaviour="rhythm"),
        linux("dbus-daemon", 24, user="messagebus"),
        linux("chronyd", 15, user="_chrony"),
        linux("rsyslogd", 14, user="syslog"),
        linux("sshd", 9),
        linux("cron", 7),
        linux("polkitd", 16, user="polkitd"),
        linux("agetty", 5),
        linux("node_exporter", 12, noise("socket", 2), user="prometheus", limit=524_288, look_every=12,
              behaviour="noise"),
        linux("handlewatch-collector", 17, exe="/usr/bin/python3", user="handlewatch", look_every=4),
    ]  # fmt: skip


def macos_system() -> list[Program]:
    return [
        macos("launchd", 4, limit=None),
        macos("WindowServer", 46, noise("other", 2), user="_windowserver", behaviour="noise"),
        macos("mds", 31),
        macos("mds_stores", 25, (Motion("file", Refill(120, 5400, 12)),), behaviour="cache dropped"),
        macos("opendirectoryd", 58),
        macos("syslogd", 39),
        macos("configd", 22),
        macos("bluetoothd", 18),
        macos("cfprefsd", 9),
        macos("distnoted", 5, user="builder"),
        macos("Finder", 27, user="builder"),
        macos("sshd", 6),
    ]
