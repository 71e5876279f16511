"""What a Windows machine is and has installed, and what its service hosts and web pools are called."""

import re
from collections.abc import Mapping
from typing import Protocol

from collector.sources.windows_buffers import ServiceEntry
from collector.sources.windows_files import Files, path_of
from collector.sources.windows_objects import Kernel
from collector.wire import Inventory, Item

CURRENT_VERSION = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
PRODUCT_OPTIONS = r"SYSTEM\CurrentControlSet\Control\ProductOptions"
UNINSTALL = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
SERVICES = r"SYSTEM\CurrentControlSet\Services"
# Service pack 6a of NT 4.0 calls itself 6; the hotfix that it contains tells it apart.
HOTFIX_OF_6A = CURRENT_VERSION + r"\Hotfix\Q246009"
FIRST_BUILD_OF_11 = 22000
WORKSTATION = 1
WORKSTATION_OPTION = "WinNT"

DRIVERS = 0x0B
PER_USER = 0x80
SERVICE_HOSTS = frozenset({"svchost.exe"})
POOL_WORKERS = frozenset({"w3wp.exe"})
HOST_COMMAND = re.compile(r"\\svchost(\.exe)?\"?(\s|$)", re.IGNORECASE)
GROUP = re.compile(r"\s-k\s+([^\s\"]+)", re.IGNORECASE)
POOL = re.compile(r"\s-ap\s+(?:\"([^\"]+)\"|([^\s\"]+))", re.IGNORECASE)
READINGS_TO_WAIT_FOR_A_NAME = 5


class Registry(Protocol):
    """The registry of one machine; `view` 64 or 32: as programs of that width see it. What is missing is empty."""

    def values(self, path: str, *, root: str = "HKLM", view: int = 64) -> dict[str, object]: ...

    def keys(self, path: str, *, root: str = "HKLM", view: int = 64) -> list[str]: ...


def operating_system(kernel: Kernel, registry: Registry) -> dict[str, str | None]:
    """`os` as on the wire. The name is the product's with its edition, as the registry has it."""
    major, minor, build, pack, product = kernel.version()
    current = registry.values(CURRENT_VERSION)
    pack = pack.removeprefix("Service Pack ").strip()
    if (major, pack) == (4, "6") and registry.values(HOTFIX_OF_6A):
        pack = "6a"
    version = f"{major}.{minor}.{build}"
    revision = current.get("UBR")
    return {
        "family": "windows",
        "name": _product(registry, current, major=major, build=build, product=product),
        "version": f"{version}.{revision}" if isinstance(revision, int) else version,
        "service_pack": pack or None,
    }


def _product(registry: Registry, current: dict[str, object], *, major: int, build: int, product: int) -> str:
    if major == 4:  # calls itself Windows NT in every edition
        option = registry.values(PRODUCT_OPTIONS).get("ProductType")
        return "Windows NT Workstation" if option == WORKSTATION_OPTION else "Windows NT Server"
    name = str(current.get("ProductName") or "Windows").removeprefix("Microsoft ")
    if build >= FIRST_BUILD_OF_11 and product == WORKSTATION:
        name = name.replace("Windows 10", "Windows 11")
    return name


def inventory(kernel: Kernel, registry: Registry, files: Files, variables: Mapping[str, str]) -> Inventory:
    """`variables`: of the environment, names in capitals; paths of services are written with them."""
    services: dict[str, Item] = {}
    drivers: dict[str, Item] = {}
    for service in kernel.services():
        kind = drivers if service.kind & DRIVERS else services
        name = service_name(service)
        if name not in kind:
            facts = files.of(path_of(_binary(service, registry), variables))
            kind[name] = Item(name, facts.vendor, facts.version)
    return Inventory(software=_software(registry), services=_by_name(services), drivers=_by_name(drivers))


def _binary(service: ServiceEntry, registry: Registry) -> str:
    """The command of a service, the library where a service host runs it, the file of a driver."""
    key = rf"{SERVICES}\{service.name}"
    command = _text(registry.values(key).get("ImagePath"))
    if HOST_COMMAND.search(command):
        return _text(registry.values(rf"{key}\Parameters").get("ServiceDll")) or command
    if not command and service.kind & DRIVERS:
        return rf"\SystemRoot\system32\drivers\{service.name}.sys"
    return command


def _by_name(items: Mapping[str, Item]) -> list[Item]:
    return [item for _, item in sorted(items.items())]


def _software(registry: Registry) -> list[Item]:
    """What says that it can be uninstalled, of 64-bit and 32-bit programs and of this account; updates left out."""
    found: set[tuple[str, str, str]] = set()
    for root, view in (("HKLM", 64), ("HKLM", 32), ("HKCU", 64)):
        for key in registry.keys(UNINSTALL, root=root, view=view):
            values = registry.values(rf"{UNINSTALL}\{key}", root=root, view=view)
            name = _text(values.get("DisplayName"))
            if name and not values.get("ParentKeyName"):
                found.add((name, _text(values.get("Publisher")), _text(values.get("DisplayVersion"))))
    return [Item(name, vendor or None, version or None) for name, vendor, version in sorted(found)]


def _text(value: object) -> str:
    return value.replace("\0", "").strip() if isinstance(value, str) else ""


def service_name(service: ServiceEntry) -> str:
    """Without the number that a service of one user's own gets anew at each sign-in."""
    return service.name.rpartition("_")[0] or service.name if service.kind & PER_USER else service.name


class Instances:
    """What tells processes of one image apart. Decided once in the life of a process, since it is part of what the
    program is called: services that come and go in a host of many must not make it another program."""

    def __init__(self, kernel: Kernel, registry: Registry) -> None:
        self._kernel = kernel
        self._registry = registry
        self._services: dict[int, list[str]] | None = None

    def begin(self) -> None:
        """A new reading: who runs which services is asked anew, if anybody wants to know."""
        self._services = None

    def tries(self, image: str) -> int:
        """In how many readings to look for the name of such a process: services show up a moment after theirs."""
        return READINGS_TO_WAIT_FOR_A_NAME if image.lower() in SERVICE_HOSTS | POOL_WORKERS else 0

    def of(self, pid: int, image: str) -> str | None:
        return self._pool(pid) if image.lower() in POOL_WORKERS else self._host(pid)

    def _pool(self, pid: int) -> str | None:
        found = POOL.search(self._kernel.command_line(pid) or "")
        return None if found is None else found[1] or found[2]

    def _host(self, pid: int) -> str | None:
        """A single service by its name; of several, the group that they belong to, or all of them."""
        if self._services is None:
            self._services = {}
            for service in self._kernel.services():
                if service.pid:
                    self._services.setdefault(service.pid, []).append(service_name(service))
        names = sorted(self._services.get(pid, ()))
        if len(names) < 2:
            return names[0] if names else None
        paths = (self._registry.values(rf"{SERVICES}\{name}").get("ImagePath") for name in names)
        groups = {found[1] if (found := GROUP.search(str(path))) else None for path in paths}
        group = groups.pop() if len(groups) == 1 else None
        return group or ", ".join(names)
