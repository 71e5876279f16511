"""Names as people and machines give them: what is taken, and the key by which they are compared."""

import re

from server.problems import Fault, Problem

MAX_LENGTH = 1_024  # the wire's bound on strings
MAX_KEY_BYTES = 2_000  # PostgreSQL can't index much longer ones

_UNKEPT = re.compile("[\0\ud800-\udfff]")


def name_key(name: str) -> str:
    """Names of hosts and people are compared without case; what no database keeps is replaced as the wire does."""
    return _UNKEPT.sub("\ufffd", name).casefold()


def checked_host(name: str, *, path: str = "host") -> str:
    """The host's name as given; Problem 422 if it is blank, too long or cannot be stored as it is."""
    if not name.strip():
        raise _refusal(path, "the name is empty; give the machine's host name")
    if len(name) > MAX_LENGTH:
        raise _refusal(path, f"the name has {len(name):,} characters; {MAX_LENGTH:,} are the most")
    if _UNKEPT.search(name):
        raise _refusal(path, "the name holds a NUL or half a surrogate pair, which no machine's name does")
    if len(name_key(name).encode()) > MAX_KEY_BYTES:
        raise _refusal(path, f"the name takes more than {MAX_KEY_BYTES:,} bytes")
    return name


def checked_label(name: str, *, path: str = "name") -> str:
    """The name of a person or token, trimmed; Problem 422 unless it is 1 to 200 printable characters."""
    name = name.strip()
    if not name:
        raise _refusal(path, "the name is empty")
    if len(name) > 200:
        raise _refusal(path, f"the name has {len(name):,} characters; 200 are the most")
    if not name.isprintable():
        raise _refusal(path, "the name holds characters that can't be shown, such as a line break")
    return name


def _refusal(path: str, detail: str) -> Problem:
    return Problem(422, detail, [Fault(path, detail)])
