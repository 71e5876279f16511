"""Service hosts and web pools are told apart by a name that stays for the life of the process."""

import json

import pytest

from collector.sources import SourceOptions
from collector.sources.windows import WindowsSource
from collector.sources.windows_buffers import ServiceEntry
from tests.collector.windows.machine import FakeProcess, FakeRegistry, FakeWindows

SERVICES = r"SYSTEM\CurrentControlSet\Services"
SHARED, PER_USER = 0x20, 0xE0


def source_of(windows: FakeWindows, registry: FakeRegistry | None = None) -> WindowsSource:
    return WindowsSource(SourceOptions(), kernel=windows, registry=registry or FakeRegistry(), own_pid=1)


def programs(source: WindowsSource) -> list[str]:
    return [process.program for process in source.read(now=0).processes]


def test_a_host_of_one_service_bears_its_name() -> None:
    windows = FakeWindows(FakeProcess(8, "svchost.exe"), FakeProcess(12, "SvcHost.exe"), FakeProcess(16, "lsass.exe"))
    windows.installed = [
        ServiceEntry("Dnscache", SHARED, 8), ServiceEntry("CDPUserSvc_3ab12", PER_USER, 12),
        ServiceEntry("SamSs", SHARED, 16), ServiceEntry("Spooler", 0x10, 0),
    ]  # fmt: skip
    assert programs(source_of(windows)) == ["svchost.exe[Dnscache]", "SvcHost.exe[CDPUserSvc]", "lsass.exe"]


def test_a_host_of_several_bears_the_name_of_their_group_for_life() -> None:
    windows, registry = FakeWindows(FakeProcess(8, "svchost.exe")), FakeRegistry()
    for name in ("BITS", "Schedule"):
        registry.put(rf"{SERVICES}\{name}", ImagePath=r"%systemroot%\system32\svchost.exe -k netsvcs -p")
    windows.installed = [ServiceEntry("BITS", SHARED, 8), ServiceEntry("Schedule", SHARED, 8)]
    source = source_of(windows, registry)
    assert programs(source) == ["svchost.exe[netsvcs]"]
    windows.installed = [ServiceEntry("BITS", SHARED, 8)]
    assert programs(source) == ["svchost.exe[netsvcs]"]


def test_several_services_without_a_group_are_all_named() -> None:
    windows = FakeWindows(FakeProcess(8, "svchost.exe"))
    windows.installed = [ServiceEntry("Zeta", SHARED, 8), ServiceEntry("Alpha", SHARED, 8)]
    assert programs(source_of(windows)) == ["svchost.exe[Alpha, Zeta]"]


def test_a_service_that_shows_up_late_is_waited_for_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = FakeWindows(FakeProcess(8, "svchost.exe"), FakeProcess(12, "svchost.exe"))
    source = source_of(windows)
    assert programs(source) == ["svchost.exe", "svchost.exe"]
    windows.installed = [ServiceEntry("Dnscache", SHARED, 8)]
    for _ in range(4):
        assert programs(source) == ["svchost.exe[Dnscache]", "svchost.exe"]
    monkeypatch.delattr(FakeWindows, "services")
    assert programs(source) == ["svchost.exe[Dnscache]", "svchost.exe"]


@pytest.mark.parametrize(
    ("command", "instance"),
    [
        (r'c:\windows\system32\inetsrv\w3wp.exe -ap "DefaultAppPool" -v "v4.0" -l "webengine4.dll"', "DefaultAppPool"),
        ('w3wp.exe -ap "Pay roll" -h "secret.config"', "Pay roll"),
        ("w3wp.exe -AP Plain", "Plain"),
        ("w3wp.exe -v v4.0", None),
        (None, None),
    ],
)
def test_a_web_pool_is_named_and_nothing_else_of_its_command_line_is_sent(
    command: str | None, instance: str | None
) -> None:
    windows = FakeWindows(FakeProcess(8, "w3wp.exe"), FakeProcess(12, "other.exe"))
    windows.command_lines = {12: "other.exe -ap Nobody"} | ({8: command} if command else {})
    sent = [process.to_json() for process in source_of(windows).read(now=0).processes]
    assert [process.get("instance") for process in sent] == [instance, None]
    assert "-v" not in json.dumps(sent)
    assert "secret" not in json.dumps(sent)
