r"""When two names are one: object names folded to templates, program names compared as their system compares them.

The collector folds object names the same way with its own copy; `tests/wire/name-templates.json` ties the two.
"""

import re
from functools import lru_cache

_SESSION = re.compile(r"\A(?:\\Sessions\\[0-9]+)+(?=\\)", re.IGNORECASE)
# "Stands apart" means: no letter or digit on either side; an underscore parts. Beside a `#` only plain numbers are
# folded: it may be what an earlier folding left, and folding again must change nothing.
_VARIES = re.compile(
    r"""
      (?<![^\W_]|\#)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![^\W_]|\#)   # a GUID
    | (?<![^\W_]|\#)0x[0-9a-f]+(?![^\W_]|\#)                                   # a hexadecimal number
    | (?<![^\W_]|\#)(?=[a-f]*[0-9])[0-9a-f]{8,}(?![^\W_]|\#)                   # a long hex run with a digit
    | (?<![^\W_])[0-9]+(?![^\W_])                                              # a number that stands apart
    | [0-9]{3,}                                                                # three digits or more, anywhere
    """,
    re.IGNORECASE | re.VERBOSE,
)


@lru_cache(maxsize=32_768)
def template(name: str) -> str:
    r"""`name` without its session prefix, what varies folded to `#`. Folding a template again changes nothing.

    Folded: GUIDs, hex runs of eight digits or more that stand apart, numbers that stand apart, three decimal digits
    or more anywhere. A digit inside a word stays: `V3SOCKHOOK`. Takes time linear in the length of the name.
    """
    return _VARIES.sub("#", _SESSION.sub("", name))


def folds_case(os_family: str) -> bool:
    """Whether programs on a host of this family are compared without case."""
    return os_family == "windows"


def program_key(program: str, *, fold: bool) -> str:
    """What a program is compared by; `fold` as `folds_case` says of its host."""
    return program.casefold() if fold else program
