"""What the pages do on a window as narrow as a phone: show that a table goes on, and leave code its width."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, Page

from .test_pages_in_browser import address, browser

__all__ = ["address", "browser"]  # fixtures

pytestmark = pytest.mark.browser


@pytest.fixture(params=["light", "dark"])
def phone(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(
        base_url=address, viewport={"width": 390, "height": 800}, color_scheme=request.param, reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


def place(one: Locator) -> FloatRect:
    found = one.bounding_box()
    assert found is not None
    return found


def edges(page: Page, box: Locator) -> tuple[bytes, bytes]:
    """The two edges of a box as pictures, where its heading has no text."""
    at = place(box)
    left, right = (
        page.screenshot(clip={"x": x, "y": at["y"] + 4, "width": 2, "height": 2})
        for x in (at["x"] + 3, at["x"] + at["width"] - 5)
    )
    return left, right


def test_a_table_casts_a_shadow_where_there_is_more_of_it(phone: Page) -> None:
    phone.goto("/hosts/NTBK01")
    box = phone.locator("#processes .scroll")
    box.scroll_into_view_if_needed()
    plain, shadow = edges(phone, box)
    assert plain != shadow
    box.evaluate("one => one.scrollLeft = 100")
    assert plain not in edges(phone, box)
    box.evaluate("one => one.scrollLeft = one.scrollWidth")
    left, right = edges(phone, box)
    assert (left != plain, right) == (True, plain)


def test_the_copy_button_takes_no_width_from_the_code(phone: Page) -> None:
    phone.goto("/hosts/add")
    phone.locator("details").evaluate_all("all => all.forEach(one => (one.open = true))")
    for block in phone.locator(".snippet").all():
        outer, code, button, text = (
            place(one) for one in (block, block.locator("pre"), block.locator("button"), block.locator("code"))
        )
        assert code["width"] >= outer["width"] - 2
        assert text["y"] + text["height"] <= button["y"]
        assert button["y"] + button["height"] < outer["y"] + outer["height"]
