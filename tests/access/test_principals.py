"""What each role and scope may do."""

import pytest

from server.access.principals import RIGHTS, Principal, Right, Role, Scope

MAY = {
    # reads, operates, administers, enrols, pushes for its own host, for any other
    "host": (False, False, False, False, True, False),
    "enroll": (False, False, False, True, False, False),
    "relay": (False, False, False, False, True, True),
    "read": (True, False, False, False, False, False),
    "viewer": (True, False, False, False, False, False),
    "operator": (True, True, False, False, False, False),
    "admin": (True, True, True, True, True, True),
}


@pytest.mark.parametrize("scope", MAY)
def test_each_scope_may_do_what_the_table_says_and_no_more(scope: str) -> None:
    who = Principal(kind="token", name="t", scope=scope, host_key="ntbk01" if scope == "host" else None)
    assert (
        who.may(Right.READ),
        who.may_operate(),
        who.may(Right.ADMINISTER),
        who.may_enroll(),
        who.may_push_for("ntbk01"),
        who.may_push_for("ntbk02"),
    ) == MAY[scope]


def test_every_role_and_scope_has_rights() -> None:
    assert set(RIGHTS) == {*Role, *Scope} == set(MAY)


def test_a_csrf_token_does_not_get_into_logs() -> None:
    assert "s3cret" not in repr(Principal(kind="session", name="Alice", scope="admin", csrf_token="s3cret"))
