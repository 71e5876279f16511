"""What pages say of a signature's systems where the host's own was not told."""

from types import SimpleNamespace

import pytest

from server.web.pages.shell import on_list


@pytest.mark.parametrize(
    ("family", "name", "inside", "said"),
    [
        ("windows", "Windows NT Server", True, True),
        ("windows", "Windows 11", False, False),
        ("windows", None, False, None),
        ("other", None, False, None),
        ("linux", None, False, False),
        ("windows", None, True, True),
    ],
)
def test_a_system_of_which_the_family_alone_is_known_is_not_called_outside(
    family: str, name: str | None, inside: bool, said: bool | None
) -> None:
    row = SimpleNamespace(os_family=family, os_name=name, os_version=None)
    assert on_list(inside, row) is said
