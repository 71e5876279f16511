"""What the pages say, and what they never say."""

import re

from server.web import views as v
from server.web import views_signatures as vs
from server.web.render import render

from . import samples


def text(view: v.View) -> str:
    """The words of a page, as a reader gets them."""
    main = render(view).split("<main")[1].split("</main>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))


def test_the_fleet_answers_before_it_lists() -> None:
    words = text(samples.fleet())
    assert "412 hosts 409 reporting 7 programs leak on 12 hosts 3 show V3 Pro the next limit in 4 h 45 min" in words
    assert words.index("Needs attention") < words.index("Worst program")


def test_one_of_each_is_in_the_singular() -> None:
    summary = v.FleetSummary(hosts=1, reporting=1, leaking_programs=1, leaking_hosts=1)
    words = text(v.FleetView(shell=samples.shell(), query=v.FleetQuery(), summary=summary))
    assert "1 host 1 reporting 1 program leaks on 1 host" in words


def test_a_calm_fleet_says_so() -> None:
    summary = v.FleetSummary(hosts=3, reporting=3, leaking_programs=0, leaking_hosts=0)
    assert "Nothing needs attention" in text(v.FleetView(shell=samples.shell(), query=v.FleetQuery(), summary=summary))


def test_no_hosts_at_all_leads_to_adding_one() -> None:
    html = render(samples.EMPTY["fleet"])
    assert "No hosts yet" in html
    assert 'href="/hosts/add">Add the first host' in html


def test_no_match_leads_to_clearing_the_filters() -> None:
    words = text(samples.EMPTY["fleet-filtered"])
    assert "No host matches nothing-like-it" in words
    assert "Clear the filters to see all 412" in words


def test_an_unreadable_process_is_never_nought() -> None:
    row = v.ProcessRow(pid=8, program="csrss.exe")
    view = samples.host_empty()
    processes = v.Processes(time=samples.NOW, rows=(row,), total=1)
    words = text(v.HostView(shell=view.shell, query=view.query, host=view.host, chart=view.chart, processes=processes))
    assert "csrss.exe 8 not readable" in words


def test_a_host_says_first_what_is_wrong() -> None:
    words = text(samples.host())
    assert words.index("ntbackup.exe leaks Event handles") < words.index("Last seen")
    assert "29 of 31 readable" in words


def test_a_host_with_nothing_wrong_says_so() -> None:
    view = samples.host()
    calm = v.HostView(shell=view.shell, query=view.query, host=view.host, chart=view.chart, processes=view.processes)
    assert "Nothing stands out on this host" in text(calm)


def test_a_host_never_heard_of_is_not_called_healthy() -> None:
    words = text(samples.host_empty())
    assert "Nothing has been heard from this host yet" in words
    assert "Nothing stands out" not in words


def test_a_sorted_column_says_its_direction_and_offers_the_other() -> None:
    html = render(samples.fleet(v.FleetQuery(sort="-handles")))
    assert html.count('aria-sort="descending"') == 1
    assert 'href="/?sort=handles#hosts"' in html


def test_pages_are_linked_when_there_are_more() -> None:
    html = render(samples.fleet(v.FleetQuery(sort="name", os="linux")))
    assert 'href="/?os=linux&amp;sort=name&amp;cursor=opaque#hosts" rel="next"' in html


def test_lists_can_be_had_as_csv() -> None:
    assert "/api/v1/hosts?os=linux&amp;format=csv" in render(samples.fleet(v.FleetQuery(os="linux", cursor="x")))
    assert "/api/v1/signatures/v3-pro/hosts?level=leaking&amp;format=csv" in render(
        samples.signature(vs.SignatureQuery(level="leaking"))
    )


def test_the_signature_page_has_each_machine_once_and_the_article() -> None:
    html = render(samples.signature())
    assert re.findall(r'<tr [^>]*data-host="([^"]+)" data-level="([^"]+)"', html) == [
        (row.host, row.level) for row in samples.machines()
    ]
    words = text(samples.signature())
    for heading in ("V3SOCKHOOK handles", "Cause", "Resolution", "What to do next", "What is not known", "References"):
        assert heading in words
    assert "outside the article's list" in words
    assert "V3 Pro 2000 Deluxe 5.0 removed" in words


def test_who_may_not_add_hosts_gets_no_token() -> None:
    words = text(samples.EMPTY["hosts_add"])
    assert "may look but not add hosts" in words
    assert "--token" not in words


def test_the_commands_to_add_a_host_can_be_copied_as_they_are() -> None:
    html = render(samples.hosts_add())
    assert "curl -fsSO https://handlewatch.example.org/downloads/handlewatch-collector.pyz\n" in html
    assert "handlewatch-collector.pyz.sha256 | sha256sum -c -" in html
    run = (
        "python3 handlewatch-collector.pyz run \\\n  --server https://handlewatch.example.org \\\n  --token hw_enroll_"
    )
    assert run in html


def test_a_page_without_sign_in_shows_no_navigation() -> None:
    html = render(samples.login())
    assert "/signatures" not in html
    assert "Sign out" not in html


def test_an_error_says_how_to_mend_it_and_gives_the_request() -> None:
    words = text(samples.error())
    assert "There is no such host" in words
    assert "What you can do" in words
    assert "01JD3X8Q" in words


def test_no_page_links_to_one_that_is_not_there() -> None:
    for view in samples.FULL.values():
        for missing in ("/suspects",):
            assert f'href="{missing}' not in render(view)
