"""A simulated fleet whose story is tied to a Friday, and what it sends."""

from datetime import UTC, datetime

import pytest

from server.demo.fleet import SimulatedHost, fleet

ANCHOR = datetime(2026, 11, 20, 9, 25, tzinfo=UTC)


@pytest.fixture(scope="session")
def hosts() -> list[SimulatedHost]:
    return fleet(ANCHOR)


@pytest.fixture(scope="session")
def by_name(hosts: list[SimulatedHost]) -> dict[str, SimulatedHost]:
    return {host.name: host for host in hosts}
