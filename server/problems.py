"""What is refused, and why: the one exception that becomes an RFC 9457 answer or an error page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Fault:
    """One field at fault: `path` as in `snapshots[0].processes[2].handles`, `detail` in words."""

    path: str
    detail: str


@dataclass(slots=True)
class Problem(Exception):
    """A request that is refused. `detail` says what is wrong and what to do; `headers` go out with the answer."""

    status: int
    detail: str
    errors: Sequence[Fault] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase

    def body(self) -> dict[str, object]:
        """The members of an `application/problem+json` body."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "errors": [{"path": fault.path, "detail": fault.detail} for fault in self.errors],
        }
