"""`import`: sends one dump file, from a machine that can run no collector, and says what the server made of it."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from collector.answers import Answer, Meaning, judge
from collector.config import READING, RUNNING, ConfigError, Settings, resolve
from collector.wire import JsonObject, gzip_body

if TYPE_CHECKING:
    from collector.sender import Http

TOTAL_S = 120.0  # for a large file over a slow line
MOST_LENGTH = 64 << 20  # as the server takes it unpacked
FAMILIES = ("windows", "linux", "macos", "other")
ABOUT = ("format", "host", "time", "os", "os_name", "os_version", "service_pack")
DELIVERING = tuple(setting for setting in RUNNING if setting.name in ("server", "token"))


class Outcome(Enum):
    """Of sending a file."""

    STORED = "stored"
    REFUSED = "refused"  # this file, whoever sends it
    LATER = "later"  # it may pass by itself
    STUCK = "stuck"  # a person has to mend token or address


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a file; `said` is a sentence for a person."""

    outcome: Outcome
    said: str
    retry_after_s: float | None = None


def add_system_arguments(parser: ArgumentParser) -> None:
    """What a file does not say of its machine; used where no collector on that machine has said better."""
    parser.add_argument("--os", choices=FAMILIES, help="the family of the machine's system; default: as the file tells")
    parser.add_argument("--os-name", metavar="NAME", help="such as 'Windows NT Server'")
    parser.add_argument("--os-version", metavar="VERSION", help="such as 4.0.1381")
    parser.add_argument("--service-pack", metavar="N", help="the bare name, such as 6a")


def add_delivery_arguments(parser: ArgumentParser) -> None:
    for setting in DELIVERING:
        text = "a relay or admin token; better in HANDLEWATCH_TOKEN_FILE" if setting.name == "token" else setting.help
        parser.add_argument(setting.flag, dest=setting.name, metavar=setting.metavar, help=f"{text} [{setting.env}]")
    parser.set_defaults(state=None, label=None, root=None)


def add_import_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="output of handle, pslist, typeperf, lsof -F and others"
    )
    parser.add_argument("--format", metavar="F", help="its format; default: found from its content")
    parser.add_argument("--host", metavar="NAME", help="the machine it is from; wins over what the file says")
    parser.add_argument(
        "--time", metavar="TIME", help="when it was taken, such as 2026-11-22T10:00:00Z, if it says not"
    )
    add_system_arguments(parser)
    add_delivery_arguments(parser)


def delivery_settings(parsed: Namespace, environment: Mapping[str, str]) -> Settings:
    """Server and token. Raises ConfigError."""
    return resolve(parsed, (*DELIVERING, *(setting for setting in READING if setting.name == "root")), environment)


def about(parsed: Namespace) -> dict[str, str]:
    """What the options say beside the file."""
    return {name: getattr(parsed, name) for name in ABOUT if getattr(parsed, name, None)}


def read_file(path: Path) -> bytes | None:
    """Its content; None where it is longer than a server takes. Raises OSError."""
    with path.open("rb") as file:
        content = file.read(MOST_LENGTH + 1)
    return content if len(content) <= MOST_LENGTH else None


def deliver(http: "Http", content: bytes, said: Mapping[str, str], *, token: str, now: float) -> Delivery:
    """Sends a file's content with what is `said` beside it. Sending it twice stores it once."""
    path = f"/api/v1/import?{urlencode(said)}" if said else "/api/v1/import"
    answer = http.post(path, token=token, body=gzip_body([content]), packed=True)
    verdict = judge(answer, now=now)
    if verdict.meaning is Meaning.ACCEPTED:
        return Delivery(Outcome.STORED, _understood(answer))
    if verdict.meaning is Meaning.REFUSED or answer.status == 415:
        return Delivery(Outcome.REFUSED, verdict.reason)
    if verdict.meaning is Meaning.LATER:
        return Delivery(Outcome.LATER, verdict.reason, verdict.retry_after_s)
    return Delivery(Outcome.STUCK, verdict.reason)


def import_file(parsed: Namespace, http: "Http", *, token: str, now: float) -> str | None:
    """Prints what was understood. Returns why the server could not take it now; ConfigError where it will not."""
    try:
        content = read_file(parsed.file)
    except OSError as error:
        raise ConfigError(f"cannot read {parsed.file}: {error.strerror}") from error
    if content is None:
        raise ConfigError(f"{parsed.file} is over {MOST_LENGTH >> 20} MiB: send it in parts")
    delivery = deliver(http, content, about(parsed), token=token, now=now)
    if delivery.outcome is Outcome.STORED:
        print(delivery.said)
        return None
    if delivery.outcome is Outcome.LATER:
        return delivery.said
    raise ConfigError(f"{parsed.file} was not taken: {delivery.said}")


def _understood(answer: Answer) -> str:
    """`stored 1 of NTBK01 (pslist): 31 processes at 2026-11-22T10:00:00Z`, its notes in lines of their own."""
    found: JsonObject = json.loads(answer.body)  # which `judge` has read already
    first, last = found.get("from"), found.get("to")
    when = f"at {last}" if first == last else f"from {first} to {last}"
    count = found.get("processes")
    processes = "1 process" if count == 1 else f"{count} processes"
    lines = [f"stored {found.get('accepted')} of {found.get('host')} ({found.get('format')}): {processes} {when}"]
    if found.get("duplicates"):
        lines.append(f"{found['duplicates']} were stored already")
    notes = found.get("notes")
    lines += [str(note) for note in notes] if isinstance(notes, list) else []
    return "\n".join(
        "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line) for line in lines
    )
