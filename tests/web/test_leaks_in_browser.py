"""The page of leaks and that of detection settings in a browser: choosing, keys, the bar, a phone, no scripts."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from .test_pages_in_browser import REFRESH, address, browser, page

__all__ = ["address", "browser", "page"]  # fixtures

pytestmark = pytest.mark.browser

PAGES = [
    f"{path}{sample}"
    for path in ("/leaks?x=1", "/leaks?view=groups", "/settings/detection?x=1")
    for sample in ("", "&sample=empty", "&sample=broken")
]


@pytest.fixture
def plain(browser: Browser, address: str) -> Iterator[Page]:
    """Without scripts."""
    context = browser.new_context(base_url=address, java_script_enabled=False)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_its_window(page: Page, path: str) -> None:
    page.goto(path)
    for width in (1440, 390, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_desk_the_table_needs_no_scrolling_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("/leaks")
    assert page.evaluate("(one => one.scrollWidth - one.clientWidth)(document.querySelector('.scroll'))") == 0


def test_the_bar_shows_while_leaks_are_chosen(page: Page) -> None:
    page.goto("/leaks")
    bar = page.locator(".triage-bar")
    expect(bar).to_be_hidden()
    page.locator("input[name=leak]").nth(1).check()
    expect(bar).to_be_visible()
    expect(bar.locator(".picked")).to_have_text("1 chosen")
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()


def test_all_are_chosen_at_once_and_a_range_with_shift(page: Page) -> None:
    page.goto("/leaks")
    picks = page.locator("input[name=leak]")
    every = page.locator("[data-pick-all]")
    every.check()
    assert picks.evaluate_all("all => all.every(one => one.checked)")
    every.uncheck()
    picks.nth(1).click()
    picks.nth(4).click(modifiers=["Shift"])
    chosen = picks.evaluate_all("all => all.map(one => one.checked)")
    assert chosen == [1 <= at <= 4 for at in range(len(chosen))]
    assert every.evaluate("one => one.indeterminate")


def test_keys_go_from_leak_to_leak_and_choose(page: Page) -> None:
    page.goto("/leaks")
    for key in ("j", "j", "k", "x"):
        page.keyboard.press(key)
    assert page.locator("input[name=leak]").first.is_checked()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/leaks/4-1")


def test_enter_in_the_field_of_a_menu_presses_its_own_button(page: Page) -> None:
    page.goto("/leaks")
    page.locator("input[name=leak]").first.check()
    page.locator(".triage-bar summary", has_text="Assign").click()
    page.locator("input[name=assignee]").fill("bob")
    with page.expect_request(lambda request: request.method == "POST") as sent:
        page.keyboard.press("Enter")
    assert "action=assign&" in (sent.value.post_data or "") + "&"
    assert "assignee=bob" in (sent.value.post_data or "")


def test_a_refresh_folds_nothing(page: Page) -> None:
    page.goto("/leaks")
    page.locator(".more-filters summary").click()
    with page.expect_response("**/leaks"):
        page.evaluate(REFRESH)
    expect(page.locator(".more-filters .filters")).to_be_visible()


def test_a_refresh_waits_while_leaks_are_chosen(page: Page) -> None:
    page.clock.install()
    page.goto("/leaks")
    with page.expect_response("**/leaks") as answered:
        page.clock.run_for(21_000)
    answered.value.finished()
    expect(page.locator("#live.htmx-request")).to_have_count(0)
    page.locator("input[name=leak]").first.check()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(42_000)
    assert asked == []
    expect(page.locator(".triage-bar")).to_be_visible()


def test_choosing_a_filter_is_enough(page: Page) -> None:
    page.goto("/leaks")
    page.locator("select[name=triage]").select_option("muted")
    page.wait_for_url("**/leaks?triage=muted")
    assert page.locator("tr[data-leak]").count() == 2


def test_on_a_phone_the_leaks_come_before_the_filters(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/leaks")
    expect(page.locator("input[name=search]").nth(1)).to_be_hidden()
    box = page.locator("tr[data-leak]").first.bounding_box()
    assert box is not None
    assert box["y"] < 400
    first = page.locator("tr[data-leak]").nth(2)
    for words in ("java", "web-07", "socket", "CLOSE_WAIT", "full in 4 h 45 min", "3,901 of 4,096", "+41/h"):
        place = first.get_by_text(words).first.bounding_box()
        assert place is not None
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 390
    page.locator(".filter-fold > summary").click()
    expect(page.locator(".leaks-filters select[name=sort]")).to_be_visible()


def test_without_scripts_leaks_are_chosen_and_the_form_sent(plain: Page) -> None:
    plain.goto("/leaks")
    plain.locator("input[name=leak]").nth(2).check()
    plain.locator(".triage-bar summary", has_text="Mute").click()
    with plain.expect_request(lambda request: request.method == "POST") as sent:
        plain.locator("button[value=mute-week]").click()
    assert sent.value.url.endswith("/leaks/triage")
    data = sent.value.post_data or ""
    assert "csrf_token=sample-csrf-token" in data
    assert "leak=7-1" in data
    assert "action=mute-week" in data


def test_a_viewer_has_nothing_to_choose(page: Page) -> None:
    page.goto("/leaks?sample=viewer")
    assert page.locator("tr[data-leak]").count() > 5
    assert page.locator("#triage input[type=checkbox], .triage-bar").count() == 0
