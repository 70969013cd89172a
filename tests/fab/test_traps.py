"""Each trap of stock Flask-AppBuilder, closed."""

from __future__ import annotations

import re

import pytest
from flask_appbuilder.exceptions import DatabaseException

from app.fab.crud import CrudView
from app.fab.interface import PGInterface
from tests.fab.toy import ToyDevice

LIST = "/toydeviceview/list/"
SCOPED = "/toyscopedview"  # sees only rows in_use; row 2 is "due", row 1 is in_use
GOOD = {"name": "压力表", "number": "N-1", "unit": "1", "price": "5"}


@pytest.mark.must_never(78)
def test_an_action_cannot_reach_a_row_outside_the_views_filters(client, device):
    answer = client.post(f"{SCOPED}/action/seal/2", data={"reason": "x"})
    assert answer.status_code == 404
    assert device(2).status == "due"
    assert (
        client.post(f"{SCOPED}/action_post", data={"action": "seal", "rowid": ["1", "2"], "reason": "x"}).status_code
        == 404
    )
    assert device(1).status == "in_use"


def test_an_action_on_an_own_row_works(client, device):
    assert client.post(f"{SCOPED}/action/seal/1", data={"reason": "停产"}).status_code == 303
    assert device(1).status == "sealed"


def test_bulk_action_acts_on_ticked_rows_and_skips_what_cannot(client, device):
    client.post("/toydeviceview/action_post", data={"action": "seal", "rowid": ["1", "2", "4"], "reason": "停产"})
    assert [device(n).status for n in (1, 2, 4)] == ["sealed"] * 3
    page = client.get(LIST).get_data(as_text=True)
    assert "1 条记录的状态不允许“封存”，已跳过。" in page
    assert "已封存 2 台。" in page


def test_bulk_action_on_all_filtered_rows_keeps_to_the_filter(client, device):
    data = {"action": "seal", "all": "1", "query": "_flt_0_status=due", "reason": "停产"}
    client.post("/toydeviceview/action_post", data=data)
    assert device(2).status == "sealed"
    assert device(1).status == "in_use"


def test_an_action_that_needs_a_reason_refuses_without(client, device):
    client.post("/toydeviceview/action/seal/1", data={"reason": "  "})
    assert device(1).status == "in_use"


@pytest.mark.parametrize(
    "path", ["/toydeviceview/action/seal/1", "/toydeviceview/delete/1", "/toydeviceview/action_post"]
)
@pytest.mark.must_never(70)
def test_get_never_changes_anything(client, device, path):
    assert client.get(path).status_code == 405
    assert device(1).status == "in_use"


def test_unknown_action_is_404(client):
    assert client.post("/toydeviceview/action/nonsense/1").status_code == 404
    assert client.post("/toydeviceview/action_post", data={"action": "nonsense", "rowid": "1"}).status_code == 404


@pytest.mark.parametrize("pk", ["abc", "99999999999999999999", "-1", "1%00", "١", "7777"])
def test_a_key_that_cannot_be_one_is_404(client, pk):
    assert client.get(f"/toydeviceview/show/{pk}").status_code == 404


def test_foreign_row_is_404_for_show_edit_delete(client, device):
    assert client.get(f"{SCOPED}/show/2").status_code == 404
    assert client.get(f"{SCOPED}/edit/2").status_code == 404
    assert client.post(f"{SCOPED}/delete/2").status_code == 404
    assert device(2) is not None


@pytest.mark.parametrize(
    "query",
    [
        "_oc_ToyDeviceView=nonsense&_od_ToyDeviceView=asc",
        "_oc_ToyDeviceView=price&_od_ToyDeviceView=asc",
        "page_ToyDeviceView=abc&psize_ToyDeviceView=x",
        "page_ToyDeviceView=999999",
        "page_ToyDeviceView=-9",
        "_flt_9_name=x",
        "_flt_0_nonsense=x",
        "_flt_0_version=1",
        "_flt_0_valid_until=yesterday",
        "_flt_0_price=abc",
        "_flt_0_unit=abc",
        "_flt_0_name=%00",
        "_flt_0_number=%25_",
    ],
)
def test_odd_addresses_answer_a_page(client, query):
    assert client.get(f"{LIST}?{query}").status_code == 200


