"""Files of any known format, recognised by what they hold and never by their names. Pure: no I/O, no clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from server.dumps import get_process, handle, lsof, oh, pdh, pslist, pstat, wmic
from server.dumps.dump import Dump, NotUnderstood
from server.dumps.text import Text, decode


@dataclass(frozen=True, slots=True)
class _Reader:
    title: str
    recognises: Callable[[str], bool]
    read: Callable[[Text], Dump]


# Those with the plainest marks are asked first.
_READERS: Mapping[str, _Reader] = {
    pdh.NAME: _Reader(
        "performance log (CSV or TSV of typeperf, logman, relog, Performance Monitor)", pdh.recognises, pdh.read
    ),
    wmic.NAME: _Reader("wmic process … /format:csv", wmic.recognises, wmic.read),
    get_process.NAME: _Reader("PowerShell Get-Process as CSV", get_process.recognises, get_process.read),
    pslist.NAME: _Reader("Sysinternals pslist", pslist.recognises, pslist.read),
    pstat.NAME: _Reader("Resource Kit pstat", pstat.recognises, pstat.read),
    handle.NAME: _Reader("Sysinternals handle", handle.recognises, handle.read),
    oh.NAME: _Reader("Resource Kit oh (best effort)", oh.recognises, oh.read),
    lsof.NAME: _Reader("lsof -F", lsof.recognises, lsof.read),
}
FORMATS: Mapping[str, str] = MappingProxyType({name: reader.title for name, reader in _READERS.items()})


def read_dump(content: bytes, *, format: str | None = None) -> Dump:
    """What the file says; `format` None: found from the content. Raises NotUnderstood (it lists the formats) and
    Damaged, and nothing else, whatever the bytes."""
    text = decode(content)
    if format is not None:
        if format not in _READERS:
            raise NotUnderstood(f'"{format[:64]}" is no format known here; these are: {_known()}')
        return _READERS[format].read(text)
    for reader in _READERS.values():
        if reader.recognises(text.head):
            return reader.read(text)
    raise NotUnderstood(f"the content is none of the formats known: {_known()}")


def _known() -> str:
    return ", ".join(f"{name} ({title})" for name, title in FORMATS.items())
