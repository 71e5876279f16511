"""The simulated backup servers of KB Q277673: leaking, exposed, cured, and one that never had V3 Pro."""

from collections.abc import Sequence
from dataclasses import replace

from server.demo.hosts import Inventory, SimulatedHost
from server.demo.lives import Resident
from server.demo.programs import Motion, NamedObject, Program, nt4, v3_programs
from server.demo.shapes import Leak, NightJob, Noise, Rhythm
from server.demo.story import Story, software

V3SOCKHOOK = "\\BaseNamedObjects\\V3SOCKHOOK"
ARCSERVE = software("ARCserveIT for Windows NT", "Computer Associates International, Inc.", "6.61")
BACKUP_EXEC = software("Seagate Backup Exec for Windows NT", "Seagate Software", "7.3")
IE = software("Microsoft Internet Explorer 5", "Microsoft", "5.00.3105.0106")
ADMIN = "Administrator"
NTBACKUP_EXE = "C:\\WINNT\\system32\\ntbackup.exe"
V3_SERVICES = ({"name": "MonSvcNT", "vendor": "AhnLab, Inc."}, {"name": "V3MonNT", "vendor": "AhnLab, Inc."})
ORDINARY = (
    NamedObject("Event", "\\BaseNamedObjects\\ScmCreatedEvent", 2),
    NamedObject("Event", "\\BaseNamedObjects\\userenv: user profile setup event"),
)


def v3_fleet(story: Story) -> list[SimulatedHost]:
    return [*_leaking(story), *_exposed(story), _cured(story), _without_v3(story)]


def _leaking(story: Story) -> list[SimulatedHost]:
    first = _sockhook(Leak(350, since=story.at(days=-9)))
    second = _sockhook(Leak(41, since=story.at(days=-24)), Motion("File", NightJob(46, 22.5, 3.0)))
    third = _sockhook(Leak(118, since=story.at(days=-11), swing=0.6), Motion("File", Noise(2)), each=True)
    fourth = _sockhook(Leak(16, since=story.at(days=-33)))
    v3_98 = software("V3Pro 98", "AhnLab", "3.12")
    return [
        _nt_server(story, "NTBK01", "seoul", "6a", _v3("5.0"), [_backup("ntbackup.exe", 164, first)], up_days=9.2),
        _nt_server(story, "NTBK02", "busan", "6", [v3_98, BACKUP_EXEC], _backup_exec(second), up_days=24),
        _nt_server(story, "NTBK03", "seoul", None, [*_v3("5.0"), ARCSERVE], _arcserve(third), up_days=17),
        _nt(story, "NTWS14", "busan", "Windows NT Workstation", "6a", _v3("5.0"),
            [_backup("ntbackup.exe", 131, fourth)], up_days=33),
    ]  # fmt: skip


def _exposed(story: Story) -> list[SimulatedHost]:
    fine = (Motion("File", NightJob(38, 23.0, 4.0)),)
    idle = (Motion("Event", Noise(2)),)
    return [
        _nt_server(story, "NTBK04", "seoul", "6a", [*_v3("5.0"), BACKUP_EXEC],
                   _backup_exec(fine, leaking=False), up_days=41),
        _nt_server(story, "NTFS02", "busan", "6a", _v3("5.0"),
                   [_backup("ntbackup.exe", 118, idle, leaking=False, behaviour="noise", suspect=False)], up_days=19),
    ]  # fmt: skip


def _cured(story: Story) -> SimulatedHost:
    cure = story.at(days=-7, hours=-5)
    leak = Leak(92, since=story.at(days=-15), ends=cure - 1800)
    program = _backup(
        "ntbackup.exe", 157, _sockhook(leak), life=Resident(70, restarts=(cure,)), leaking=False, behaviour="cured"
    )
    host = _nt_server(story, "NTBK05", "seoul", "6a", _v3("5.0"), [program], up_days=15)
    updated = Inventory(cure - 1800, (*_v3("5.1"), IE), V3_SERVICES)
    return replace(host, inventories=(*host.inventories, updated))


def _without_v3(story: Story) -> SimulatedHost:
    motions = (Motion("File", NightJob(52, 1.0, 3.5)), Motion("Event", Rhythm(12)))
    return _nt(
        story, "NTBK06", "frankfurt", "Windows NT Server", "6a", [BACKUP_EXEC],
        _backup_exec(motions, leaking=False), v3=False, up_days=52,
    )  # fmt: skip


def _v3(version: str) -> list[dict[str, str]]:
    return [software("V3 Pro 2000 Deluxe", "AhnLab, Inc.", version)]


def _sockhook(leak: Leak, *others: Motion, each: bool = False) -> tuple[Motion, ...]:
    return (*others, Motion("Event", leak, name=V3SOCKHOOK, each=each))


def _backup(name: str, total: int, motions: Sequence[Motion], **facts: object) -> Program:
    usual: dict[str, object] = {
        "life": Resident(70),
        "suspect": True,
        "named": ORDINARY,
        "leaking": True,
        "behaviour": "v3 leak",
        "user": ADMIN,
    }
    if name == "ntbackup.exe":
        usual["exe"] = NTBACKUP_EXE
    return nt4(name, total, motions, **(usual | facts))


def _backup_exec(motions: Sequence[Motion], *, leaking: bool = True) -> list[Program]:
    folder = "C:\\Program Files\\Seagate Software\\Backup Exec\\NT\\"
    behaviour = "v3 leak" if leaking else "night job"
    return [
        _backup("bengine.exe", 236, motions, exe=folder + "bengine.exe", user="SYSTEM", suspect=leaking,
                leaking=leaking, behaviour=behaviour),
        nt4("benetns.exe", 61, exe=folder + "benetns.exe"),
        nt4("beserver.exe", 144, exe=folder + "beserver.exe"),
    ]  # fmt: skip


def _arcserve(motions: Sequence[Motion]) -> list[Program]:
    folder = "C:\\Program Files\\ComputerAssociates\\ARCserveIT\\"
    return [
        _backup("jobeng.exe", 182, motions, exe=folder + "jobeng.exe", user="SYSTEM"),
        nt4("tapeeng.exe", 97, exe=folder + "tapeeng.exe"),
        nt4(
            "dbeng.exe", 88, (Motion("File", NightJob(20, 2.0, 2.0)),), exe=folder + "dbeng.exe", behaviour="night job"
        ),
    ]


def _nt_server(
    story: Story,
    name: str,
    site: str,
    service_pack: str | None,
    installed: Sequence[dict[str, str]],
    programs: Sequence[Program],
    *,
    up_days: float,
) -> SimulatedHost:
    return _nt(story, name, site, "Windows NT Server", service_pack, installed, programs, up_days=up_days)


def _nt(
    story: Story,
    name: str,
    site: str,
    system: str,
    service_pack: str | None,
    installed: Sequence[dict[str, str]],
    programs: Sequence[Program],
    *,
    v3: bool = True,
    up_days: float,
) -> SimulatedHost:
    return story.nt4(
        name,
        site,
        "backup",
        [*(v3_programs() if v3 else ()), *programs],
        system=system,
        service_pack=service_pack,
        software=[*installed, IE],
        services=V3_SERVICES if v3 else (),
        up_days=up_days,
    )
