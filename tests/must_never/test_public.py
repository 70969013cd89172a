"""Cases 1–10: what somebody who is not logged in never gets."""

from __future__ import annotations

import re
import uuid

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from models import Account, Appointment, Attachment, Certificate, Instrument, Unit
from models.base import db
from tests.client import TOKEN, log_in, post, text, token, visitor
from tests.must_never.support import address_of, count_hashes
from tests.world import booked, issued

PUBLIC = re.compile(
    r"^(/|/instruments|/v|/v/<.*|/agreement|/privacy|/texts/<.*|/site-files/<.*|/brand\.css|/static/.*|/healthz|/home/"
    r"|/login/.*|/recover(/.*)?|/register(/(choose|code|done|<kind>.*|agreement/<.*|authorisation\.pdf))?|/captcha/.*"
    r"|/activate/<.*|/lang/<.*|/text-size/<.*|/divisions(/institutes)?|/logout/|/back|/robots\.txt|/api/v1/token"
    r"|/booking-query|/register/guide\.pdf|/v/check|/v/hash/<.*|/d/(paper/<.*|papers)?|/feed/<string:token>\.ics|/help/categories(/pictures/<.*)?)$"
)
"""Every address that may answer somebody unknown; a new page that is not named here has to ask for a log-in."""


@pytest.fixture(scope="module")
def paper(app, world):
    with app.app_context():
        order = booked(world, "ua1")
        pk = issued(world, order.items[0])
        with as_system("test"):
            row = db.session.get(Certificate, pk)
            found = {
                "id": pk,
                "number": row.number,
                "code": row.lookup_code,
                "order": order.number,
                "serial": db.session.get(Instrument, order.instruments[0]).serial_no,
                "instrument": order.instruments[0],
            }
        db.session.remove()
    return found


@pytest.mark.must_never(1)
def test_case_01_the_public_opens_public_pages_only(app, world):
    client, opened, asked = visitor(app), [], 0
    page = client.get("/login/").get_data(as_text=True)
    found = TOKEN.search(page).group(1)
    for rule in app.url_map.iter_rules():
        if PUBLIC.match(rule.rule):
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            answer = client.open(address_of(rule), method=method, data={"csrf_token": found})
            asked += 1
            sent_to_login = answer.status_code == 302 and answer.location.startswith(
                ("/login/", "http://localhost/login/")
            )
            refused = {401} if method == "GET" else {401, 403, 404}
            if not sent_to_login and answer.status_code not in refused:
                opened.append((method, rule.rule, answer.status_code))
    assert opened == [], "\n".join(map(str, opened))
    assert asked > 150


@pytest.mark.must_never(3)
@pytest.mark.parametrize(
    "query",
    [
        "?q=(columns:!(unit.contact_phone))",
        "?q=(select_columns:!(unit.code))",
        "?q=(order_column:unit.contact_phone,order_direction:asc)",
        "?q=(filters:!((col:unit_id,opr:eq,value:1)))",
    ],
)
def test_case_03_the_public_has_no_api_to_steer(app, world, paper, query):
    for name in ("instruments", "filings", "appointments", "certificates", "items"):
        answer = visitor(app).get(f"/api/v1/{name}/{query}")
        assert answer.status_code in {401, 404}, name
        assert paper["serial"] not in text(answer)


@pytest.mark.must_never(3)
def test_case_03_the_public_search_takes_no_order_and_no_private_filter(app, world, paper):
    with app.app_context(), as_system("test"):
        unit = db.session.get(Unit, world.units["ua1"])
        phone, address = unit.contact_phone, unit.address
        db.session.remove()
    client = visitor(app)
    plain = client.get("/instruments", query_string={"q": paper["serial"]})
    steered = client.get(
        "/instruments",
        query_string={"q": paper["serial"], "order_column": "unit.contact_phone", "_flt_0_unit": "1", "_oc_X": "place"},
    )
    assert rows_of(plain) == rows_of(steered)
    for private in (phone, address[:6] + "2号", str(world.units["ua1"]) + " "):
        assert paper["serial"] not in text(client.get("/instruments", query_string={"q": private}))


def rows_of(answer) -> list[str]:
    return re.findall(r"<t[dh][^>]*>.*?</t[dh]>", text(answer), re.DOTALL)


@pytest.mark.must_never(4)
def test_case_04_certificates_are_not_walked(app, world, paper):
    client, fresh = visitor(app), visitor(app)
    for pk in range(max(1, paper["id"] - 3), paper["id"] + 3):
        for address in (f"/certificates/show/{pk}", f"/certificates/pdf/{pk}", f"/certificates/preview/{pk}"):
            assert client.get(address).status_code in {302, 401}
    wrong, missing = fresh.get(f"/v/{paper['number']}/AAAAAAAA"), fresh.get("/v/0000-0000/AAAAAAAA")
    assert wrong.status_code == missing.status_code
    said = [text(a).replace(n, "") for a, n in ((wrong, paper["number"]), (missing, "0000-0000"))]
    assert said[0] == said[1]
    assert paper["serial"] not in text(client.get("/v", query_string={"number": paper["number"]}))


@pytest.mark.must_never(6)
def test_case_06_appointment_numbers_open_nothing(app, world, paper):
    client, number = visitor(app), paper["order"]
    asked = [f"/v/{number}/0000", f"/instruments?q={number}", f"/search?q={number}", f"/appointments/show/{number}"]
    asked += [f"/v?number={number}", f"/appointments/list/?number={number}"]
    for address in asked:
        answer = client.get(address)
        assert answer.status_code in {200, 302, 404, 410, 422, 429}
        body = text(answer).replace(number, "")
        assert paper["serial"] not in body
        assert "已受理" not in body
    public = [r.rule for r in app.url_map.iter_rules() if PUBLIC.match(r.rule)]
    assert [r for r in public if re.search("appointment|order|book", r)] == ["/booking-query"]
    for tail in ("", "0000", "000", "００００"):
        answer = post(client, "/booking-query", {"number": number, "tail": tail})
        assert answer.status_code == 422
        assert "已受理" not in text(answer)
        assert "送检期限" not in text(answer)


