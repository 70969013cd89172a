"""The ledger's list under each profile: the way to it, conditions, columns, tabs, colours, page sizes."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from app import clock
from app.access.principal import as_system
from models import Instrument
from models.base import db
from tests.client import post, text
from tests.ledger.support import fresh_unit
from tests.world import booked, instrument

pytestmark = pytest.mark.usefixtures("session")
LIST = "/instruments/list/"
TYPED = {"name", "model", "own_no", "delivery_mode"}
MADE: list[str] = []
PAST: list[int] = []
BODY = re.compile(r"<tbody>(.*?)</tbody>", re.DOTALL)


@pytest.fixture
def profile(app, monkeypatch):
    """profile("guangdong") switches the deployment for this test."""
    return lambda name: monkeypatch.setitem(app.config, "PROFILE", name)


def serials(page):
    """The factory numbers of the rows shown."""
    body = BODY.search(page)
    return set(re.findall(r"PX-\w+", body.group(1))) if body else set()


def heads(page):
    return [
        re.sub(r"<[^>]*>|[⇅▲▼]", "", h).strip()
        for h in re.findall(r"<th scope=\"col\" data-col.*?</th>", page, re.DOTALL)
    ]


def tabs(page):
    found = re.search(r'<nav class="tabs".*?</nav>', page, re.DOTALL)
    return re.findall(r">([^<>]+?)(?:<span|</a>)", found.group()) if found else []


def bulk(page):
    return set(re.findall(r'name="action" value="(\w+)"', page))


@pytest.fixture(scope="module", autouse=True)
def swept(app):
    """Rows put into states past the machines are no part of a sound database, which other modules ask for."""
    yield
    with app.app_context(), as_system("test"):
        db.session.execute(delete(Instrument).where(Instrument.id.in_(PAST)))
        db.session.commit()
        db.session.remove()


def make(world, unit, serial, **columns):
    """An instrument in use whose dates stand as given."""
    made = instrument(world, unit, serial_no=serial, **{k: v for k, v in columns.items() if k in TYPED})
    PAST.append(made.id)
    with as_system("test"):
        values = {"state": "in_use", **{k: v for k, v in columns.items() if k not in TYPED}}
        db.session.execute(update(Instrument).where(Instrument.id == made.id).values(**values))
        db.session.commit()
    return made


@pytest.mark.feature("LED-01")
@pytest.mark.parametrize(
    ("name", "group", "entry"),
    [
        ("national", "在线办理", "强检器具台账维护"),
        ("bayannur", "在线办理", "强检器具台账维护"),
        ("hohhot", "器具管理", "器具上传管理"),
        ("zhejiang", "计量器具管理", "在用计量器具库"),
        ("guangdong", "仪器管理", "全部仪器"),
    ],
)
def test_each_profile_leads_to_its_ledger_under_its_own_name(world, browser, profile, name, group, entry):
    client = browser("ua1")
    profile(name)
    menu = text(client.get(LIST)).split("<nav>")[1].split("</nav>")[0]
    after = menu.split(f">{group}</div>")[1]
    link = re.search(r'<a href="([^"]+)" title="' + entry, after)
    assert link, f"{entry} is not under {group}"
    page = client.get(link.group(1))
    assert page.status_code == 200
    assert f"<h1>{entry}" in text(page)


COLUMNS = {
    "zhejiang": ["计量器具名称", "是否检定", "检定结果", "出厂编号", "规格型号", "测量范围", "预约状态"],
    "hohhot": ["器具名称", "编号", "检定机构", "检定结论", "有效期"],
    "guangdong": ["仪器名称", "型号规格", "出厂编号", "自编号", "种别代码"],
    "national": [
        "器具名称",
        "计量器具编码",
        "器具项别",
        "器具种别",
        "型号规格",
        "测量范围",
        "准确度等级",
        "出厂编号",
        "生产厂家",
    ],
    "bayannur": ["器具名称", "计量器具编码", "一级目录", "二级目录"],
}


@pytest.fixture
def shelf(world, session):
    """A unit with one instrument of every condition that a manual asks for, made once."""
    if MADE:
        return MADE[0]
    unit = fresh_unit(world, "up1")
    today = clock.today()
    make(
        world,
        unit,
        "PX-A",
        name="电子汽车衡",
        model="SCS-80",
        own_no="OWN7",
        last_result="pass",
        valid_until=today + timedelta(300),
    )
    make(world, unit, "PX-B", delivery_mode="deliver", last_result="fail", institute_id=world.institutes["A1"])
    make(world, unit, "PX-C", state="suspended", model="ACS-6", valid_until=today + timedelta(20))
    order = booked(world, unit, serial_no="PX-D")
    assert order.items
    MADE.append(unit)
    return unit


CONDITIONS = {
    "name": ("_flt_0_search_text=汽车衡", {"PX-A"}),
    "serial_no": ("_flt_0_serial_no=PX-B", {"PX-B"}),
    "state": ("_flt_0_state=suspended", {"PX-C"}),
    "last_result": ("_flt_x_last_result=fail", {"PX-B"}),
    "booked": ("_flt_x_booked=1", {"PX-D"}),
    "level1": ("_flt_x_level1=非自动衡器", {"PX-A", "PX-B", "PX-C", "PX-D"}),
    "valid_until": ("_flt_0_valid_until={soon}&_flt_1_valid_until={late}", {"PX-C"}),
    "institute": ("_flt_x_institute=A1计量", {"PX-B"}),
    "model": ("_flt_1_model=SCS", {"PX-A"}),
    "own_no": ("_flt_1_own_no=OWN7", {"PX-A"}),
    "delivery_mode": ("_flt_0_delivery_mode=deliver", {"PX-B"}),
    "category_code": ("_flt_x_category_code=9999", set()),
    "category": ("", {"PX-A", "PX-B", "PX-C", "PX-D"}),
}


@pytest.mark.feature("LED-02")
@pytest.mark.parametrize("name", ["national", "bayannur", "hohhot", "zhejiang", "guangdong"])
def test_conditions_and_columns_of_each_manual(world, browser, profile, shelf, name):
    from app.profiles import load

    client = browser(shelf)
    profile(name)
    page = text(client.get(LIST))
    assert heads(page)[: len(COLUMNS[name])] == COLUMNS[name]
    every = {"PX-A", "PX-B", "PX-C", "PX-D"}
    assert serials(page) == every
    today = clock.today()
    ends = {"soon": today, "late": today + timedelta(30)}
    asked = load(name)["ledger"]["search"]
    for key in asked:
        query, wanted = CONDITIONS[key]
        argument = query.split("=")[0]
        if argument:
            assert f'name="{argument}"' in page, f"{key} is not offered"
        found = text(client.get(f"{LIST}?{query.format(**ends)}"))
        assert serials(found) == wanted, key
        assert "重置" in found
    pairs = [(a, b) for n, a in enumerate(asked) for b in asked[n + 1 :]]
    for one, other in pairs:
        (first, left), (second, right) = CONDITIONS[one], CONDITIONS[other]
        found = text(client.get(f"{LIST}?{first.format(**ends)}&{second.format(**ends)}"))
        assert serials(found) == left & right, (one, other)
    reset = re.search(r'href="([^"]*)">重置', text(client.get(f"{LIST}?_flt_0_serial_no=PX-B&_flt_x_booked=0"))).group(
        1
    )
    assert serials(text(client.get(reset.replace("&amp;", "&")))) == every


@pytest.mark.feature("LED-23")
@pytest.mark.parametrize(
    ("name", "days", "css", "word"),
    [
        ("national", 31, "", "有效"),
        ("national", 30, "row-warn", "即将到期"),
        ("national", 0, "row-warn", "即将到期"),
        ("national", -1, "row-danger", "已超期"),
        ("zhejiang", 40, "row-ok", "提示"),
        ("zhejiang", 20, "row-warn", "预警"),
        ("zhejiang", -1, "row-danger", "警示"),
    ],
)
def test_a_colour_never_stands_without_its_word(world, browser, profile, name, days, css, word):
    unit = fresh_unit(world, f"uc{name[:2]}{days}".replace("-", "m"))
    make(world, unit, "PX-1", last_result="pass", valid_until=clock.today() + timedelta(days))
    client = browser(unit)
    profile(name)
    body = BODY.search(text(client.get(LIST))).group(1)
    row = re.search(r"<tr[^>]*>", body).group()
    assert (css in row) if css else "class=" not in row
    assert f">{word}</span>" in body


def lists_of(client):
    """Tab → (serial numbers, bulk acts) under Guangdong."""
    found = {}
    for tab in ("", "band=due", "band=overdue", "band=invalid", "band=failed", "state=scrapped"):
        page = text(client.get(f"{LIST}?{tab}&psize_InstrumentView=100", follow_redirects=True))
        found[tab] = (serials(page), bulk(page), page)
    return found


@pytest.mark.feature("LED-24")
def test_guangdong_lists_by_both_clocks_with_their_operations(world, browser, profile):
    unit, today = fresh_unit(world, "ugd"), clock.today()
    for days in (10, 11, 30, 31):
        make(world, unit, f"PX-F{days}", filed_on=today - timedelta(days))
    for days in (-30, -31, 0, 1, 30, 31):
        make(world, unit, f"PX-E{days}".replace("E-", "Em"), last_result="pass", valid_until=today - timedelta(days))
    make(world, unit, "PX-fail", last_result="fail", valid_until=today + timedelta(100))
    make(world, unit, "PX-gone", state="scrapped")
    client = browser(unit)
    profile("guangdong")
    assert tabs(text(client.get(LIST))) == ["全部", "须检仪器", "超期未检", "无效仪器", "不合格", "已报废"]
    found = lists_of(client)
    assert found["band=due"][0] == {"PX-F10", "PX-Em30", "PX-E0"}
    assert found["band=overdue"][0] == {"PX-F11", "PX-F30", "PX-E1", "PX-E30"}
    assert found["band=invalid"][0] == {"PX-F31", "PX-E31"}
    assert found["band=failed"][0] == {"PX-fail"}
    assert found["state=scrapped"][0] == {"PX-gone"}
    assert "PX-gone" not in found[""][0]
    assert found["band=due"][1] == {"book", "basket"}
    assert found["band=overdue"][1] == {"book", "basket", "suspend"}
    assert found["band=invalid"][1] == {"suspend"}
    assert found["band=failed"][1] == {"book", "basket", "suspend"}
    assert found["state=scrapped"][1] == set()
    assert {"suspend", "scrap", "delete"} <= found[""][1]
    for tab in ("band=due", "band=overdue", "band=invalid", "band=failed", "state=scrapped"):
        page = found[tab][2]
        assert "/instruments/copy/" not in page
        assert "/instruments/edit/" not in page
        assert "/imports/new" not in page.split("page-head")[1].split("</section>")[0]
    assert "/instruments/copy/" in found[""][2]


@pytest.mark.feature("LED-21")
def test_page_sizes_and_the_footer_of_each_profile(world, browser, profile):
    unit = fresh_unit(world, "ups")
    for n in range(31):
        instrument(world, unit, serial_no=f"PX-{n:02d}")
    client = browser(unit)
    profile("guangdong")
    page = text(client.get(LIST))
    assert len(serials(page)) == 15
    assert "第 1 共 3 页 显示 1 到 15, 共 31 记录" in page
    assert "15条/页" in page
    last = text(client.get(f"{LIST}?goto_InstrumentView=3"))
    assert "第 3 共 3 页 显示 31 到 31, 共 31 记录" in last
    assert len(serials(last)) == 1
    profile("zhejiang")
    assert "第 1 共 4 页 显示 1 到 10, 共 31 记录" in text(client.get(LIST))
    answer = post(
        client, "/lists/size", {"list": "InstrumentView", "size": "20", "back": f"{LIST}?page_InstrumentView=2"}
    )
    assert answer.status_code == 303
    assert answer.location == LIST
    assert "第 1 共 2 页 显示 1 到 20, 共 31 记录" in text(client.get(LIST))
    assert "共 4 页" not in text(client.get(LIST))
    refused = text(post(client, "/lists/size", {"list": "InstrumentView", "size": "7000"}, follow_redirects=True))
    assert "每页条数不在可选范围内" in refused


@pytest.mark.feature("LED-22")
def test_select_all_is_of_the_page_and_the_query_has_its_own_button(world, browser, profile):
    unit = fresh_unit(world, "usa")
    for n in range(12):
        instrument(world, unit, serial_no=f"PX-{n:02d}")
    page = text(browser(unit).get(LIST))
    assert page.count('name="rowid"') == 10
    assert 'data-tick-all="InstrumentView"' in page
    assert '已选择 <b class="num" data-n>0</b> 项' in page
    assert "器具数量为 12 台" in page
    assert "选择全部 12 台" in page


def test_sorting_by_the_due_date_both_ways(world, browser):
    unit, today = fresh_unit(world, "uso"), clock.today()
    for n, days in enumerate((5, -5, 50)):
        make(world, unit, f"PX-{n}", valid_until=today + timedelta(days))
    client = browser(unit)

    def order(direction):
        page = text(client.get(f"{LIST}?_oc_InstrumentView=valid_until&_od_InstrumentView={direction}"))
        return re.findall(r"PX-\d", "".join(re.findall(r'data-col="serial_no"[^>]*>([^<]*)', page)))

    assert order("asc") == ["PX-1", "PX-0", "PX-2"]
    assert order("desc") == ["PX-2", "PX-0", "PX-1"]


def test_one_box_for_numbers_and_words(world, browser):
    unit = fresh_unit(world, "uq1")
    instrument(world, unit, serial_no="PX-A0B1", name="电子汽车衡")
    instrument(world, unit, serial_no="PX-C22", name="压力表")
    client = browser(unit)
    for term in ("px a0b1", "PXAOBI", "Ａ０Ｂ１", "汽车衡", "衡"):
        assert serials(text(client.get(LIST, query_string={"_flt_x_q": term}))) == {"PX-A0B1"}, term
