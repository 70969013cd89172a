"""What each filter finds and whether its statement is one an index can answer."""

from __future__ import annotations

import pytest
from sqlalchemy import text

LIST = "/toydeviceview/list/?psize_ToyDeviceView=100&"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("_flt_0_name=压力", 10),
        ("_flt_0_name=表", 10),
        ("_flt_0_name=%25", 0),
        ("_flt_0_name=_", 0),
        ("_flt_0_number=60000", 0),
        ("_flt_0_number=07", 1),
        ("_flt_0_number=20260000", 60),
        ("_flt_0_status=due&_flt_0_status=overdue", 24),
        ("_flt_0_status=' or 1=1 --", 0),
        ("_flt_0_valid_until=2026-01-04&_flt_1_valid_until=2026-01-07", 2),
        ("_flt_2_valid_until=2026-01-04", 1),
        ("_flt_0_unit=1", 15),
        ("_flt_1_price=1050", 10),
        ("_flt_0_mandatory=0", 0),
    ],
)
def test_filter_finds(client, query, found):
    page = client.get(LIST + query).get_data(as_text=True)
    assert page.count('name="rowid"') == found


def test_substring_search_is_answered_by_the_gram_index(app, client, statements):
    client.get(LIST + "_flt_0_name=压力表")
    assert any("bigrams(toy_device.name) @> " in s for s in statements)
    with app.app_context():
        session = app.toy_db.session
        session.execute(
            text("create index if not exists ix_toy_device_name_bg on toy_device using gin (bigrams(name))")
        )
        session.execute(text("set local enable_seqscan = off"))
        plan = "\n".join(
            session.scalars(
                text(
                    "explain select id from toy_device where bigrams(name) @> array['压力', '力表'] and name like '%压力表%'"
                )
            )
        )
        session.rollback()
    assert "ix_toy_device_name_bg" in plan


def test_chips_take_one_filter_away(client):
    page = client.get("/toydeviceview/list/?_flt_0_status=due&_flt_0_unit=1").get_data(as_text=True)
    assert "状态：即将到期" in page
    assert "使用单位：杭州华源食品股份有限公司" in page
    assert 'href="/toydeviceview/list/?_flt_0_unit=1"' in page
