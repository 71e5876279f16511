"""What a Windows machine says that it is, and what it has installed."""

from typing import Any

import pytest

from collector.sources import windows_facts
from collector.sources.windows_buffers import ServiceEntry
from collector.sources.windows_files import FileFacts
from tests.collector.windows.machine import FakeRegistry, FakeWindows, files_of

NT = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
OPTIONS = r"SYSTEM\CurrentControlSet\Control\ProductOptions"
SERVICES = r"SYSTEM\CurrentControlSet\Services"
UNINSTALL = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"


def system(version: tuple[int, int, int, str, int], registry: FakeRegistry) -> list[str | None]:
    windows = FakeWindows()
    windows.told_version = version
    found = windows_facts.operating_system(windows, registry)
    assert found.pop("family") == "windows"
    return [found["name"], found["version"], found["service_pack"]]


def inventory(windows: FakeWindows, registry: FakeRegistry) -> dict[str, Any]:
    return windows_facts.inventory(windows, registry, files_of(windows), {"SYSTEMROOT": r"C:\Windows"}).to_json()


@pytest.mark.parametrize(("option", "name"), [
    ("ServerNT", "Windows NT Server"), ("LanmanNT", "Windows NT Server"), ("WinNT", "Windows NT Workstation"),
])  # fmt: skip
def test_nt_4_is_told_by_its_kind_of_product(option: str, name: str) -> None:
    registry = FakeRegistry()
    registry.put(NT, ProductName="Microsoft Windows NT")
    registry.put(OPTIONS, ProductType=option)
    assert system((4, 0, 1381, "Service Pack 4", 3), registry) == [name, "4.0.1381", "4"]


@pytest.mark.parametrize(
    ("pack", "hotfix", "told"),
    [
        ("Service Pack 6", True, "6a"),
        ("Service Pack 6", False, "6"),
        ("Service Pack 6a", False, "6a"),
        ("Service Pack 5", True, "5"),
        ("", False, None),
    ],
)
def test_service_pack_6a_is_told_from_6_by_the_hotfix_in_it(pack: str, hotfix: bool, told: str | None) -> None:
    registry = FakeRegistry()
    if hotfix:
        registry.put(rf"{NT}\Hotfix\Q246009", Installed=1)
    assert system((4, 0, 1381, pack, 3), registry)[2] == told


@pytest.mark.parametrize(
    ("product", "version", "expected"),
    [
        ("Windows Server 2022 Datacenter", (10, 0, 20348, "", 3), "Windows Server 2022 Datacenter"),
        ("Windows Server 2025 Standard", (10, 0, 26100, "", 3), "Windows Server 2025 Standard"),
        ("Windows 10 Pro", (10, 0, 19045, "", 1), "Windows 10 Pro"),
        ("Windows 10 Pro", (10, 0, 22631, "", 1), "Windows 11 Pro"),
        ("Microsoft Windows 2000", (5, 0, 2195, "", 3), "Windows 2000"),
    ],
)
def test_later_ones_are_told_by_their_edition(
    product: str, version: tuple[int, int, int, str, int], expected: str
) -> None:
    registry = FakeRegistry()
    registry.put(NT, ProductName=product, UBR=2159)
    major, minor, build, *_ = version
    assert system(version, registry) == [expected, f"{major}.{minor}.{build}.2159", None]


def test_a_registry_that_says_nothing_leaves_what_the_kernel_says() -> None:
    assert system((6, 1, 7601, "Service Pack 1", 1), FakeRegistry()) == ["Windows", "6.1.7601", "1"]


def test_software_of_both_widths_and_of_this_account_is_listed_once() -> None:
    registry = FakeRegistry()
    v3: dict[str, Any] = {"DisplayName": "V3 Pro 2000 Deluxe ", "Publisher": "AhnLab", "DisplayVersion": "5.0"}
    registry.put(rf"{UNINSTALL}\V3", **v3)
    registry.put(rf"{UNINSTALL}\V3", view=32, **v3)
    registry.put(rf"{UNINSTALL}\{{90}}", view=32, DisplayName="Backup Exec")
    registry.put(rf"{UNINSTALL}\Tool", root="HKCU", DisplayName="A tool", DisplayVersion="1\0")
    registry.put(rf"{UNINSTALL}\KB1", DisplayName="Update for V3", ParentKeyName="V3")
    registry.put(rf"{UNINSTALL}\Nameless", Publisher="AhnLab")
    registry.put(rf"{UNINSTALL}\Odd", DisplayName=b"bytes", DisplayVersion=5)
    found = inventory(FakeWindows(), registry)
    assert found["software"] == [
        {"name": "A tool", "version": "1"},
        {"name": "Backup Exec"},
        {"name": "V3 Pro 2000 Deluxe", "vendor": "AhnLab", "version": "5.0"},
    ]


def test_services_and_drivers_are_listed_apart_and_stay_the_same_at_each_sign_in() -> None:
    windows = FakeWindows()
    windows.installed = [
        ServiceEntry("V3MonNT", 0x10, 44), ServiceEntry("V3Flt", 0x02, 0), ServiceEntry("Tcpip", 0x01, 0),
        ServiceEntry("CDPUserSvc_3ab12", 0xE0, 0), ServiceEntry("CDPUserSvc", 0x60, 0),
        ServiceEntry("MSSQL_1", 0x10, 0),
    ]  # fmt: skip
    found = inventory(windows, FakeRegistry())
    assert [item["name"] for item in found["services"]] == ["CDPUserSvc", "MSSQL_1", "V3MonNT"]
    assert [item["name"] for item in found["drivers"]] == ["Tcpip", "V3Flt"]


def test_services_and_drivers_have_the_version_and_the_maker_of_their_files() -> None:
    windows, registry = FakeWindows(), FakeRegistry()
    windows.installed = [
        ServiceEntry("V3MonNT", 0x10, 44), ServiceEntry("V3Flt", 0x02, 0), ServiceEntry("Dnscache", 0x20, 0),
        ServiceEntry("Gone", 0x10, 0),
    ]  # fmt: skip
    registry.put(rf"{SERVICES}\V3MonNT", ImagePath=r'"C:\Program Files\V3\V3MonNT.exe" /service')
    registry.put(rf"{SERVICES}\Dnscache", ImagePath=r"%SystemRoot%\System32\svchost.exe -k NetworkService -p")
    registry.put(rf"{SERVICES}\Dnscache\Parameters", ServiceDll=r"%SystemRoot%\System32\dnsrslvr.dll")
    windows.file_versions = {
        r"C:\Program Files\V3\V3MonNT.exe": FileFacts("AhnLab", "5.0.0.1"),
        r"C:\Windows\system32\drivers\V3Flt.sys": FileFacts(None, "5.0.0.2"),
        r"C:\Windows\System32\dnsrslvr.dll": FileFacts("Microsoft Corporation", "10.0.20348.1"),
    }
    found = inventory(windows, registry)
    assert found["services"] == [
        {"name": "Dnscache", "vendor": "Microsoft Corporation", "version": "10.0.20348.1"},
        {"name": "Gone"},
        {"name": "V3MonNT", "vendor": "AhnLab", "version": "5.0.0.1"},
    ]
    assert found["drivers"] == [{"name": "V3Flt", "version": "5.0.0.2"}]
