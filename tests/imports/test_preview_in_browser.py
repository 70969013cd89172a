"""The preview in a real browser: a cure leads on to the confirmation, the page keeps its width, a cell is open all over."""

from __future__ import annotations

import pytest

from tests.imports.support import book, checked
from tests.ledger.support import fresh_unit
from tests.path.live import Person, browser, served
from tests.world import PASSWORD


@pytest.fixture(scope="module")
def preview(app, world):
    """The page of an import in which every row is refused for the same purpose."""
    with app.app_context():
        unit = fresh_unit(world, "imb")
        pk = checked(world, unit, book([{"器具用途": "科研"} for _ in range(3)]))
    with served(app) as url, browser() as chromium:
        yield (
            Person(chromium, url, unit, {"width": 1366, "height": 768})
            .login(world.names[unit], PASSWORD)
            .go(f"/jobs/{pk}")
            .page
        )


def test_the_page_is_not_wider_than_the_screen_and_says_why(preview):
    assert preview.evaluate("document.documentElement.scrollWidth") == 1366
    first = preview.locator("tr[data-row]").first
    assert "请更正：器具用途" in first.locator(".row-outcome").inner_text()
    preview.evaluate("document.querySelector('.import-rows').parentElement.scrollLeft = 5000")
    assert first.locator(".row-outcome").is_visible()
    assert first.locator(".row-outcome").bounding_box()["x"] < 400, (
        "the result stays in sight beside the cells far right"
    )


def test_a_correction_brings_the_confirmation(preview):
    assert preview.locator("[data-confirm-import]").count() == 0
    preview.locator("td[data-cell=purpose] .wrong").first.click()  # the message belongs to the cell
    box = preview.locator(".cell-input")
    box.fill("贸易结算")
    with preview.expect_navigation():  # the first good row: the sentence above and the button are new
        box.press("Enter")
    assert "确认导入 1 台" in preview.locator("[data-confirm-import]").inner_text()
    assert "没有可以新增的器具" not in preview.locator("main").inner_text()
    preview.locator("details.same summary").first.click()
    preview.locator("details.same input[name=value]").first.fill("贸易结算")
    preview.locator("details.same button").first.click()
    preview.locator("[data-confirm-import]", has_text="3").wait_for()
    assert preview.locator(".tabs a", has_text="新增").locator(".n").inner_text() == "3"
