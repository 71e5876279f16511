"""One Wine for all tests here, and programs that do in it what a test needs."""

from collections.abc import Iterator

import pytest

from tests.windows.wine import Wine, session


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One prefix can have one session: all tests here run one after the other in one worker."""
    for item in items:
        if "tests/windows/" in item.path.as_posix():
            item.add_marker(pytest.mark.xdist_group("wine"))


@pytest.fixture(scope="session")
def wine() -> Iterator[Wine]:
    with session() as wine:
        yield wine
