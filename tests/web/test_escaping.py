"""Names come from machines nobody vouches for: none of them gets out of its place."""

from urllib.parse import unquote, urlsplit

import pytest

from server.web import views as v
from server.web.limits import segment as asked
from server.web.render import render, segment, url, visible, web_link

from . import samples
from .test_templates import Page

BROKEN = [pytest.param(view, id=name) for name, view in samples.BROKEN.items()]


@pytest.mark.parametrize("view", BROKEN)
def test_a_name_with_a_script_stays_text(view: v.View) -> None:
    html = render(view)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


@pytest.mark.parametrize("view", BROKEN)
def test_names_do_not_turn_the_line_around(view: v.View) -> None:
    tags = Page(render(view)).tags
    kept = {"data-host", "value", "data-key"}
    assert not [a for _, attrs in tags for name, a in attrs.items() if "\u202e" in (a or "") and name not in kept]


@pytest.mark.parametrize("view", BROKEN)
def test_no_link_leads_to_a_script(view: v.View) -> None:
    for _, attrs in Page(render(view)).tags:
        assert not (attrs.get("href") or "").lower().startswith("javascript:")


@pytest.mark.parametrize("name", samples.HOSTILE)
def test_a_host_link_has_one_segment_for_the_name(name: str) -> None:
    row = v.FleetRow(name=name, os=samples.DEBIAN)
    html = render(
        v.FleetView(shell=samples.shell(), query=v.FleetQuery(), summary=samples.fleet().summary, rows=(row,))
    )
    links = [attrs["href"] or "" for tag, attrs in Page(html).tags if tag == "a" and attrs.get("class") == "host-link"]
    assert [asked(unquote(urlsplit(link).path.split("/")[2])) for link in links] == [name]
    assert links[0].count("/") == 2


def test_slashes_percent_and_hash_are_encoded() -> None:
    assert segment("a/b%c#d?e") == "a%2Fb%25c%23d%3Fe"


@pytest.mark.parametrize("name", ["", ".", "..", "..\ufffe", "\ufffe", "...", "a/.."])
def test_no_browser_folds_a_name(name: str) -> None:
    assert unquote(segment(name)) not in ("", ".", "..")
    assert asked(unquote(segment(name))) == name


def test_the_exact_name_is_in_data_host() -> None:
    rows = [
        attrs for tag, attrs in Page(render(samples.BROKEN["signature"])).tags if tag == "tr" and "data-host" in attrs
    ]
    assert [row["data-host"] for row in rows] == list(samples.HOSTILE)
    assert {row["data-level"] for row in rows} == {"leaking"}


def test_the_row_of_a_machine_is_as_promised() -> None:
    assert 'data-host="NTBK01" data-level="leaking"' in render(samples.signature())


def test_invisible_characters_are_spelt_out() -> None:
    assert visible("safe\u202egpj.exe") == "safe⟨U+202E⟩gpj.exe"
    assert visible("a\x00b\u200b") == "a⟨U+0000⟩b⟨U+200B⟩"
    assert visible("  ") == "⟨blank⟩"
    assert visible("한국어") == "한국어"


def test_a_lone_surrogate_can_be_sent() -> None:
    row = v.FleetRow(name="a\udc80", os=samples.DEBIAN)
    view = v.FleetView(shell=samples.shell(), query=v.FleetQuery(), summary=samples.fleet().summary, rows=(row,))
    assert "⟨U+DC80⟩" in render(view)


def test_only_web_addresses_are_linked() -> None:
    assert web_link("https://example.org/") == "https://example.org/"
    assert web_link("javascript:alert(1)") is None
    assert web_link(None) is None


def test_queries_keep_what_is_set_and_drop_what_is_empty() -> None:
    query = v.HostQuery(from_="2026-11-22T01:00", program="a&b=c")
    assert url("/hosts/x", query, to="z") == "/hosts/x?from=2026-11-22T01%3A00&to=z&program=a%26b%3Dc"
    assert url("/hosts/x", query, from_="", program="") == "/hosts/x"
