r"""Object names folded to templates, so that names which differ only in what varies are one name.

The server folds the same way; `tests/wire/name-templates.json` ties the two.
"""

import re

SESSION = re.compile(r"\A(?:\\Sessions\\[0-9]+)+(?=\\)", re.IGNORECASE)
# "Stands apart" means: no letter or digit on either side; an underscore parts. Beside a `#` only plain numbers are
# folded: it may be what an earlier folding left, and folding again must change nothing.
VARIES = re.compile(
    r"""
      (?<![^\W_]|\#)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![^\W_]|\#)   # a GUID
    | (?<![^\W_]|\#)0x[0-9a-f]+(?![^\W_]|\#)                                   # a hexadecimal number
    | (?<![^\W_]|\#)(?=[a-f]*[0-9])[0-9a-f]{8,}(?![^\W_]|\#)                   # a long hex run with a digit
    | (?<![^\W_])[0-9]+(?![^\W_])                                              # a number that stands apart
    | [0-9]{3,}                                                                # three digits or more, anywhere
    """,
    re.IGNORECASE | re.VERBOSE,
)


def template(name: str) -> str:
    r"""`name` without its session prefix, what varies folded to `#`. Folding a template again changes nothing.

    Folded: GUIDs, hex runs of eight digits or more that stand apart, numbers that stand apart, three decimal digits
    or more anywhere. A digit inside a word stays: `V3SOCKHOOK`.
    """
    return VARIES.sub("#", SESSION.sub("", name))
