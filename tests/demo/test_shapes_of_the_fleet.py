from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from server.demo.fleet import HISTORY, SimulatedHost
from tests.demo.conftest import ANCHOR
from tests.demo.readings import Wire, processes, program_of, snapshots, totals

LEAKS = {
    "v3 leak", "leak", "leak towards limit", "leak across restarts", "slow leak", "pinned at limit", "leak in stairs",
    "leak in one of many",
}  # fmt: skip
HEALTHY = {
    "constant", "noise", "white noise", "rhythm", "working week", "wandering", "spikes", "step", "warm-up",
    "warm-up after restart", "collection", "cache fills", "cache dropped", "nightly job", "night job", "session",
    "pool", "pid re-used", "cured",
}  # fmt: skip
WEEK = timedelta(days=7)


def held(host: SimulatedHost, program: str, *, since: datetime = ANCHOR - HISTORY) -> list[int]:
    return list(totals(host, since, ANCHOR)[program].values())


def of(host: SimulatedHost, program: str, since: datetime, until: datetime) -> list[tuple[datetime, Wire]]:
    return processes(host, since, until, lambda process: program_of(process) == program)


def test_about_forty_hosts_show_every_behaviour(hosts: list[SimulatedHost]) -> None:
    assert 38 <= len(hosts) <= 44
    assert len({host.name.lower() for host in hosts}) == len(hosts)
    assert {program.behaviour for host in hosts for program in host.programs} == LEAKS | HEALTHY
    assert {program.behaviour for host in hosts for program in host.programs if program.leaking} == LEAKS
    assert sum(not any(program.leaking for program in host.programs) for host in hosts) >= 25
    assert {host.site for host in hosts} == {"seoul", "busan", "frankfurt", "austin"}
    assert {host.os["family"] for host in hosts} == {"windows", "linux", "macos"}


def test_java_reaches_its_limit_some_hours_after_the_anchor(by_name: dict[str, SimulatedHost]) -> None:
    host = by_name["web-07"]
    assert 3700 < held(host, "java")[-1] < 4000
    later = of(host, "java", ANCHOR + timedelta(hours=9), ANCHOR + timedelta(hours=20))
    counts = [process["handles"] for _, process in later]
    assert max(counts) == 4096
    assert min(counts) >= 4090
    newest = [process for _, process in later if "objects" in process][-1]
    assert newest["objects"][0]["name"] == "tcp CLOSE_WAIT"


def test_the_pinned_broker_stays_at_its_limit(by_name: dict[str, SimulatedHost]) -> None:
    counts = held(by_name["mq-01"], "beam.smp")
    assert counts[0] < 700
    newest = counts[-288 * 4 :]
    assert (min(newest) >= 1020, max(newest)) == (True, 1024)


def test_the_slow_leak_is_two_an_hour_on_a_noisy_base(by_name: dict[str, SimulatedHost]) -> None:
    counts = held(by_name["db-04"], "pgbouncer")
    day = 288
    assert 1.8 < (min(counts[-day:]) - min(counts[:day])) / (13 * 24) < 2.2
    assert max(counts[:day]) - min(counts[:day]) > 100


def test_the_worker_leaks_on_across_its_nightly_restarts(by_name: dict[str, SimulatedHost]) -> None:
    seen = of(by_name["etl-02"], "python3", ANCHOR - WEEK, ANCHOR)
    lives: dict[str, list[int]] = {}
    for _, process in seen:
        lives.setdefault(process["started_at"], []).append(process["handles"])
    assert len(lives) == 8
    assert len({(process["pid"], process["started_at"]) for _, process in seen}) == 8
    for counts in list(lives.values())[1:-1]:
        assert counts[-1] > counts[0] + 300
    assert max(counts[0] for counts in list(lives.values())[1:]) < 80


def test_one_of_several_shims_leaks(by_name: dict[str, SimulatedHost]) -> None:
    seen = of(by_name["k8s-node-03"], "containerd-shim-runc-v2", ANCHOR - WEEK, ANCHOR)
    spread: dict[int, set[int]] = {}
    for _, process in seen:
        spread.setdefault(process["pid"], set()).add(process["handles"])
    assert len(spread) == 6
    assert [len(counts) > 500 for counts in spread.values()].count(True) == 1
    assert [len(counts) == 1 for counts in spread.values()].count(True) == 5


@pytest.mark.parametrize(("name", "night_utc"), [("web-01", 1), ("web-03", 8)])
def test_rhythms_follow_local_time(by_name: dict[str, SimulatedHost], name: str, night_utc: int) -> None:
    monday = datetime(2026, 11, 16, tzinfo=ANCHOR.tzinfo)
    day = totals(by_name[name], monday, monday + timedelta(days=1))["nginx"]
    at = monday + timedelta(hours=night_utc)
    assert day[at] < 0.6 * day[at + timedelta(hours=12)]


