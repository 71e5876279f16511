"""The pages with their scripts, in a browser: nothing is refused or thrown, nothing is too wide, the chart answers."""

from collections.abc import Iterator
from importlib import util
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from . import samples

pytestmark = pytest.mark.browser

PREVIEW = Path(__file__).resolve().parents[2] / "scripts" / "preview.py"
PAGES = (
    "/", "/hosts/NTBK01?by=program", "/signatures", "/signatures/v3-pro", "/hosts/add", "/login", "/docs",
    "/?sample=empty", "/hosts/x?sample=empty", "/?sample=broken", "/hosts/x?sample=broken",
    "/signatures/x?sample=broken", "/import", "/import?sample=empty", "/import?sample=broken", "/import-partial",
    "/import-stored", "/compare", "/compare?sample=empty", "/compare?sample=broken",
)  # fmt: skip
REFRESH = "document.getElementById('live').dispatchEvent(new CustomEvent('hw:refresh'))"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    spec = util.spec_from_file_location("handlewatch_preview", PREVIEW)
    assert spec is not None
    assert spec.loader is not None
    preview = util.module_from_spec(spec)
    spec.loader.exec_module(preview)
    server = preview.ThreadingHTTPServer(("127.0.0.1", 0), preview.Preview)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that must not have complained when the test ends; Seoul, so that local time differs from UTC."""
    complaints: list[str] = []
    context = browser.new_context(base_url=address, viewport={"width": 1440, "height": 900}, timezone_id="Asia/Seoul")
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def chart(page: Page, path: str = "/hosts/NTBK01?by=program") -> tuple[float, float]:
    """Opens a host page, waits for its curve, and says where that begins."""
    page.goto(path)
    box = page.locator(".u-over").bounding_box()
    assert box is not None
    return box["x"], box["y"]


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_its_window(page: Page, path: str) -> None:
    page.goto(path)
    for width in (1440, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dragging_zooms_and_going_back_undoes_it(page: Page) -> None:
    x, y = chart(page)
    page.mouse.move(x + 300, y + 100)
    page.mouse.down()
    page.mouse.move(x + 500, y + 100, steps=4)
    page.mouse.up()
    page.wait_for_url("**from=*to=*")
    page.locator(".chart-range", has_text="Custom range").wait_for()
    page.go_back()
    page.locator(".ranges a[aria-current]", has_text="24 h").wait_for()
    assert "from=" not in page.url


def test_a_chart_without_readings_says_so(page: Page) -> None:
    page.goto("/hosts/x?sample=empty")
    page.locator(".chart-state", has_text="No readings in this range").wait_for()


def test_a_click_chooses_the_moment_of_the_processes(page: Page) -> None:
    x, y = chart(page)
    page.mouse.click(x + 200, y + 100)
    page.wait_for_url("**at=*")
    page.locator("[data-at-reset]").wait_for()


def test_the_chart_answers_to_the_keyboard(page: Page) -> None:
    chart(page)
    page.locator("[data-chart]").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert "ntbackup.exe" in page.locator("[data-chart-say]").inner_text()
    page.keyboard.press("+")
    page.wait_for_url("**from=*to=*")
    page.keyboard.press("Escape")
    page.wait_for_url("**range=24h")


def test_a_custom_range_that_ends_before_it_begins_is_not_sent(page: Page) -> None:
    chart(page)
    page.locator(".custom-range summary").click()
    page.locator("input[name=from]").fill("2026-11-15T00:00")
    page.locator("input[name=to]").fill("2026-11-14T00:00")
    page.locator(".range-form button").click()
    assert "from=" not in page.url
    assert page.locator("input[name=to]:invalid").count() == 1
    page.locator("input[name=to]").fill("2026-11-16T00:00")
    page.locator(".range-form button").click()
    page.wait_for_url("**from=*to=*")


def test_a_refresh_brings_the_strips_too(page: Page) -> None:
    page.goto("/")
    was = page.locator("#strips").inner_text()
    page.evaluate("document.querySelector('#strips').textContent = 'of before'")
    page.evaluate(REFRESH)
    page.locator("#strips", has_text=was.strip().splitlines()[0]).wait_for()
    assert page.locator("#strips").inner_text() == was
    assert page.locator("#live").count() == 1


def test_a_refresh_disturbs_nobody(page: Page) -> None:
    chart(page)
    canvas = page.locator(".chart canvas").element_handle()
    page.locator(".more-objects summary").click()
    page.locator(".legend .swatch-button").first.click()
    search = page.locator("#processes input[name=search]")
    search.fill("half a wo")
    with page.expect_response("**/hosts/NTBK01?by=program"):
        page.evaluate(REFRESH)
    page.locator(".htmx-request").wait_for(state="detached")
    assert search.input_value() == "half a wo"
    assert page.evaluate("document.activeElement.name") == "search"
    assert page.locator(".more-objects").get_attribute("open") is not None
    assert page.locator(".legend tr.off").count() == 1
    assert page.evaluate("canvas => canvas.isConnected", canvas)
    assert page.locator("[data-chart-tools]").is_visible()


def test_a_server_that_does_not_answer_is_said_and_the_page_stays(browser: Browser, address: str) -> None:
    context = browser.new_context(base_url=address)
    page = context.new_page()
    page.goto("/")
    page.route("**/", lambda route: route.fulfill(status=503, body="<p id='live'>gone</p>"), times=1)
    page.evaluate(REFRESH)
    page.locator("#live-state", has_text="the server answered 503").wait_for(timeout=5_000)
    assert page.locator("tr[data-host]").count() == len(samples.fleet_rows())
    page.evaluate(REFRESH)
    page.locator("#live-state:empty").wait_for(state="attached", timeout=5_000)
    context.close()


def test_the_theme_is_kept_without_a_flash(page: Page) -> None:
    page.goto("/")
    page.locator("#theme").click()
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.goto("/signatures")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 20)"


def test_the_slash_key_goes_to_the_search(page: Page) -> None:
    page.goto("/signatures")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"


def test_pages_are_complete_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/hosts/NTBK01?by=program")
    assert page.locator("[data-legend] tr[data-key]").count() == 8
    assert page.locator("table.processes tbody tr").count() == 10
    assert page.locator("[data-chart]").is_hidden()
    page.goto("/?sort=name")
    page.locator("th.num a.sort").click()
    assert "sort=-handles" in page.url
    context.close()
