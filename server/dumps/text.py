"""Bytes to text to numbered lines: the code pages, byte-order marks and line ends that old machines write.

Decoding never fails. A byte-order mark decides; else NULs on every other byte (UTF-16 without one), else strict UTF-8,
else Korean (code page 949) where the text then reads as Hangul, else Western European (1252).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from server.dumps.dump import Damaged

SAMPLE = 4096
HEAD = 1 << 16  # characters from which a format is recognised
LONGEST_LINE = 1 << 23  # 20,000 processes with two columns each; what parts a line makes an object of each cell
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_LINE = re.compile(r"[^\n]+")


@dataclass(frozen=True, slots=True)
class Text:
    """A whole file, its line ends all `\\n`, without NULs and lone surrogates."""

    content: str

    @property
    def head(self) -> str:
        return self.content[:HEAD]

    def lines(self) -> Iterator[tuple[int, str]]:
        """Lines that are not blank, each with its offset, without its end. Raises Damaged for one
        that is too long."""
        for match in _LINE.finditer(self.content):
            if match.end() - match.start() > LONGEST_LINE:
                raise self.damaged(match.start(), f"lines of at most {LONGEST_LINE:,} characters")
            line = match.group()
            if not line.isspace():
                yield match.start(), line

    def damaged(self, offset: int, expected: str) -> Damaged:
        """What to raise where the line at `offset` is not what was expected there."""
        number = self.content.count("\n", 0, offset) + 1
        end = self.content.find("\n", offset)
        line = self.content[offset : len(self.content) if end < 0 else end].strip()
        found = f'"{line[:77]}…"' if len(line) > 78 else f'"{line}"'
        return Damaged(f"line {number}: expected {expected}, found {found if line else 'the end'}")


def decode(content: bytes) -> Text:
    text = _decode(content)
    # `\r\r\n` is what WMIC writes when its output goes to a file, and is one line end.
    for ending in ("\r\r\n", "\r\n", "\r"):
        text = text.replace(ending, "\n")
    return Text(text.rstrip("\0").replace("\0", "\ufffd"))


def _decode(content: bytes) -> str:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    wide = _wide(content[:SAMPLE])
    if wide is not None:
        return content.decode(wide, "replace")
    try:
        return content.decode()
    except UnicodeDecodeError:
        pass
    try:
        korean = content.decode("cp949")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")
    return korean if _reads_as_korean(korean) else content.decode("cp1252", "replace")


def _wide(sample: bytes) -> str | None:
    """UTF-16 without a mark: text is mostly ASCII, so that every other byte is mostly NUL."""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    enough = len(sample) // 8
    if odd > enough and odd > 4 * even:
        return "utf-16-le"
    return "utf-16-be" if even > enough and even > 4 * odd else None


def _reads_as_korean(text: str) -> bool:
    """Most of what isn't ASCII is one of the 2,350 syllables in common use; code page 1252 by chance yields others."""
    common = beyond = 0
    for match in islice(_BEYOND_ASCII.finditer(text), SAMPLE):
        beyond += 1
        if "\uac00" <= match.group() <= "\ud7a3":
            try:
                match.group().encode("euc_kr")
            except UnicodeEncodeError:
                continue
            common += 1
    return 2 * common >= beyond