def test_a_collection_always_returns_to_the_same_floor(by_name: dict[str, SimulatedHost]) -> None:
    counts = held(by_name["web-01"], "java")
    floors = [min(counts[day : day + 288]) for day in range(0, len(counts), 288)]
    assert max(floors) - min(floors) <= 15
    assert max(counts) > min(counts) + 350


def test_a_cache_fills_and_stays_full(by_name: dict[str, SimulatedHost]) -> None:
    counts = held(by_name["db-03"], "mariadbd")
    assert min(counts[288 * 2 :]) > counts[0] + 500
    assert max(counts[-288:]) - min(counts[288 * 3 :]) < 120


def test_a_nightly_job_climbs_and_exits(by_name: dict[str, SimulatedHost]) -> None:
    seen = of(by_name["db-02"], "pg_dump", ANCHOR - WEEK, ANCHOR)
    assert len({process["started_at"] for _, process in seen}) == 7
    assert len(seen) < 0.1 * 288 * 7
    assert max(process["handles"] for _, process in seen) > 300


def test_a_pid_goes_to_another_program(by_name: dict[str, SimulatedHost]) -> None:
    seen = processes(by_name["ci-02"], ANCHOR - WEEK, ANCHOR, lambda process: process["pid"] == 28_417)
    assert {process["name"] for _, process in seen} == {"rsync", "logrotate"}


def test_a_restart_warms_up_in_a_new_process(by_name: dict[str, SimulatedHost]) -> None:
    seen = of(by_name["web-03"], "java", ANCHOR - WEEK, ANCHOR)
    assert len({process["pid"] for _, process in seen}) == 3
    counts = [process["handles"] for _, process in seen]
    assert max(counts) > min(counts) + 250
    assert counts[0] == counts[-1] == max(counts)


def test_a_pool_grows_and_shrinks(by_name: dict[str, SimulatedHost]) -> None:
    sizes = {
        sum(process["name"] == "php-fpm" for process in snapshot["processes"])
        for snapshot in snapshots(by_name["web-04"], ANCHOR - WEEK, ANCHOR)
    }
    assert min(sizes) <= 4
    assert max(sizes) >= 9


def test_a_working_day_ends_with_the_program_closed(by_name: dict[str, SimulatedHost]) -> None:
    seen = of(by_name["PC-1142"], "OUTLOOK.EXE", ANCHOR - WEEK, ANCHOR)
    assert {(time + timedelta(hours=9)).weekday() for time, _ in seen} <= {0, 1, 2, 3, 4}
    assert max(process["handles"] for _, process in seen) > min(process["handles"] for _, process in seen) + 250


def times(host: SimulatedHost, until: datetime = ANCHOR) -> list[datetime]:
    return [datetime.fromisoformat(snapshot["time"]) for snapshot in snapshots(host, ANCHOR - HISTORY, until)]


def test_one_host_has_a_gap_of_some_hours(by_name: dict[str, SimulatedHost]) -> None:
    seen = times(by_name["cache-02"])
    assert max(after - before for before, after in pairwise(seen)) > timedelta(hours=5)


def test_one_host_fell_silent_three_hours_ago_and_stays_so(by_name: dict[str, SimulatedHost]) -> None:
    assert times(by_name["mail-02"], ANCHOR + WEEK)[-1] == ANCHOR - timedelta(hours=3, minutes=5)


def test_an_ordinary_user_sees_few_processes(by_name: dict[str, SimulatedHost]) -> None:
    for snapshot in snapshots(by_name["dev-07"], ANCHOR - timedelta(days=1), ANCHOR):
        assert snapshot["coverage"]["denied"] > 0.6 * snapshot["coverage"]["processes"]
        assert not any("types" in process for process in snapshot["processes"] if process["handles"] is None)


@pytest.mark.parametrize("name", ["k8s-node-02", "SQL01", "NTBK01"])
def test_a_reboot_starts_every_process_anew(by_name: dict[str, SimulatedHost], name: str) -> None:
    booted = datetime.fromtimestamp(by_name[name].boots[-1], ANCHOR.tzinfo)
    assert ANCHOR - HISTORY < booted < ANCHOR
    for snapshot in snapshots(by_name[name], ANCHOR - HISTORY, ANCHOR):
        starts = {datetime.fromisoformat(process["started_at"]) for process in snapshot["processes"]}
        assert len(starts) > 5
        assert (min(starts) >= booted) == (datetime.fromisoformat(snapshot["time"]) > booted)