def test_order_column_outside_the_allow_list_is_ignored(client, statements):
    client.get(f"{LIST}?_oc_ToyDeviceView=price&_od_ToyDeviceView=asc")
    assert not any("ORDER BY toy_device.price" in s for s in statements)
    client.get(f"{LIST}?_oc_ToyDeviceView=number&_od_ToyDeviceView=asc")
    assert any("ORDER BY toy_device.number ASC, toy_device.id ASC" in s for s in statements)


def test_unknown_relation_key_finds_nothing_instead_of_rows_without_one(client):
    assert "没有符合条件的记录" in client.get(f"{LIST}?_flt_0_unit=7777").get_data(as_text=True)


def test_unreadable_date_is_told_and_not_applied(client):
    page = client.get(f"{LIST}?_flt_0_valid_until=yesterday").get_data(as_text=True)
    assert "筛选日期“yesterday”无法识别" in page
    assert "60 台" in page


def test_page_size_is_capped(client, monkeypatch):
    assert PGInterface(ToyDevice).MAX_PAGE_SIZE == 200
    monkeypatch.setattr(PGInterface, "MAX_PAGE_SIZE", 10)
    page = client.get(f"{LIST}?psize_ToyDeviceView=100000").get_data(as_text=True)
    assert page.count('name="rowid"') == 10


def test_list_needs_the_same_statements_for_more_rows(client, statements):
    client.get(f"{LIST}?psize_ToyDeviceView=5")
    few = len(statements)
    statements.clear()
    client.get(f"{LIST}?psize_ToyDeviceView=50")
    assert len(statements) == few
    assert sum("ab_permission_view" in s for s in statements) == 1


def test_no_download_route_and_no_stock_account_views(app):
    rules = {str(r) for r in app.url_map.iter_rules()}
    assert "/login/" in rules
    assert "/toydeviceview/list/" in rules
    assert not [
        r
        for r in rules
        if re.search(r"/download/|resetpassword|registeruser|userinfoedit|/users/|/roles/|/api/v1/security", r)
    ]


def test_view_must_name_its_columns():
    with pytest.raises(TypeError, match="search_columns"):
        type("Lazy", (CrudView,), {"datamodel": PGInterface(ToyDevice), "noun": "器具", "list_columns": ["name"]})


def test_empty_columns_mean_none(app):
    body = {"datamodel": PGInterface(ToyDevice), "noun": "器具", "list_columns": ["name"], "show_columns": ["name"]}
    body |= {"search_columns": [], "add_columns": [], "edit_columns": []}
    with app.test_request_context():
        view = type("Narrow", (CrudView,), body)()
    assert view.search_columns == []
    assert view.edit_columns == []
    assert {"add", "edit", "download"} <= view.exclude_route_methods


# -- forms ------------------------------------------------------------------------------------------------------


def test_saved_row_appears(client):
    answer = client.post("/toydeviceview/add", data=GOOD)
    assert answer.status_code == 303
    assert "压力表 N-1" in client.get(answer.location).get_data(as_text=True)


