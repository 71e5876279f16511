"""Enrolment: a machine that holds an `enroll` token gets a token of its own, once."""

from sqlalchemy import Connection

from server.access.names import name_key
from server.access.principals import Principal
from server.access.tokens import create_host_token
from server.problems import Problem
from server.store import accounts


def enroll(connection: Connection, principal: Principal, host_name: str, now_us: int) -> str:
    """The host's new token. Problem 403 unless the caller may enrol, 422 for a name that can't be used, 409 where
    the host has a live token: of two enrolments at once, exactly one gets one."""
    if not principal.may_enroll():
        raise Problem(403, f"a token of scope {principal.scope} can't enrol hosts; use one of scope enroll or admin")
    return create_host_token(connection, name=host_name, host_name=host_name, now_us=now_us, created_by=principal.name)


def allow_again(connection: Connection, host_name: str, now_us: int) -> int:
    """Revoke the host's tokens, so that it may enrol anew; how many there were. Call `Authenticator.forget` after
    the commit."""
    return accounts.revoke_host_tokens(connection, name_key(host_name), now_us)
