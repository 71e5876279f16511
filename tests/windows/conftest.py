"""One Wine for all tests here, and programs that do in it what a test needs."""

from collections.abc import Iterator

import pytest

from tests.windows.wine import Wine, session


@pytest.fixture(scope="session")
def wine() -> Iterator[Wine]:
    with session() as wine:
        yield wine