def test_broken_constraint_keeps_what_was_typed_and_says_the_sentence(client):
    answer = client.post("/toydeviceview/add", data=GOOD | {"number": "2026000001", "spec": "手工输入"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "出厂编号已登记，请核对铭牌或查找原有记录。" in page
    assert 'value="手工输入"' in page
    assert "selected>杭州华源食品股份有限公司" in page
    assert "INSERT" not in page
    assert "uq_toy" not in page


def test_check_constraint_on_edit_keeps_what_was_typed(client, device):
    answer = client.post("/toydeviceview/edit/1", data=GOOD | {"price": "-3", "name": "新名"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "原值不能是负数。" in page
    assert 'value="新名"' in page
    assert device(1).name == "一般压力表"


def test_refusal_of_a_rule_lands_on_its_field(client):
    answer = client.post("/toydeviceview/add", data=GOOD | {"name": "拒绝"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'id="wrong-name"' in page
    assert 'value="N-1"' in page


def test_unforeseen_error_keeps_the_form_and_tells_nothing(client):
    answer = client.post("/toydeviceview/add", data=GOOD | {"name": "崩溃"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "保存时出现意外" in page
    assert "secret detail" not in page
    assert 'value="N-1"' in page


def test_unknown_foreign_key_is_refused(client):
    page = client.post("/toydeviceview/add", data=GOOD | {"unit": "7777"}).get_data(as_text=True)
    assert "选择的内容不存在或不在您的管辖范围内" in page


def test_stale_page_does_not_overwrite(client, device):
    answer = client.post("/toydeviceview/edit/1", data=GOOD | {"seen_version": "0", "name": "旧页面"})
    assert answer.status_code == 422
    assert device(1).name == "一般压力表"


def test_delete_says_why_not(client, device):
    client.post("/toydeviceview/delete/1")
    assert device(1) is not None
    assert "在用器具不能删除" in client.get("/toydeviceview/show/1").get_data(as_text=True)
    client.post("/toydeviceview/delete/2")
    assert device(2) is None


def test_deleting_a_referenced_row_is_explained(client):
    page = client.post("/toyunitview/delete/1", follow_redirects=True).get_data(as_text=True)
    assert "数据重复或被引用" in page
    assert "violates" not in page


# -- output -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        LIST + "?psize_ToyDeviceView=100",
        "/toydeviceview/show/5",
        "/toydeviceview/show/3",
        "/toydeviceview/edit/5",
        LIST + "?_flt_0_name=%3Cimg%20src%3Dx",
    ],
)
def test_stored_markup_is_escaped_everywhere(client, path):
    page = client.get(path).get_data(as_text=True)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<b>资料" not in page
    assert "&lt;" in page


def test_options_find_by_text_and_page(client):
    data = client.get("/toyunitview/options?term=人民医院").get_json()
    assert data == {"results": [{"id": 2, "text": "上城区人民医院"}], "pagination": {"more": False}}
    assert client.get("/toydeviceview/options").get_json()["pagination"]["more"] is True
    assert client.get("/toydeviceview/options?page=x&term=%00").status_code == 200


def test_two_filters_of_two_requests_do_not_mix(app, client):
    client.get(f"{LIST}?_flt_0_status=due")
    assert "60 台" in client.get(LIST).get_data(as_text=True)


def test_grey_button_tells_its_reason(client):
    page = client.get(LIST).get_data(as_text=True)
    assert 'aria-disabled="true"' in page
    assert "草稿不能预约，请先提交备案。" in page


def test_menu_shows_only_what_the_role_may_open(client):
    page = client.get(LIST).get_data(as_text=True)
    assert "器具台账" in page
    assert "不可见" not in page


def test_database_errors_are_safe_for_programs(app):
    with app.test_request_context():
        data = PGInterface(ToyDevice)
        with pytest.raises(DatabaseException, match="出厂编号已登记") as caught:
            data.add(ToyDevice(name="x", number="2026000001", status="due", unit_id=1))
        assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.must_never(70)
def test_forms_carry_a_token_that_is_checked(app, client):
    app.config["WTF_CSRF_ENABLED"] = True
    try:
        answer = client.post("/toydeviceview/action/seal/1", data={"reason": "x"})
        assert answer.status_code == 400
        assert "页面停留过久" in answer.get_data(as_text=True)
        assert "csrf_token" in client.get("/toydeviceview/show/1").get_data(as_text=True)
    finally:
        app.config["WTF_CSRF_ENABLED"] = False