@pytest.mark.must_never(8)
def test_case_08_log_in_does_not_tell_who_exists(app, world, monkeypatch):
    """Text, status and length are the same; time is the number of password hashes, which is one for everybody."""
    with app.app_context(), as_system("test"):
        account = db.session.get(Account, world.people["ua1"])
        phone = account.phone
        db.session.remove()
    answers, costs = [], []
    for name in (world.names["ua1"], phone, "nobody12345", "13900009999", world.names["adm"], "x" * 60):
        client = visitor(app)
        with count_hashes(monkeypatch) as spent:
            answer = log_in(client, name, "Falsch-Passwort-99")
        answers.append((answer.status_code, without_changes(answer, name)))
        costs.append(spent[0])
    assert len(set(costs)) == 1, costs
    assert costs[0] == 1
    assert len(set(answers)) == 1


def without_changes(answer, *typed: str) -> str:
    body = text(answer)
    for word in typed:
        body = body.replace(word, "")
    body = re.sub(r'name="(csrf_token|captcha_token)"[^>]*?>', "", body)
    return re.sub(r"/captcha/[\w-]+|nonce=\S+|value=\"[\w.-]{20,}\"", "", body)


@pytest.mark.must_never(8)
def test_case_08_asking_for_a_password_does_not_tell_who_exists(app, world):
    with app.app_context(), as_system("test"):
        account = db.session.get(Account, world.people["ua2"])
        phone, email = account.phone, account.email
        db.session.remove()
    said = set()
    for name, number, mail in (
        (world.names["ua2"], phone, email),
        ("nobody54321", "13900008888", "nobody@example.com"),
        ("somebody777", phone, "other@example.com"),
    ):
        client = visitor(app)
        data = {"username": name, "name": name, "phone": number, "email": mail, "address": number}
        page = client.get("/recover", follow_redirects=True).get_data(as_text=True)
        from tests.captcha import captcha_of

        answer = post(client, "/recover/code", {**data, **captcha_of(app, page)}, page="/recover")
        said.add((answer.status_code, answer.headers.get("Location"), len(without_changes(answer, name, number, mail))))
    assert len(said) == 1, said


@pytest.mark.must_never(9)
def test_case_09_papers_have_no_guessable_address(app, world):
    with app.app_context(), as_system("test"):
        row = db.session.execute(
            select(Attachment).where(Attachment.unit_id == world.units["ua1"]).limit(1)
        ).scalar_one()
        pk, digest, name = row.id, row.sha256, row.filename
        db.session.remove()
    client = visitor(app)
    assert client.get(f"/files/{pk}").status_code == 302
    assert client.get(f"/files/{uuid.uuid4()}").status_code == 302
    for address in (
        f"/uploads/{digest}",
        f"/uploads/{digest[:2]}/{digest}",
        f"/static/uploads/{digest}",
        f"/static/../var/uploads/{digest}",
        "/static/..%2f..%2fvar/secrets/secret_key",
        f"/static/{name}",
        f"/files/{digest}",
        f"/files/{pk}?signature=old",
        f"/site-files/{pk}",
        f"/site-files/..%2f{digest}",
    ):
        assert client.get(address).status_code in {302, 404, 410}, address
        assert not client.get(address).headers.get("Content-Type", "").startswith("image/")


@pytest.mark.must_never(2)
def test_case_02_the_public_list_is_html_only(app, world, paper):
    """The page's six columns are shown in tests/portal; here: no other form of the list exists."""
    client = visitor(app)
    for accept in ("application/json", "text/csv", "*/*"):
        answer = client.get("/instruments", query_string={"q": paper["serial"]}, headers={"Accept": accept})
        assert answer.content_type.startswith("text/html")
        heads = re.findall(r"<th[^>]*>\s*(?:<[^>]+>)*([^<]+)", text(answer))
        assert {h.strip() for h in heads if h.strip()} <= {
            "器具名称",
            "使用单位",
            "出厂编号",
            "检定机构",
            "检定结论",
            "使用地",  # the county only (ROLES section 4)
            "有效期至",
            "状态",
        }
        scripts = re.findall(r"<script[^>]*>(.*?)</script>", text(answer), re.DOTALL)
        assert "".join(scripts).strip() == ""


@pytest.mark.must_never(84)
def test_case_84_search_engines_are_told_and_find_no_phone(app, world, paper):
    client = visitor(app)
    with app.app_context(), as_system("test"):
        phones = {a.phone for a in db.session.execute(select(Account)).unique().scalars() if a.phone}
        phones |= {u.contact_phone for u in db.session.execute(select(Unit)).unique().scalars() if u.contact_phone}
        phones |= {a.contact_phone for a in db.session.execute(select(Appointment)).unique().scalars()}
        db.session.remove()
    for address in ("/", f"/instruments?q={paper['serial']}", f"/v/{paper['number']}/{paper['code']}", "/register"):
        answer = client.get(address, follow_redirects=True)
        assert answer.status_code == 200
        assert not [p for p in phones if p in text(answer)], address
    for address in (f"/instruments?q={paper['serial']}", f"/v/{paper['number']}/{paper['code']}"):
        assert "noindex" in client.get(address).headers.get("X-Robots-Tag", ""), address
    robots = client.get("/robots.txt")
    assert robots.status_code == 200
    assert "Disallow: /instruments" in text(robots)
    assert token(client, "/login/")
