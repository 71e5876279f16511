"""The catalogue's format: what a signature file may say, checked strictly and compiled. Reads text, never files."""

import datetime
import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
import yaml

from server.analysis.facts import HostFacts, Item, OsFacts
from server.analysis.names import template
from server.analysis.patterns import PatternError, regex, wildcard
from server.analysis.versions import VersionRange, version_key

LONGEST_FILE = 65_536
_DEEPEST = 12

Line = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Prose = Annotated[str, msgspec.Meta(min_length=1, max_length=8_000)]
Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Lines = Annotated[tuple[Line, ...], msgspec.Meta(max_length=200)]


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping in a signature file: a key that is not one of its fields is refused."""


class Reference(Said, frozen=True):
    id: Line
    title: Line | None = None
    url: Line | None = None
    date: datetime.date | None = None


class System(Said, frozen=True):
    """Left out (or null) means any; in `service_packs` null means none installed."""

    family: Literal["windows", "linux", "macos", "other"]
    name: Line | None = None
    version: Line | None = None
    service_packs: tuple[Line | None, ...] | None = None


class Programs(Said, frozen=True):
    mode: Literal["hint", "condition"]
    names: Annotated[Lines, msgspec.Meta(min_length=1)]


class Shape(Said, frozen=True):
    programs: Programs | None = None
    type: Line | None = None
    object: Line | None = None
    least_count: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] = 1
    must_grow: bool = False


class Product(Said, frozen=True):
    name: Line
    vendor: Line | None = None
    version: Line | None = None


class Software(Said, frozen=True):
    any: Annotated[tuple[Product, ...], msgspec.Meta(min_length=1, max_length=100)]
    none: Annotated[tuple[Product, ...], msgspec.Meta(max_length=100)] = ()


class Traces(Said, frozen=True):
    services: Lines = ()
    drivers: Lines = ()
    processes: Lines = ()
    unless: Annotated[tuple[Product, ...], msgspec.Meta(max_length=100)] = ()


class SignatureFile(Said, frozen=True):
    """A signature as its file says it; `docs/signatures.md` explains every key."""

    id: Id
    title: Line
    match: Shape
    cause: Prose
    resolution: Prose
    references: tuple[Reference, ...] = ()
    applies_to: tuple[System, ...] = ()
    software: Software | None = None
    traces: Traces | None = None
    name: Line | None = None
    summary: Line | None = None
    next_steps: Lines = ()
    unknowns: Lines = ()
    notes: Prose | None = None

    @property
    def short_name(self) -> str:
        """What people call it; the id where the file gives no name."""
        return self.name or self.id


class SignatureError(ValueError):
    """A signature that is refused: where in the file (`match.programs`), why, and what to do about it."""

    def __init__(self, path: str, detail: str, *, hint: str = "") -> None:
        super().__init__(f"{path}: {detail}" + (f" ({hint})" if hint else ""))
        self.path, self.detail, self.hint = path, detail, hint


@dataclass(frozen=True, slots=True)
class SystemRule:
    said: System
    version: VersionRange | None

    def matches(self, os: OsFacts) -> bool:
        """What the rule names must be known of the host: an unknown name or version is not inside."""
        if os.family.casefold() != self.said.family:
            return False
        if self.said.name is not None and not _is_named(os.name or "", self.said.name):
            return False
        if self.version is not None and not self.version.holds(os.version or _number_in(os.name or "")):
            return False
        packs = self.said.service_packs
        return packs is None or _pack(os.service_pack) in {_pack(pack) for pack in packs}


@dataclass(frozen=True, slots=True)
class ProductRule:
    name: re.Pattern[str]
    vendor: re.Pattern[str] | None
    version: VersionRange | None

    def names(self, item: Item) -> bool:
        """Name and vendor fit, whatever the version; a vendor that is not known contradicts nothing."""
        if not self.name.search(item.name):
            return False
        return self.vendor is None or not (item.vendor or "").strip() or bool(self.vendor.search(item.vendor or ""))

    def matches(self, item: Item) -> bool:
        return self.names(item) and (self.version is None or self.version.holds(item.version))


@dataclass(frozen=True, slots=True)
class TraceRule:
    services: tuple[re.Pattern[str], ...] = ()
    drivers: tuple[re.Pattern[str], ...] = ()
    processes: tuple[re.Pattern[str], ...] = ()
    unless: tuple[ProductRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Installed:
    """What shows that it is installed: `kind` is `software` or, less surely, `service`, `driver` or `process`."""

    item: Item
    kind: str


@dataclass(frozen=True, slots=True)
class Signature:
    """A checked signature, its patterns compiled. `said` is the file as it was written."""

    said: SignatureFile
    type: str | None
    object: re.Pattern[str] | None
    programs: tuple[re.Pattern[str], ...]
    systems: tuple[SystemRule, ...]
    software: tuple[ProductRule, ...]
    absent: tuple[ProductRule, ...]
    traces: TraceRule = field(default_factory=TraceRule)

    @property
    def id(self) -> str:
        return self.said.id

    @property
    def least_count(self) -> int:
        return self.said.match.least_count

    @property
    def must_grow(self) -> bool:
        return self.said.match.must_grow

    @property
    def hints(self) -> tuple[str, ...]:
        """The program names the file gives, to look at first."""
        return self.said.match.programs.names if self.said.match.programs else ()

    @property
    def subject(self) -> Literal["object", "type", "total"]:
        """Which counts it is about: of named objects, of a whole type, or of all handles."""
        return "object" if self.object else "type" if self.type else "total"

    def wants(self, image: str, program: str, type_name: str | None, object_name: str | None) -> bool:
        """Whether this count belongs into a trace for it: of one named object, or of a type or all (names None)."""
        if self.type is not None:
            if type_name != self.said.match.type and (type_name is None or type_name.casefold() != self.type):
                return False
        elif self.object is None and type_name is not None:
            return False
        if self.object is None:
            if object_name is not None:
                return False
        elif object_name is None or not self.object.search(template(object_name)):
            return False
        programs = self.said.match.programs
        return programs is None or programs.mode == "hint" or self.names(image, program)

    def names(self, image: str, program: str) -> bool:
        """Whether the signature names this program, as hint or condition."""
        return any(pattern.fullmatch(image) or pattern.fullmatch(program) for pattern in self.programs)

    def applies_to(self, os: OsFacts) -> bool:
        """Whether the system is one the signature lists; one that lists none applies to all."""
        return not self.systems or any(rule.matches(os) for rule in self.systems)

    def matters_on(self, os: OsFacts) -> bool:
        """Whether the software, where it is installed, exposes a host of this family at all."""
        return not self.systems or any(rule.said.family == os.family.casefold() for rule in self.systems)

    def forbids(self, facts: HostFacts) -> Item | None:
        """Software whose presence means that a host is not exposed, if it is installed."""
        return next((item for item in facts.software if any(rule.matches(item) for rule in self.absent)), None)

    def installed(self, facts: HostFacts) -> Installed | None:
        """What shows that the software is there; the newest where several do. An inventory beats mere traces."""
        if self.forbids(facts) is not None:
            return None
        found = [item for item in facts.software if any(rule.matches(item) for rule in self.software)]
        if found:
            return Installed(max(found, key=lambda item: (version_key(item.version or ""), item.name)), "software")
        if any(rule.matches(item) for item in facts.software for rule in self.traces.unless):
            return None
        images = tuple(Item(image) for image in sorted(facts.images))
        for kind, patterns, items in (
            ("service", self.traces.services, facts.services),
            ("driver", self.traces.drivers, facts.drivers),
            ("process", self.traces.processes, images),
        ):
            for item in items:
                if any(pattern.fullmatch(item.name) for pattern in patterns):
                    return Installed(item, kind)
        return None


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be used; `source` is the name it came under."""

    source: str
    error: SignatureError


