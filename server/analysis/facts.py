"""What is known of a host besides its counts: system, software, services, drivers, what runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OsFacts:
    """As on the wire: `family` is `windows`, `linux`, `macos` or `other`; None = not told (a service pack: none)."""

    family: str
    name: str | None = None
    version: str | None = None
    service_pack: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One installed software, service or driver."""

    name: str
    vendor: str | None = None
    version: str | None = None

    @property
    def label(self) -> str:
        """Name and version for a sentence; the version is not repeated where the name has it."""
        return self.name if not self.version or self.version in self.name else f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class HostFacts:
    """`images`: the image names that run in the host's newest snapshot."""

    os: OsFacts
    software: tuple[Item, ...] = ()
    services: tuple[Item, ...] = ()
    drivers: tuple[Item, ...] = ()
    images: frozenset[str] = frozenset()
