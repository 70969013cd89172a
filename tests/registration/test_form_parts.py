"""Parts that the forms share: 上传类型, the places, the texts to agree to, the note on the phone."""

import io
import re

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from models import Attachment
from models.account import Consent
from models.base import db
from models.enums import AccountKind, Role
from tests.client import login, text, visitor
from tests.registration.forms import FORMS, PDF, coded, declared, docx, good, hand_in, registered, wrong_at
from tests.registration.support import account_named
from tests.world import PNG, person


@pytest.mark.feature("REG-16")
def test_the_upload_type_decides_what_is_taken_and_the_regulator_reads_it(app, world, profile_of):
    profile_of("hohhot")
    client, form = visitor(app), declared("hohhot", "enterprise")
    answers = coded(app, client, form, good(form, "hohhot"))

    def with_file(kind: str, data: bytes, name: str):
        return hand_in(client, form, {**answers, "licence_type": kind}, {"licence": (io.BytesIO(data), name)})

    assert "只能是 jpg、jpeg、png 图片" in wrong_at(text(with_file("image", PDF, "a.pdf")), "licence")
    assert "只能是 pdf、doc、docx 文件" in wrong_at(text(with_file("document", PNG, "a.png")), "licence")
    assert "只能是 pdf、doc、docx 文件" in wrong_at(text(with_file("document", docx(macro=True), "a.docx")), "licence")
    assert "只能是" in wrong_at(text(with_file("document", b"MZ" + PDF, "a.pdf")), "licence")
    assert "超过10MB" in wrong_at(text(with_file("document", PDF + b"0" * 10 * 1024 * 1024, "a.pdf")), "licence")
    word = docx()
    assert with_file("document", word, "执照.docx").status_code == 303
    with app.app_context():
        if "regH" not in world.people:
            person(world, "regH", AccountKind.REGULATOR, [Role.REG], area="1501")
        with as_system("test"):
            account = account_named(app, answers["username"])
            row = db.session.execute(select(Attachment).where(Attachment.owner_id == account.id)).scalars().one()
            file, kind = row.id, row.content_type
        db.session.remove()
    assert kind.endswith("wordprocessingml.document")
    assert login(app, world, "regH").get(f"/files/{file}").data == word
    assert login(app, world, "regB").get(f"/files/{file}").status_code == 404


@pytest.mark.feature("REG-15")
@pytest.mark.parametrize(
    ("name", "kind", "outside"), [("hohhot", "enterprise", "150202"), ("bayannur", "enterprise", "150102")]
)
def test_the_form_cannot_leave_its_city(app, profile_of, name, kind, outside):
    profile_of(name)
    client, form = visitor(app), declared(name, kind)
    answers = good(form, name)
    page = text(client.get(f"/register/{kind}"))
    provinces = re.search(r'<select[^>]*name="province".*?</select>', page, re.DOTALL).group()
    cities = re.search(r'<select[^>]*name="city".*?</select>', page, re.DOTALL).group()
    assert re.findall(r'value="(\d+)"', provinces) == ["150000"]
    assert re.findall(r'value="(\d*)"', cities) == [answers["city"]]
    inside = re.search(r'<select[^>]*name="division_code".*?</select>', page, re.DOTALL).group()
    assert answers["division_code"] in re.findall(r'value="(\d+)"', inside)
    moved = {**answers, "city": f"{outside[:4]}00", "division_code": outside, "email_code": "1", "phone_code": "1"}
    assert "内，请重新选择" in wrong_at(text(hand_in(client, form, moved)), "division_code")


@pytest.mark.feature("REG-15")
def test_guangdong_keeps_the_province_and_leaves_the_city(app, profile_of):
    profile_of("guangdong")
    page = text(visitor(app).get("/register/applicant"))
    provinces = re.search(r'<select[^>]*name="province".*?</select>', page, re.DOTALL).group()
    cities = re.search(r'<select[^>]*name="city".*?</select>', page, re.DOTALL).group()
    assert re.findall(r'value="(\d*)"', provinces) == ["440000"]
    assert {"", "440100", "440300"} <= set(re.findall(r'value="(\d*)"', cities))


@pytest.mark.feature("REG-09")
@pytest.mark.parametrize(("name", "kind"), FORMS)
def test_every_title_opens_its_text(app, profile_of, name, kind):
    profile_of(name)
    client = visitor(app)
    links = re.findall(r'<a href="([^"]+)"[^>]*>《([^》]+)》</a>', text(client.get(f"/register/{kind}")))
    assert links
    for address, title in links:
        answer = client.get(address, follow_redirects=True)
        assert answer.status_code == 200
        assert title in text(answer)


@pytest.mark.feature("REG-09")
def test_the_consent_keeps_the_version(app, profile_of, world):
    from app.operations.site import put_text

    def consents(username: str) -> dict[str, str]:
        account = account_named(app, username)
        with app.app_context(), as_system("test"):
            statement = select(Consent.document, Consent.text_version).where(Consent.account_id == account.id)
            found = dict(db.session.execute(statement).tuples().all())
            db.session.remove()
        return found

    profile_of("hohhot")
    _client, first = registered(app, "hohhot", "enterprise")
    before = consents(first["username"])
    assert set(before) == {"agreement", "privacy", "network_decision"}
    with app.app_context():
        with as_system("test"):
            actor = world.principal("adm")
        made = put_text(
            db.session(),
            actor,
            "network_decision",
            title="全国人大常委会关于加强网络信息保护的决定",
            body=first["email"],
        )
        number = made.version
        db.session.commit()
        db.session.remove()
    _client, second = registered(app, "hohhot", "enterprise")
    assert consents(second["username"])["network_decision"] == str(number)
    assert consents(first["username"]) == before
    page = text(visitor(app).get("/register/agreement/network_decision", follow_redirects=True))
    assert first["email"] in page
    assert visitor(app).get("/register/agreement/nosuch").status_code == 404


@pytest.mark.feature("REG-26")
@pytest.mark.parametrize(("name", "kind"), FORMS)
def test_the_note_on_the_phone_stands_on_every_form_of_a_body(app, profile_of, name, kind):
    from app.profiles import load

    profile_of(name)
    page = text(visitor(app).get(f"/register/{kind}"))
    assert (load(name)["registration"]["phone_note"] in page) == (kind != "personal")
