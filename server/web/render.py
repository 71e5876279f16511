"""Turns a view into HTML: the Jinja2 environment, its filters, and nothing that knows of requests or the database."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from server import __version__
from server.analysis.instants import EPOCH
from server.analysis.signatures import LEVELS
from server.assets import templates_dir
from server.web import views
from server.web.sparkline import sparkline

MINUTE, HOUR, DAY = 60, 3_600, 86_400
YEAR = 365 * DAY
NONE = "–"
STRIPS = "_strips.html"
STANDS = "\ufffe"  # behind a segment of a path that would not stand by itself; a noncharacter

# Characters that draw nothing or turn the text around them: C0 and C1 controls, zero-width and bidirectional ones.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")

_TOLD = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC")  # as `utc` and analysis.evidence.told write it


def render(view: views.View) -> str:
    """The whole page."""
    return _render(view.template, view)


def render_partial(view: views.View) -> str:
    """What a refresh replaces: the part of the page that changes and the strips above it; the whole page where there
    is no such part."""
    if view.partial is None:
        return render(view)
    return _render(view.partial, view) + _render(STRIPS, view)


def _render(name: str, view: views.View) -> str:
    if not is_dataclass(view):
        raise TypeError(f"{type(view).__name__} is not a dataclass")
    context = {f.name: getattr(view, f.name) for f in fields(view)}
    return environment().get_template(name).render(context)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Every value is escaped, and a variable nobody gave is an error, not an empty string."""
    env = Environment(
        loader=FileSystemLoader(templates_dir()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.filters.update(
        number=number,
        rate=rate,
        rates_apart=rates_apart,
        duration=duration,
        took=took,
        age=age,
        moment=moment,
        iso=iso,
        utc=utc,
        percent=percent,
        size=size,
        visible=visible,
        segment=segment,
        dom_id=dom_id,
        system=system,
        system_short=system_short,
        plural=plural,
        sparkline=sparkline,
        web_link=web_link,
        plain=plain,
        short_object=short_object,
        with_times=with_times,
        instant=instant,
    )
    env.globals.update(url=url, static=static, LEVELS=LEVELS, RANGES=views.RANGES)
    return env


# --- numbers and times ------------------------------------------------------------------------------------------------


def number(value: float | None) -> str:
    """12345 -> 12,345; None -> a dash."""
    return NONE if value is None else f"{value:,.0f}".replace("-", "−")


def rate(value: float | None) -> str:
    """Growth per hour with its sign: +350/h, +0.8/h, −12/h."""
    if value is None:
        return NONE
    text = f"{abs(value):,.0f}" if abs(value) >= 10 or value == int(value) else f"{abs(value):.1f}"
    if text == "0.0":
        text = f"{abs(value):.2g}"
    return f"{'−' if value < 0 else '+' if value > 0 else ''}{text}/h"


def rates_apart(values: Sequence[float]) -> list[str]:
    """As `rate`, with as many decimals as are needed to tell them apart, three at most."""
    texts = [rate(value) for value in values]
    for digits in (1, 2, 3):
        if len(set(texts)) == len(set(values)):
            break
        texts = [f"{'−' if value < 0 else '+' if value > 0 else ''}{abs(value):,.{digits}f}/h" for value in values]
    return texts


def duration(seconds: float | None) -> str:
    """Two units at most, and only where the second one still says something: 25 y, 9 d, 1 d 6 h, 4 h 45 min, 40 s."""
    if seconds is None:
        return NONE
    whole = int(abs(seconds))
    if whole >= 2 * YEAR:
        return f"{whole // YEAR} y"
    if whole >= 3 * DAY:
        return f"{whole // DAY} d"
    if whole >= DAY:
        return _two(whole, DAY, "d", HOUR, "h")
    if whole >= HOUR:
        return _two(whole, HOUR, "h", MINUTE, "min")
    return f"{whole // MINUTE} min" if whole >= MINUTE else f"{whole} s"


def took(seconds: float) -> str:
    """How long a piece of work lasted, to two digits or so: 3.1 ms, 80 ms, 1.2 s."""
    value, unit = (seconds, "s") if seconds >= 1 else (seconds * 1_000, "ms")
    return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"


def _two(whole: int, big: int, big_unit: str, small: int, small_unit: str) -> str:
    rest = whole % big // small
    return f"{whole // big} {big_unit}" + (f" {rest} {small_unit}" if rest else "")


def age(value: datetime | None, now: datetime) -> str:
    """ "26 min ago", "just now", "in 3 h"; None -> never."""
    if value is None:
        return "never"
    seconds = (now - value).total_seconds()
    if abs(seconds) < 10:
        return "just now"
    return f"{duration(seconds)} ago" if seconds > 0 else f"in {duration(seconds)}"


def iso(value: datetime) -> str:
    """RFC 3339 in UTC, whole seconds, as URLs and <time> have it."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc(value: datetime | None) -> str:
    """2026-11-22 10:00 UTC, for people."""
    return NONE if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def moment(value: datetime | None, now: datetime) -> Markup:
    """A relative time as <time>, the absolute one in its title."""
    if value is None:
        return Markup('<span class="dim">never</span>')
    full = value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(value), full, age(value, now))


def instant(seconds: int) -> datetime:
    """Seconds since 1970 as a time."""
    return EPOCH + timedelta(seconds=seconds)


def with_times(text: str) -> Markup:
    """A sentence, its times as <time>, so that the page can show them in the reader's zone."""
    shown = Markup('<time data-abs datetime="{}T{}:00Z">{}</time>')
    pieces, end = [], 0
    for found in _TOLD.finditer(text):
        pieces += [escape(text[end : found.start()]), shown.format(found[1], found[2], found[0])]
        end = found.end()
    return Markup("").join([*pieces, escape(text[end:])])


def percent(part: float | None, whole: float | None) -> str:
    """Share of a whole: 93 %, 0.4 %, < 0.1 %."""
    if part is None or not whole:
        return NONE
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "< 0.1 %"
    return f"{share:.0f} %" if share >= 10 or share == 0 else f"{share:.1f} %"


def size(value: float | None) -> str:
    """Bytes for people: 18 MiB."""
    if value is None:
        return NONE
    units = ("B", "KiB", "MiB", "GiB")
    power = next((power for power in range(3) if value < 1024 ** (power + 1)), 3)
    return f"{value / 1024**power:.0f} {units[power]}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """1 host, 2 hosts, 1,200 hosts."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


# --- names ------------------------------------------------------------------------------------------------------------


def visible(text: str) -> str:
    """Names come from machines we do not trust: what is invisible, or would turn the line around, is spelt out."""
    if not text.strip():
        return "⟨blank⟩"
    return _INVISIBLE.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def segment(text: str) -> str:
    """One segment of a path, its slashes encoded too. What browsers would fold or leave out (`..`, `.` and nothing)
    gets STANDS behind it, which the server takes off."""
    folds = text in ("", ".", "..") or text.endswith(STANDS)
    return quote(text + STANDS if folds else text, safe="", errors="replace")


def dom_id(*parts: object) -> str:
    """A short id that stays the same for the same thing, whatever characters its name has."""
    return "r" + hashlib.blake2s("\0".join(map(str, parts)).encode("utf-8", "replace"), digest_size=6).hexdigest()


def system(os: views.Os) -> str:
    """Windows NT Server 4.0.1381 SP6a; the name holds the version already on most Linux systems."""
    name = _system_name(os)
    version = [os.version] if os.version and os.version not in name else []
    return " ".join([name, *version, *_service_pack(os)])


def system_short(os: views.Os) -> str:
    """Windows NT Server 4.0 SP6a: no build number, no version where the name has one, always the service pack."""
    name = _system_name(os)
    version = [".".join(os.version.split(".")[:2])] if os.version and not any(c.isdigit() for c in name) else []
    return " ".join([name, *version, *_service_pack(os)])


def _system_name(os: views.Os) -> str:
    return os.name or {"windows": "Windows", "linux": "Linux", "macos": "macOS"}.get(os.family, "Other system")


def _service_pack(os: views.Os) -> list[str]:
    return [f"SP{os.service_pack}"] if os.service_pack else []


def web_link(href: str | None) -> str | None:
    """The address if it may be linked (http or https), else None."""
    return href if href and href.lower().startswith(("https://", "http://")) else None


def short_object(name: str) -> str:
    """An object's name without the directory that nearly all of them share."""
    return name.removeprefix("\\BaseNamedObjects\\")


def plain(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Dataclasses as dictionaries, for `tojson`."""
    return [asdict(row) for row in rows]


# --- addresses --------------------------------------------------------------------------------------------------------


def url(path: str, query: object = None, **changes: object) -> str:
    """A path with the query of a dataclass or mapping, some parameters changed; empty ones are left out.

    A field called `from_` is the parameter `from`.
    """
    values: dict[str, Any] = {}
    if isinstance(query, Mapping):
        values.update(query)
    elif query is not None and is_dataclass(query) and not isinstance(query, type):
        values.update(asdict(query))
    values.update(changes)
    pairs = [(key.rstrip("_"), str(value)) for key, value in values.items() if value not in (None, "")]
    return f"{path}?{urlencode(pairs, errors='replace')}" if pairs else path


def static(path: str) -> str:
    """A file under /static, with the version so that a new release is fetched anew."""
    return f"/static/{path}?v={__version__}"
