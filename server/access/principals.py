"""Who asks and what they may do: roles of people and scopes of tokens, all in one table of rights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Literal


class Role(StrEnum):
    """What a person may do; each may what the one before may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a token is for."""

    HOST = "host"
    ENROLL = "enroll"
    RELAY = "relay"
    READ = "read"
    ADMIN = "admin"


class Right(Enum):
    READ = auto()
    OPERATE = auto()
    ADMINISTER = auto()
    ENROLL = auto()
    PUSH_OWN = auto()
    PUSH_ANY = auto()


RIGHTS: Mapping[str, frozenset[Right]] = {
    # tokens
    Scope.HOST: frozenset({Right.PUSH_OWN}),
    Scope.ENROLL: frozenset({Right.ENROLL}),
    Scope.RELAY: frozenset({Right.PUSH_ANY}),
    Scope.READ: frozenset({Right.READ}),
    # people
    Role.VIEWER: frozenset({Right.READ}),
    Role.OPERATOR: frozenset({Right.READ, Right.OPERATE}),
    # both
    Role.ADMIN: frozenset(Right) - {Right.PUSH_OWN},
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever makes a request: a token, or a person's session. `scope` is the token's scope or the person's role;
    `csrf_token` is set for sessions only, and every form of theirs has to carry it."""

    kind: Literal["token", "session"]
    name: str
    scope: str
    host_key: str | None = None
    token_id: int | None = None
    user_id: int | None = None
    csrf_token: str | None = field(default=None, repr=False)

    def may(self, right: Right) -> bool:
        return right in RIGHTS[self.scope]

    def may_operate(self) -> bool:
        return self.may(Right.OPERATE)

    def may_enroll(self) -> bool:
        return self.may(Right.ENROLL)

    def may_push_for(self, host_key: str) -> bool:
        """Whether it may send data of the host with this casefolded name."""
        return self.may(Right.PUSH_ANY) or (self.may(Right.PUSH_OWN) and self.host_key == host_key)
