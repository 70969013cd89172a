"""The portal: home, search, certificate check, texts; what a visitor sees and never sees."""

from datetime import timedelta

import pytest

from app import clock
from app.access.principal import as_system
from models import Certificate, Unit
from models.base import db
from tests.client import login, text, visitor
from tests.world import booked, instrument, issued

HARM = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' OR 1=1--",
    "{{7*7}}",
    "%_\\",
    "\x00\u202e电子",
]


@pytest.fixture(scope="module")
def papers(app, world):
    """(facts of a valid certificate, serial number of an instrument that was never verified)."""
    with app.app_context():
        serial = f"PUB{world.units['ua1']}X77"
        good = issued(world, booked(world, "ua1", serial_no=serial).items[0])
        bad = issued(world, booked(world, "ua1").items[0], conclusion="fail")
        never = instrument(world, "ua1").serial_no
        with as_system("test"):
            facts = []
            for pk in (good, bad):
                row = db.session.get(Certificate, pk)
                facts.append((row.number, row.lookup_code))
            unit = db.session.get(Unit, world.units["ua1"])
            hidden = [unit.contact_phone, unit.contact_name, unit.code, unit.address]
            unit_name = unit.name
            institute_phone = db.session.get(Certificate, good).institute.phone
        db.session.remove()
    return {
        "serial": serial,
        "never": never,
        "good": facts[0],
        "bad": facts[1],
        "hidden": hidden,
        "unit": unit_name,
        "phone": institute_phone,
    }


def test_home(app, world):
    answer = visitor(app).get("/")
    page = text(answer)
    for words in ("器具名称、使用单位或出厂编号", "器具查询", "证书核验", "单位注册", "在线办理", "12315"):
        assert words in page
    assert "Set-Cookie" not in answer.headers
    assert len(answer.data) < 100_000


@pytest.mark.parametrize(
    "path", ["/", "/instruments", "/instruments?q=电子", "/v", "/v/NO-1/ABC", "/agreement", "/privacy"]
)
def test_visitors_get_no_cookie_and_no_inline_code(app, world, path):
    answer = visitor(app).get(path)
    assert "Set-Cookie" not in answer.headers
    page = text(answer)
    assert "<style" not in page
    assert " style=" not in page
    assert "<script>" not in page
    assert "csrf_token" not in page


@pytest.mark.must_never(2)
def test_anonymous_list_shows_the_public_columns_only(app, world, papers):
    page = text(visitor(app).get("/instruments", query_string={"q": papers["serial"]}))
    for words in (
        "器具名称",
        "使用单位",
        "出厂编号",
        "检定机构",
        "检定结论",
        "有效期至",
        papers["serial"],
        papers["unit"],
        "有效",
    ):
        assert words in page
    for secret in papers["hidden"]:
        assert secret not in page
    assert papers["good"][1] not in page
    assert "ACS-30" not in page


@pytest.mark.parametrize("who", [None, "ua1", "recA", "regA"])
def test_public_search_is_the_same_for_everybody(app, world, papers, who):
    client = login(app, world, who) if who else visitor(app)
    assert "没有找到相符的器具" in text(client.get("/instruments", query_string={"q": papers["never"]}))
    assert papers["unit"] in text(client.get("/instruments", query_string={"q": papers["serial"][:6]}))


def test_search_advice(app, world):
    client = visitor(app)
    assert "输入关键字开始查询" in text(client.get("/instruments"))
    assert "请至少输入2个字。" in text(client.get("/instruments?q=秤"))
    nothing = text(client.get("/instruments?q=不存在的器具名"))
    assert "没有找到相符的器具" in nothing
    assert "换一个更短的名称" in nothing


@pytest.mark.parametrize("page", ["0", "-1", "51", "999999999999", "x", "²", ""])
def test_page_numbers_never_break(app, world, papers, page):
    answer = visitor(app).get("/instruments", query_string={"q": "电子", "page": page})
    assert answer.status_code == 200


@pytest.mark.parametrize("harm", HARM)
def test_harmful_text_comes_back_as_text(app, world, harm):
    client = visitor(app)
    for path, args in (("/instruments", {"q": harm}), ("/v", {"number": harm}), ("/v", {"code": harm})):
        page = text(client.get(path, query_string=args, follow_redirects=True))
        assert "<script>alert(1)" not in page
        assert "<img src=x" not in page
        assert ">49<" not in page
    assert "<script>alert(1)" not in text(client.get("/v/%3Cscript%3Ealert(1)%3C/script%3E/x"))


def test_certificate_form_leads_to_the_address_of_the_qr_code(app, world, papers):
    client = visitor(app)
    number, code = papers["good"]
    answer = client.get("/v", query_string={"number": f" {number} ", "code": code})
    assert answer.status_code == 303
    page = text(client.get(answer.location))
    assert "<strong>有效</strong>" in page
    assert number in page
    assert papers["phone"] in page
    missing = client.get("/v", query_string={"number": number, "code": ""})
    assert missing.status_code == 422
    assert "请填写“核验码”。" in text(missing)
    assert number in text(missing)


def test_certificate_answers(app, world, papers):
    client = visitor(app)
    bad = text(client.get("/v/{}/{}".format(*papers["bad"])))
    assert "<strong>不合格</strong>" in bad
    good = text(client.get("/v/{}/{}".format(*papers["good"])))
    for secret in papers["hidden"]:
        assert secret not in good
    assert papers["serial"] not in good  # masked
    lower = client.get(f"/v/{papers['good'][0]}/{papers['good'][1].lower()}")
    assert "<strong>有效</strong>" in text(lower)


def test_expired_certificate(app, world, papers, monkeypatch):
    later = clock.today() + timedelta(days=800)
    monkeypatch.setattr(clock, "today", lambda: later)
    assert "<strong>已过期</strong>" in text(visitor(app).get("/v/{}/{}".format(*papers["good"])))
    assert "已过期" in text(visitor(app).get("/instruments", query_string={"q": papers["serial"]}))
    assert "<strong>不合格</strong>" in text(visitor(app).get("/v/{}/{}".format(*papers["bad"])))


@pytest.mark.must_never(4)
def test_wrong_code_reads_like_a_missing_number(app, world, papers):
    number = papers["good"][0]
    wrong = visitor(app).get(f"/v/{number}/AAAAAAAA")
    missing = visitor(app).get("/v/NOSUCH-000001/AAAAAAAA")
    assert wrong.status_code == missing.status_code == 404
    assert text(wrong).replace(number, "#") == text(missing).replace("NOSUCH-000001", "#")
