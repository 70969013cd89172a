"""Stickers by their pages, and the public page behind the code: small, without a script, true within seconds."""

import io
import re

import pytest

from app.access.principal import as_system
from models import Certificate
from models.base import db
from tests.client import login, post, text, visitor
from tests.stickers.test_sheet import codes
from tests.world import booked, instrument, issued


@pytest.fixture(scope="module")
def made(app, world):
    with app.app_context():
        good, soon_gone, failed = (booked(world, "ua1") for _ in range(3))
        facts = {
            "good": issued(world, good.items[0]),
            "gone": issued(world, soon_gone.items[0]),
            "failed": issued(world, failed.items[0], conclusion="fail"),
            "instrument": good.instruments[0],
            "never": instrument(world, "ua1").id,
        }
        with as_system("test"):
            for nick in ("good", "gone", "failed"):
                row = db.session.get(Certificate, facts[nick])
                facts[f"{nick}_at"] = f"/v/{row.number}/{row.lookup_code}"
                facts[f"{nick}_hash"] = row.pdf_sha256
                facts[f"{nick}_serial"] = row.facts["serial_no"]
        db.session.remove()
    return facts


@pytest.mark.parametrize("who", ["ua1", "recA", "imgA", "verA"])
def test_unit_and_institute_print_stickers_for_certificates_and_instruments(app, world, made, who):
    client = login(app, world, who)
    page = text(client.get(f"/stickers?ids={made['gone']},{made['failed']}&instruments={made['instrument']}"))
    assert "检定结论为不合格" in page
    assert "实际大小" in page
    sheet = client.get(f"/stickers/sheet.pdf?ids={made['gone']}&instruments={made['instrument']}&inline=1")
    assert sheet.mimetype == "application/pdf"
    assert codes(sheet.data) == {f"http://127.0.0.1:8080{made[at]}" for at in ("good_at", "gone_at")}


def test_an_instrument_that_was_never_verified_has_none(app, world, made):
    client = login(app, world, "ua1")
    page = text(client.get(f"/stickers?instruments={made['never']}"))
    assert "无证书" in page
    assert "没有可以打印的贴纸" in page
    assert client.get(f"/stickers/sheet.pdf?instruments={made['never']}").status_code == 404


@pytest.mark.parametrize("query", ["", "ids=", "ids=x", "ids=99999999999999999999", "ids=1;drop", "label=9x9&ids=1"])
def test_strange_questions_get_no_sheet(app, world, made, query):
    client = login(app, world, "ua1")
    assert client.get(f"/stickers?{query}").status_code == 200
    assert client.get(f"/stickers/sheet.pdf?{query}").status_code == 404


@pytest.mark.must_never(11)
@pytest.mark.parametrize("who", ["ua2", "ub1", "recB"])
def test_others_get_no_sticker_of_what_they_cannot_see(app, world, made, who):
    client = login(app, world, who)
    query = f"ids={made['good']}&instruments={made['instrument']}"
    assert made["good_serial"] not in text(client.get(f"/stickers?{query}"))
    assert client.get(f"/stickers/sheet.pdf?{query}").status_code == 404


@pytest.mark.parametrize(("who", "status"), [("regA", 403), ("adm", 403), ("ind", 403), (None, 302)])
def test_nobody_else_prints_stickers(app, world, made, who, status):
    client = login(app, world, who) if who else visitor(app)
    for path in ("/stickers", "/stickers/sheet.pdf"):
        assert client.get(f"{path}?ids={made['good']}").status_code == status


def test_the_page_behind_the_code_says_what_a_customer_wants_to_know(app, world, made):
    answer = visitor(app).get(made["good_at"])
    page = text(answer)
    for words in ("电子计价秤", "ACS-30", "有效期至", "合格", "<strong>有效</strong>", made["good_hash"], "计量检定所"):
        assert words in page
    assert re.search(r'chip-ok">\d{4}-\d\d-\d\d 有效<', page), "the last day in colour, with the word"
    assert made["good_serial"] not in page
    assert f"{made['good_serial'][:2]}***" in page
    assert "越秀区" in page or "荔湾区" in page
    assert len(answer.data) < 50_000
    whole = len(answer.data) + sum(len(visitor(app).get(f"/static/{n}").data) for n in ("quanheng.css", "quanheng.js"))
    assert whole < 300_000
    bare = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "<strong>有效</strong>" in bare, "works without a script"


@pytest.mark.must_never(4)
def test_forged_code_and_forged_number_read_the_same(app, world, made):
    number, code = made["good_at"].split("/")[2:]
    wrong = {"code": f"/v/{number}/AAAAAAA2", "number": f"/v/{number[:-1]}X/{code}"}
    answers = {key: visitor(app).get(path) for key, path in wrong.items()}
    assert {a.status_code for a in answers.values()} == {404}
    pages = [
        text(answers["code"]).replace(wrong["code"], "#").replace(number, "#"),
        text(answers["number"]).replace(wrong["number"], "#").replace(f"{number[:-1]}X", "#"),
    ]
    assert pages[0] == pages[1]


def test_a_revocation_shows_at_once_and_ends_the_stickers(app, world, made):
    reason = {"reason": "标准器超差，结果不可靠"}
    client = visitor(app)
    assert "<strong>有效</strong>" in text(client.get(made["gone_at"]))
    post(login(app, world, "aprA"), f"/certificates/step/ask_revocation/{made['gone']}", reason)
    post(login(app, world, "imgA"), f"/certificates/step/revoke/{made['gone']}", reason)
    page = text(client.get(made["gone_at"]))
    assert "<strong>已撤销</strong>" in page
    assert re.search(r'chip-danger">已撤销<', page)
    unit = login(app, world, "ua1")
    assert "证书未签发或已不再有效" in text(unit.get(f"/stickers?ids={made['gone']}"))


def test_a_corrected_paper_leads_to_the_new_one(app, world):
    from app.operations.certificate import publish_certificate

    with app.app_context():
        pk = issued(world, booked(world, "ua1").items[0])
        db.session.remove()
    approver, verifier = login(app, world, "aprA"), login(app, world, "verA")
    fresh = int(post(verifier, f"/certificates/correct/{pk}", {"reason": "型号录入错误"}).location.rsplit("/", 1)[1])
    with app.app_context(), as_system("test"):
        old = db.session.get(Certificate, pk)
        address = f"/v/{old.number}/{old.lookup_code}"
        db.session.remove()
    page = text(visitor(app).get(address))
    assert "<strong>有效</strong>" in page, "the old paper counts until the new one is out"
    assert "新证书编号" not in page, "nothing is promised before it is out"
    post(verifier, f"/certificates/step/submit/{fresh}")
    post(login(app, world, "chkA"), f"/certificates/step/check/{fresh}")
    post(approver, f"/certificates/step/issue/{fresh}")
    with app.app_context(), as_system("test"):
        publish_certificate(db.session(), fresh)
        db.session.commit()
        new = db.session.get(Certificate, fresh)
        target = f"/v/{new.number}/{new.lookup_code}"
        db.session.remove()
    page = text(visitor(app).get(address))
    assert "<strong>已更正</strong>" in page
    assert f'href="{target}"' in page
    assert "<strong>有效</strong>" in text(visitor(app).get(target))
    served = login(app, world, "ua1").get(f"/certificates/pdf/{pk}").data
    from pypdf import PdfReader

    assert target.split("/")[2] in PdfReader(io.BytesIO(served)).pages[0].extract_text()
