"""The V3 Pro signature as it is shipped says what KB Q277673 says, and no more."""

from pathlib import Path

import pytest

from server.analysis.catalogue import Signature, parse_signature
from server.analysis.facts import HostFacts, Item, OsFacts

FILE = Path(__file__).resolve().parents[2] / "server" / "signatures" / "v3-pro.yaml"


@pytest.fixture(scope="module")
def v3() -> Signature:
    return parse_signature(FILE.read_text("utf-8"))


def host(*software: Item, services: tuple[Item, ...] = (), images: tuple[str, ...] = ()) -> HostFacts:
    return HostFacts(OsFacts("windows"), software=software, services=services, images=frozenset(images))


def test_it_cites_the_article(v3: Signature) -> None:
    assert v3.id == "v3-pro"
    assert [reference.id for reference in v3.said.references] == ["Q277673"]


@pytest.mark.parametrize(
    "name",
    [
        "\\BaseNamedObjects\\V3SOCKHOOK",
        "\\Sessions\\1\\BaseNamedObjects\\V3SOCKHOOK",
        "\\basenamedobjects\\v3sockhook",
    ],
)
@pytest.mark.parametrize("image", ["ntbackup.exe", "unheard-of.exe"])
def test_the_event_counts_whatever_the_session_and_the_program(v3: Signature, name: str, image: str) -> None:
    assert v3.wants(image, image, "Event", name)
    assert v3.wants(image, image, "event", name)


@pytest.mark.parametrize(
    ("type_name", "name"),
    [
        ("Mutant", "\\BaseNamedObjects\\V3SOCKHOOK"),
        ("Event", "\\BaseNamedObjects\\V3SOCKHOOK2"),
        ("Event", "\\BaseNamedObjects\\Sub\\V3SOCKHOOK"),
        ("Event", "V3SOCKHOOK"),
        ("Event", "\\BaseNamedObjects\\SendSAS"),
        ("Event", ""),
        ("Event", None),
        (None, None),
    ],
)
def test_other_objects_do_not_count(v3: Signature, type_name: str | None, name: str | None) -> None:
    assert not v3.wants("ntbackup.exe", "ntbackup.exe", type_name, name)


def test_ntbackup_is_named_and_the_exchange_attendant_is_not(v3: Signature) -> None:
    assert v3.names("NTBACKUP.EXE", "NTBACKUP.EXE")
    assert not v3.names("mad.exe", "mad.exe")


@pytest.mark.parametrize(
    "name",
    ["V3Pro", "V3 Pro", "V3 Pro 2000 Deluxe", "V3Pro98", "V3Pro32", "AhnLab V3 Pro 2004", "안랩 V3 Pro", "v3pro 95"],
)
def test_v3_pro_is_known_under_all_its_names(v3: Signature, name: str) -> None:
    assert v3.installed(host(Item(name, "AhnLab", "5.0"))) is not None


@pytest.mark.parametrize(
    "item",
    [
        Item("V3 Lite", "AhnLab"),
        Item("V3 Internet Security 8.0", "AhnLab, Inc."),
        Item("V3Net for Windows Server", "AhnLab"),
        Item("V3 Net 9.0", "AhnLab"),
        Item("V3 Protocol Analyser", "Acme"),
        Item("V3 Pro Mixer", "Acme Audio"),
        Item("MyV3", "AhnLab"),
    ],
    ids=lambda item: item.name,
)
def test_other_products_are_not_v3_pro(v3: Signature, item: Item) -> None:
    assert v3.installed(host(item)) is None


@pytest.mark.parametrize(
    "vendor", [None, "", "AhnLab", "Ahnlab, Inc.", "안철수연구소", "안랩", "Ahn Cheol-soo Laboratory"]
)
def test_the_vendor_may_go_by_any_of_its_names_or_be_unknown(v3: Signature, vendor: str | None) -> None:
    assert v3.installed(host(Item("V3Pro", vendor))) is not None


def test_a_service_or_a_process_is_a_weaker_sign(v3: Signature) -> None:
    by_service = v3.installed(host(services=(Item("MonSvcNT"),)))
    by_process = v3.installed(host(images=("V3PRO32.EXE",)))
    assert by_service is not None
    assert by_process is not None
    assert (by_service.kind, by_process.kind) == ("service", "process")


def test_a_service_says_nothing_where_a_later_product_explains_it(v3: Signature) -> None:
    assert v3.installed(host(Item("V3 Lite", "AhnLab"), services=(Item("MonSvcNT"),))) is None


@pytest.mark.parametrize("name", ["Windows NT Server", "Microsoft Windows NT Server 4.0", "windows nt server"])
@pytest.mark.parametrize("version", ["4.0", "4.0.1381"])
@pytest.mark.parametrize("pack", [None, "6", "6a", "6A", "Service Pack 6a"])
def test_nt_server_with_no_pack_and_packs_6_and_6a_is_inside(
    v3: Signature, name: str, version: str, pack: str | None
) -> None:
    assert v3.applies_to(OsFacts("windows", name, version, pack))


@pytest.mark.parametrize(
    "os",
    [
        OsFacts("windows", "Windows NT Server", "4.0", "5"),
        OsFacts("windows", "Windows NT Workstation", "4.0", "6a"),
        OsFacts("windows", "Windows NT", "4.0", "6a"),
        OsFacts("windows", "Windows 2000 Server", "5.0.2195", None),
        OsFacts("windows", "Windows NT Server", None, "6a"),
        OsFacts("windows", None, "4.0", "6a"),
        OsFacts("windows"),
        OsFacts("other", "Windows NT Server", "4.0", "6a"),
        OsFacts("", "\ufffd", "..", "\u0000"),
    ],
)
def test_all_else_is_outside(v3: Signature, os: OsFacts) -> None:
    assert not v3.applies_to(os)


def test_a_version_told_in_the_name_alone_is_known(v3: Signature) -> None:
    assert v3.applies_to(OsFacts("windows", "Windows NT Server 4.0", None, "6a"))
    assert not v3.applies_to(OsFacts("windows", "Windows NT Server 3.51", None, None))
