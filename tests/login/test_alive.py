"""Nothing typed is lost when the log-in ends in the middle of a form (the browser asks before it sends)."""

from __future__ import annotations

import pytest

from tests.client import login, text, visitor
from tests.path.live import Person, browser, served
from tests.world import PASSWORD, instrument


def test_who_is_logged_in_is_told_with_a_token_that_counts(app, world):
    assert visitor(app).get("/login/alive").get_json() == {"account": None}
    client = login(app, world, "ua1")
    told = client.get("/login/alive").get_json()
    assert f'data-account="{told["account"]}"' in text(client.get("/home/"))
    sent = client.post("/lists/columns", data={"list": "InstrumentView", "reset": "1", "csrf_token": told["csrf"]})
    assert sent.status_code in (302, 303)


@pytest.mark.browser
def test_what_was_typed_outlives_the_session_and_two_tabs(app, world):
    with app.app_context():
        row = instrument(world, "ua1").id
    with served(app) as url, browser() as chromium:
        person = Person(chromium, url, "ua1").login(world.names["ua1"], PASSWORD)
        page, other = person.page, person.context.new_page()
        for tab in (page, other):
            tab.goto(f"/instruments/edit/{row}")
        cookies = person.context.cookies()
        person.context.clear_cookies()
        page.fill("[name=place]", "会话结束时写的地点")
        save = "main form button.btn-primary:visible"
        page.locator(save).last.click()
        page.locator("dialog#ended[open]").wait_for()
        assert "没有丢失" in page.locator("#ended-text").inner_text()
        page.keyboard.press("Escape")
        person.context.add_cookies(cookies)  # as after logging in again in another tab
        with page.expect_navigation():
            page.locator(save).last.click()
        person.sees("已保存。").sees("会话结束时写的地点")
        other.fill("[name=place]", "另一个窗口写的地点")
        with other.expect_navigation():
            other.locator(save).last.click()
        said = other.locator("[data-focus]").inner_text()
        assert "已在别处被修改" in said
        assert "现在是“会话结束时写的地点”" in said
        with other.expect_navigation():
            other.locator(save).last.click()
        assert "另一个窗口写的地点" in other.locator("main").inner_text()
        assert person.complaints == []
        person.context.close()
