"""The pages of a leak and of a program with their scripts, in a browser."""

import pytest
from playwright.sync_api import Browser, Page

from .test_pages_in_browser import address, browser, chart, page

__all__ = ["address", "browser", "page"]  # fixtures

pytestmark = pytest.mark.browser

LEAK = "/leaks/leak"
PROGRAM = "/hosts/web-07/programs/java"
PAGES = (LEAK, "/leaks/leak-known", "/leaks/leak-resolved", "/leaks/leak-at-limit", PROGRAM)


@pytest.mark.parametrize("sample", ["", "?sample=empty", "?sample=broken"])
@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_its_window(page: Page, path: str, sample: str) -> None:
    page.goto(path + sample)
    for width in (1440, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_chart_tells_the_low_of_a_stretch_and_a_restart(page: Page) -> None:
    x, y = chart(page, LEAK)
    page.mouse.move(x + 500, y + 60)
    assert "lowest of this stretch: 1,883" in page.locator(".chart-tip").inner_text()
    left = page.evaluate("document.querySelector('.u-over').clientWidth * (26 + 60) / (26 + 221.8 + 6)")
    page.mouse.move(x + left, y + 60)
    assert "restart" in page.locator(".chart-tip").inner_text()


def test_the_forecast_reaches_beyond_the_newest_reading(page: Page) -> None:
    chart(page, LEAK)
    page.locator("[data-chart]").focus()
    page.keyboard.press("End")
    at = page.locator(".chart-tip").evaluate("tip => new DOMMatrix(getComputedStyle(tip).transform).m41")
    width = page.evaluate("document.querySelector('.u-over').clientWidth")
    assert at < width * 0.97
    assert page.evaluate("JSON.parse(document.querySelector('[data-chart-overlay]').dataset.chartOverlay).length") == 1


def test_a_stretch_can_be_looked_at_and_left_for_the_whole_leak(page: Page) -> None:
    x, y = chart(page, LEAK)
    page.mouse.move(x + 300, y + 100)
    page.mouse.down()
    page.mouse.move(x + 500, y + 100, steps=4)
    page.mouse.up()
    page.wait_for_url("**from=*to=*")
    page.locator("[data-chart]").focus()
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: "from=" not in url)


def test_a_click_on_the_chart_of_a_leak_chooses_no_moment(page: Page) -> None:
    x, y = chart(page, LEAK)
    page.mouse.click(x + 200, y + 100)
    assert "at=" not in page.url


@pytest.mark.parametrize("width", [1280, 360])
def test_the_menus_lie_within_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(LEAK)
    menus = page.locator(".triage details.menu")
    assert menus.count() == 4
    for at in range(4):
        menus.nth(at).locator("summary").click()
        box = menus.nth(at).locator(".menu-body").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        page.keyboard.press("Escape")


def test_times_in_the_evidence_are_the_readers_own(page: Page) -> None:
    page.goto(LEAK)
    assert "Nov 16, 2026, 01:10" in page.locator(".evidence").inner_text()  # Seoul; 16:10 UTC the day before


def test_a_leak_is_complete_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto(LEAK)
    assert "rose 8 days in a row, from 812 to 3,588" in page.locator(".evidence").inner_text()
    page.locator(".pieces summary").click()
    assert page.locator(".pieces tbody tr").count() == 9
    page.locator(".triage summary", has_text="Resolve").click()
    assert page.locator("button", has_text="Yes, resolve it").is_visible()
    assert page.locator("[data-chart]").is_hidden()
    context.close()


def test_the_host_page_leads_to_the_programs_page(page: Page) -> None:
    page.goto("/hosts/NTBK01")
    page.locator("table.processes a", has_text="ntbackup.exe").first.click()
    page.wait_for_url("**/hosts/NTBK01/programs/ntbackup.exe")
