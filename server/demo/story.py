"""Builds hosts around one fixed moment, the anchor, to which everything that happens to them is tied."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from server.demo.hosts import HISTORY, Inventory, SimulatedHost, floor_to_step
from server.demo.lives import Resident
from server.demo.programs import Program, linux_system, macos_system, nt4_system, windows_system
from server.demo.shapes import DAY, HOUR, uniform

Software = dict[str, str]

WINDOWS = {
    "2016": ("Windows Server 2016 Standard", "10.0.14393"),
    "2019": ("Windows Server 2019 Standard", "10.0.17763"),
    "2022": ("Windows Server 2022 Standard", "10.0.20348"),
    "11": ("Windows 11 Pro", "10.0.22631"),
}
LINUX = {
    "debian": ("Debian GNU/Linux 12 (bookworm)", "6.1.0-27-amd64"),
    "ubuntu": ("Ubuntu 22.04.5 LTS", "5.15.0-125-generic"),
    "rocky": ("Rocky Linux 9.4", "5.14.0-427.13.1.el9_4"),
}


def software(name: str, vendor: str, version: str) -> Software:
    return {"name": name, "vendor": vendor, "version": version}


OPENSSL = software("openssl", "Debian", "3.0.15-1~deb12u1")
GLIBC = software("libc6", "Debian", "2.36-9+deb12u9")
DEFENDER = software("Microsoft Defender Antivirus", "Microsoft Corporation", "4.18.24090")
EDGE = software("Microsoft Edge", "Microsoft Corporation", "131.0.2903.63")


@dataclass(frozen=True)
class Story:
    """`anchor` is the end of the first two weeks; every host began two weeks before it."""

    anchor: datetime
    seed: int

    def at(self, *, days: float = 0, hours: float = 0) -> int:
        """Seconds since 1970 of a time counted from the anchor."""
        return int(floor_to_step(self.anchor).timestamp()) + int(days * DAY) + int(hours * HOUR)

    def nt4(
        self,
        name: str,
        site: str,
        role: str,
        programs: Sequence[Program],
        *,
        system: str = "Windows NT Server",
        service_pack: str | None = "6a",
        software: Sequence[Software] = (),
        services: Sequence[dict[str, str]] = (),
        up_days: float = 30,
    ) -> SimulatedHost:
        os = {"family": "windows", "name": system, "version": "4.0.1381", "service_pack": service_pack}
        inventory = Inventory(self._began, tuple(software), tuple(services))
        return self._host(name, os, (site, role), [*nt4_system(), *programs], inventory, up_days)

    def windows(
        self,
        name: str,
        site: str,
        role: str,
        programs: Sequence[Program],
        *,
        release: str = "2019",
        software: Sequence[Software] = (),
        up_days: float = 26,
    ) -> SimulatedHost:
        system, version = WINDOWS[release]
        os = {"family": "windows", "name": system, "version": version, "service_pack": None}
        inventory = Inventory(self._began, (*software, DEFENDER, EDGE), ({"name": "WinDefend"}, {"name": "Spooler"}))
        return self._host(name, os, (site, role), [*windows_system(), *programs], inventory, up_days)

    def linux(
        self,
        name: str,
        site: str,
        role: str,
        programs: Sequence[Program],
        *,
        release: str = "debian",
        software: Sequence[Software] = (),
        up_days: float = 63,
    ) -> SimulatedHost:
        system, version = LINUX[release]
        os: dict[str, str | None] = {"family": "linux", "name": system, "version": version}
        inventory = Inventory(self._began, (*software, OPENSSL, GLIBC))
        return self._host(name, os, (site, role), [*linux_system(), *programs], inventory, up_days)

    def macos(self, name: str, site: str, role: str, programs: Sequence[Program]) -> SimulatedHost:
        os: dict[str, str | None] = {"family": "macos", "name": "macOS", "version": "14.6.1"}
        inventory = Inventory(self._began, (software("Xcode", "Apple", "15.4"),))
        return self._host(name, os, (site, role), [*macos_system(), *programs], inventory, 21)

    @property
    def _began(self) -> int:
        return int((floor_to_step(self.anchor) - HISTORY).timestamp())

    def _host(
        self,
        name: str,
        os: dict[str, str | None],
        place: tuple[str, str],
        programs: list[Program],
        inventory: Inventory,
        up_days: float,
    ) -> SimulatedHost:
        booted = self.at(days=-up_days) - 1740
        boots = (self._began - 23 * DAY, booted) if booted > self._began else (booted,)
        host = SimulatedHost(
            name=name,
            os=os,
            labels={"simulated": "yes", "site": place[0], "role": place[1]},
            programs=(),
            inventories=(inventory,),
            boots=boots,
            began=self._began,
            seed=self.seed,
            silences=tuple((boot - 420, boot + 120) for boot in boots),
        )
        spread = uniform(host.key("totals"), np.arange(len(programs), dtype=np.int64)) * 0.24 + 0.88
        varied = [
            program if program.types else replace(program, total=max(3, round(program.total * float(factor))))
            for program, factor in zip(programs, spread, strict=True)
        ]
        started = [
            replace(program, life=Resident(4 + 2 * slot)) if program.life == Resident() else program
            for slot, program in enumerate(varied)
        ]
        return replace(host, programs=tuple(started))