def read_catalogue(files: Iterable[tuple[str, str]]) -> tuple[dict[str, Signature], list[Problem]]:
    """Signatures by id out of (name, text) pairs, and what was refused. The first of two with one id stays."""
    signatures: dict[str, Signature] = {}
    sources: dict[str, str] = {}
    problems: list[Problem] = []
    for source, text in files:
        try:
            signature = parse_signature(text)
            if signature.id in signatures:
                raise SignatureError("id", f"{signature.id!r} is taken", hint=f"{sources[signature.id]} has it")
        except SignatureError as error:
            problems.append(Problem(source, error))
        else:
            signatures[signature.id], sources[signature.id] = signature, source
    return signatures, problems


def parse_signature(text: str) -> Signature:
    """Raises SignatureError with the path of the key at fault."""
    raw = _load(text)
    try:
        said = msgspec.convert(raw, SignatureFile)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None
    return _compile(said)


class _Loader(yaml.SafeLoader):
    """Safe loading, less what a signature has no use for: aliases, keys given twice, depth without end."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = parent.start_mark if parent else None
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=mark)
        if self.depth >= _DEEPEST:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen if isinstance(key, yaml.ScalarNode) else False:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} is given twice", problem_mark=key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep=deep)


def _load(text: str) -> object:
    if len(text) > LONGEST_FILE:
        raise SignatureError("$", f"is longer than {LONGEST_FILE} characters")
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}" if mark else "$"
        raise SignatureError(where, f"is not YAML as used here: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise SignatureError("$", f"is not YAML: {error}") from None
    finally:
        if loader is not None:
            loader.dispose()


_AT = re.compile(r"(.*?)(?: - at `(?:key in )?\$?\.?(.*?)`)?", re.DOTALL)
_UNKNOWN_KEY = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_STRUCTS: tuple[type[Said], ...] = (
    SignatureFile, Reference, System, Programs, Shape, Software, Product, Traces,
)  # fmt: skip
KEYS = sorted({item.encode_name for struct in _STRUCTS for item in msgspec.structs.fields(struct)})


def _refusal(message: str) -> SignatureError:
    match = _AT.fullmatch(message)
    detail, path = (match[1], match[2] or "$") if match else (message, "$")
    hint = ""
    if unknown := _UNKNOWN_KEY.fullmatch(detail):
        key = unknown[1]
        path, detail = key if path == "$" else f"{path}.{key}", "is not a key here"
        near = difflib.get_close_matches(key, KEYS, n=1)
        hint = f"did you mean {near[0]}?" if near else "docs/signatures.md lists the keys"
    elif "Expected `str" in detail and ("got `int`" in detail or "got `float`" in detail):
        hint = "put it in quotes"
    elif "Expected `array`" in detail:
        hint = "write a list, in brackets or with dashes"
    elif "Expected `object`" in detail:
        hint = "write keys and values"
    return SignatureError(path, detail, hint=hint)


def _compile(said: SignatureFile) -> Signature:
    for index, reference in enumerate(said.references):
        if reference.url is not None and not reference.url.startswith(("https://", "http://")):
            raise SignatureError(f"references[{index}].url", "must begin with https:// or http://")
    software, traces, match = said.software, said.traces or Traces(), said.match
    return Signature(
        said=said,
        type=match.type.casefold() if match.type else None,
        object=_compiled("match.object", match.object, regex) if match.object else None,
        programs=_wildcards("match.programs.names", match.programs.names if match.programs else ()),
        systems=tuple(
            SystemRule(rule, _range(f"applies_to[{index}].version", rule.version))
            for index, rule in enumerate(said.applies_to)
        ),
        software=_products("software.any", software.any if software else ()),
        absent=_products("software.none", software.none if software else ()),
        traces=TraceRule(
            _wildcards("traces.services", traces.services),
            _wildcards("traces.drivers", traces.drivers),
            _wildcards("traces.processes", traces.processes),
            _products("traces.unless", traces.unless),
        ),
    )


def _compiled(path: str, pattern: str, how: Callable[[str], re.Pattern[str]]) -> re.Pattern[str]:
    try:
        return how(pattern)
    except PatternError as error:
        raise SignatureError(path, str(error)) from None


def _wildcards(path: str, patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(_compiled(f"{path}[{index}]", pattern, wildcard) for index, pattern in enumerate(patterns))


def _products(path: str, products: tuple[Product, ...]) -> tuple[ProductRule, ...]:
    return tuple(
        ProductRule(
            _compiled(f"{path}[{index}].name", product.name, regex),
            _compiled(f"{path}[{index}].vendor", product.vendor, regex) if product.vendor else None,
            _range(f"{path}[{index}].version", product.version),
        )
        for index, product in enumerate(products)
    )


def _range(path: str, text: str | None) -> VersionRange | None:
    try:
        return VersionRange.parse(text) if text else None
    except ValueError as error:
        raise SignatureError(path, str(error), hint="for example 4.0, or >=1.3.0, <1.3.3") from None


_DECORATION = re.compile(r"\((?:r|tm|c)\)|[®™©,()]")
_NUMERAL = re.compile(r"v?[0-9]+(?:\.[0-9]+)+")
_PACK = re.compile(r"(?:service\s+pack|sp)\s*", re.IGNORECASE)
_SUFFIX = re.compile(r"\b(?:service\s+pack|sp|build)\s*[0-9]\w*", re.IGNORECASE)


def _is_named(name: str, wanted: str) -> bool:
    """Whether a system's name is the wanted one, in any order and with vendor, version or service pack added."""
    words = _words(wanted)
    return words == sorted(word for word in _words(name) if word in words or not _NUMERAL.fullmatch(word))


def _words(name: str) -> list[str]:
    plain = _DECORATION.sub(" ", _SUFFIX.sub(" ", name.casefold()))
    return sorted(word for word in plain.split() if word != "microsoft")


def _number_in(name: str) -> str | None:
    return next((word for word in _words(name) if _NUMERAL.fullmatch(word)), None)


def _pack(text: str | None) -> str | None:
    """`6a` for `6a`, `6A`, `SP6a` and `Service Pack 6a`; None for none."""
    bare = _PACK.sub("", (text or "").strip(), count=1).strip().casefold()
    return bare if bare not in ("", "0", "none") else None
