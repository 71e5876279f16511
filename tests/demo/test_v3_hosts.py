import re
from datetime import timedelta

from server.demo.fleet import HISTORY, SimulatedHost
from server.demo.v3_hosts import V3SOCKHOOK
from tests.demo.conftest import ANCHOR
from tests.demo.readings import Wire, processes

V3_PRO = re.compile(r"V3 ?Pro")


def has_v3(host: SimulatedHost) -> bool:
    return any(V3_PRO.match(row["name"]) and "AhnLab" in row["vendor"] for row in host.software)


def hooks(host: SimulatedHost, days: float) -> list[int]:
    """The newest hour's V3SOCKHOOK handles, `days` before the anchor."""
    end = ANCHOR - timedelta(days=days)
    seen = processes(host, end - timedelta(hours=1), end, lambda process: "objects" in process)
    return [row["count"] for _, process in seen for row in process["objects"] if row["name"] == V3SOCKHOOK]


def test_the_v3_hosts_come_first(hosts: list[SimulatedHost]) -> None:
    with_v3 = [has_v3(host) for host in hosts]
    assert with_v3 == sorted(with_v3, reverse=True)
    assert sum(with_v3) == 7


def test_three_nt_servers_of_the_article_leak_and_one_system_outside_it(hosts: list[SimulatedHost]) -> None:
    leaking = [host.os for host in hosts if hooks(host, 0) and has_v3(host)]
    inside = [os for os in leaking if (os["name"], os["version"]) == ("Windows NT Server", "4.0.1381")]
    assert {os["service_pack"] for os in inside} == {None, "6", "6a"}
    assert [os["name"] for os in leaking if os not in inside] == ["Windows NT Workstation"]


def test_the_leaks_differ_in_program_and_speed(hosts: list[SimulatedHost]) -> None:
    rates = {}
    for host in hosts[:4]:
        program = next(program.name for program in host.programs if program.leaking)
        rates[host.name, program] = (hooks(host, 0)[-1] - hooks(host, 4)[-1]) / 96
    assert {program for _, program in rates} == {"ntbackup.exe", "bengine.exe", "jobeng.exe"}
    assert 300 < max(rates.values()) < 400
    assert 30 < sorted(rates.values())[1] < 50


def test_named_handles_carry_a_count_and_the_number_of_objects(hosts: list[SimulatedHost]) -> None:
    ratios = set()
    for host in hosts[:4]:
        seen = processes(host, ANCHOR - timedelta(hours=1), ANCHOR, lambda process: "objects" in process)
        row = next(row for row in seen[-1][1]["objects"] if row["name"] == V3SOCKHOOK)
        ratios.add(row["distinct"] == row["count"])
        assert seen[-1][1]["types"]["Event"] > row["count"] > 1000
    assert ratios == {True, False}


def test_exposed_hosts_have_v3_pro_and_no_such_handle(by_name: dict[str, SimulatedHost]) -> None:
    for name in ("NTBK04", "NTFS02"):
        assert has_v3(by_name[name])
        assert not any(program.leaking for program in by_name[name].programs)
        assert processes(by_name[name], ANCHOR - HISTORY, ANCHOR, lambda process: "objects" in process) == []


def test_one_backup_server_never_had_v3_pro(by_name: dict[str, SimulatedHost]) -> None:
    host = by_name["NTBK06"]
    assert host.os["name"] == "Windows NT Server"
    assert not any(has_v3(host) for _ in host.inventories)
    assert {"bengine.exe"} <= {program.name for program in host.programs}
    assert not any(program.leaking for program in host.programs)


def ntbackup(process: Wire) -> bool:
    return bool(process["name"] == "ntbackup.exe")


def test_the_cured_host_leaked_in_its_first_week(by_name: dict[str, SimulatedHost]) -> None:
    held = [process["handles"] for _, process in
            processes(by_name["NTBK05"], ANCHOR - HISTORY, ANCHOR - timedelta(days=8), ntbackup)]  # fmt: skip
    assert held[-1] > held[0] + 10_000
    assert hooks(by_name["NTBK05"], 8)


def test_the_cured_host_is_flat_after_the_update_and_the_restart(by_name: dict[str, SimulatedHost]) -> None:
    host = by_name["NTBK05"]
    before, after = host.inventories
    assert [row["version"] for row in (before.software[0], after.software[0])] == ["5.0", "5.1"]
    seen = processes(host, ANCHOR - timedelta(days=7), ANCHOR + timedelta(days=7), ntbackup)
    base = next(program.total for program in host.programs if program.name == "ntbackup.exe")
    assert {process["handles"] for _, process in seen} == {base}
    assert {process["started_at"] for _, process in seen} == {"2026-11-13T04:25:00Z"}
    named = [process["objects"] for _, process in seen if "objects" in process]
    assert len(named) > 3000
    assert all(V3SOCKHOOK not in [row["name"] for row in rows] for rows in named)
