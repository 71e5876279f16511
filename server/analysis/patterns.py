"""Patterns that a signature's author writes: wildcards for names, and regular expressions that can't run away."""

import re
import warnings

LONGEST_REGEX = 500
LONGEST_WILDCARD = 200
_MOST_REPEATS = 3  # unbounded ones; each more multiplies the worst case by the length of the name
_LONG_REPEAT = 100
_BOUNDS = re.compile(r"\{([0-9]*)(,?)([0-9]*)\}")


class PatternError(ValueError):
    """A pattern that is refused, with the reason as its text."""


def wildcard(pattern: str) -> re.Pattern[str]:
    """`*` stands for any characters, `?` for one, all else for itself (brackets too); the whole name, without case."""
    if not pattern.strip() or len(pattern) > LONGEST_WILDCARD:
        raise PatternError(f"must have 1 to {LONGEST_WILDCARD} characters")
    first, *rest = (re.escape(piece).replace(r"\?", ".") for piece in pattern.split("*"))
    if not rest:
        return re.compile(first, re.IGNORECASE | re.DOTALL)
    # Atomic: each piece is found where it first can be, so that many stars cost no more than one.
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1] if piece)
    return re.compile(f"{first}{middle}.*{rest[-1]}", re.IGNORECASE | re.DOTALL)


def regex(pattern: str) -> re.Pattern[str]:
    """The pattern compiled without regard to case, if it is short and no input can make it take for ever."""
    if not pattern.strip() or len(pattern) > LONGEST_REGEX:
        raise PatternError(f"must have 1 to {LONGEST_REGEX} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compiled = re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise PatternError(f"is not a regular expression: {error}") from None
    if compiled.flags & re.VERBOSE:
        raise PatternError("must not use the verbose flag (?x)")
    _refuse_runaway(pattern)
    return compiled


def _refuse_runaway(pattern: str) -> None:
    """Refuse a repeat of what repeats or chooses, back-references, and more than a few unbounded repeats."""
    groups = [False]  # per open group: has it a repeat or a choice in it?
    atom = False  # the same of what stands last
    unbounded, at = 0, 0
    while at < len(pattern):
        char = pattern[at]
        bounds = _BOUNDS.match(pattern, at) if char == "{" else None
        if char == "\\":
            if pattern[at + 1 : at + 2] in tuple("123456789"):
                raise PatternError("must not refer back to a group")
            atom, at = False, at + 2
        elif char == "[":
            atom, at = False, _end_of_set(pattern, at)
        elif char == "(":
            if pattern.startswith(("(?P=", "(?("), at):
                raise PatternError("must not refer back to a group")
            groups.append(False)
            at += 2 if pattern[at + 1 : at + 2] == "?" else 1
        elif char == ")":
            atom = groups.pop()
            groups[-1] |= atom
            at += 1
        elif char in "*+" or (bounds and bounds.group() != "{}"):
            low, comma, high = bounds.groups() if bounds else ("0", ",", "")
            most = float("inf") if comma and not high else int(high or low or 0)
            if atom and most > 1:
                raise PatternError("repeats a group that itself repeats or chooses, which can take for ever")
            if most > _LONG_REPEAT:
                unbounded += 1
                groups[-1] = True
            at = bounds.end() if bounds else at + 1
            at += pattern[at : at + 1] in ("?", "+")  # lazy or possessive
        else:
            groups[-1] |= char == "|"
            atom, at = atom if char == "?" else False, at + 1
    if unbounded > _MOST_REPEATS:
        raise PatternError(f"has more than {_MOST_REPEATS} unbounded repeats")


def _end_of_set(pattern: str, start: int) -> int:
    at = start + 1
    at += pattern[at : at + 1] == "^"
    at += pattern[at : at + 1] == "]"
    while at < len(pattern) and pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1
