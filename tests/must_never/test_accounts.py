"""Cases 25–36: accounts, links to units, sub-users, passwords, codes."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app.access.load import account_by_id, principal_of
from app.access.passwords import problem_with
from app.access.principal import acting_as, as_system
from app.errors import NotAllowedError, NotVisibleError, QuanhengError
from app.operations.affiliation import request_link
from app.operations.codes import check_code, send_code
from app.operations.job import create_job, run_job
from app.workflow import ACCOUNT, AFFILIATION, fire
from models import Account, Affiliation, AuditLog, DevelopmentMail, ExternalIdentity, Instrument, WebSession
from models.base import db
from models.enums import AccountKind, Role
from models.types import blind_index
from tests.client import login, post, text, visitor
from tests.world import PASSWORD, filed, new_unit, person


def newcomer(app, world, nick: str, *, linked_to: str | None = None) -> None:
    """A person of nobody, linked to a unit when asked."""
    with app.app_context():
        if nick not in world.people:
            person(world, nick, AccountKind.INDIVIDUAL, [Role.IND])
        if linked_to:
            session = db.session()
            with world.acting(nick) as actor:
                link = request_link(session, actor, world.codes[linked_to])
                session.commit()
            with world.acting(linked_to) as actor:
                fire(session, AFFILIATION, link.id, "approve", actor)
                session.commit()
        db.session.remove()


def link_of(world, nick: str, *states: str) -> int:
    with as_system("test"):
        statement = select(Affiliation.id).where(Affiliation.account_id == world.people[nick])
        return db.session.execute(statement.where(Affiliation.state.in_(states or ("linked",)))).scalar_one()


@pytest.mark.must_never(25)
def test_case_25_rights_end_with_the_link(app, world):
    newcomer(app, world, "aff25", linked_to="ua1")
    with app.app_context():
        serial = filed(world, "ua1").serial_no
        pk = db.session.execute(
            select(Instrument.id).where(Instrument.serial_no == serial).execution_options(unscoped=True)
        ).scalar_one()
        with world.acting("aff25") as actor:
            assert actor.unit_id == world.units["ua1"]
            job = create_job(db.session(), actor, kind="ledger_export", title="导出", params={"query": ""}).id
            db.session.commit()
        db.session.remove()
    client = login(app, world, "aff25")
    assert serial in text(client.get(f"/instruments/show/{pk}"))
    bearer = api_token(client, world, "aff25")
    if bearer:
        assert visitor(app).get(f"/api/v1/instruments/{pk}/steps", headers=bearer).status_code == 200
    with app.app_context():
        with world.acting("ua1") as actor:
            fire(db.session(), AFFILIATION, link_of(world, "aff25"), "remove", actor)
            db.session.commit()
        db.session.remove()
    assert client.get(f"/instruments/show/{pk}").status_code in {403, 404}
    assert post(client, f"/instruments/step/suspend/{pk}", {"seen_version": "1"}).status_code in {403, 404}
    assert post(client, f"/instruments/edit/{pk}", {"place": "x"}).status_code in {403, 404}
    assert serial not in text(client.get("/instruments/list/", follow_redirects=True))
    if bearer:
        answer = visitor(app).get(f"/api/v1/instruments/{pk}/steps", headers=bearer)
        assert answer.status_code in {401, 403, 404}
    with app.app_context():
        run_job(db.session(), job)
        db.session.remove()
        with as_system("test"):
            from models import Job

            kept = db.session.get(Job, job)
            assert kept.counts.get("rows", 0) == 0
        with as_system("test"):
            found = db.session.get(Instrument, pk)
            assert found.state == "in_use"
        db.session.remove()


def api_token(client, world, nick: str) -> dict[str, str] | None:
    """A bearer token where the platform gives them, else None."""
    answer = client.post("/api/v1/token", json={"username": world.names[nick], "password": PASSWORD})
    if answer.status_code != 200:
        return None
    body = answer.get_json()
    word = body.get("access_token") or body.get("token")
    return {"Authorization": f"Bearer {word}"} if word else None


@pytest.mark.must_never(26)
def test_case_26_who_only_asked_sees_nothing(app, world):
    newcomer(app, world, "ind26")
    with app.app_context():
        serial = filed(world, "ua1").serial_no
        with world.acting("ind26") as actor:
            request_link(db.session(), actor, world.codes["ua1"])
            db.session.commit()
        with world.acting("ind26") as actor:
            assert actor.unit_id is None
            assert db.session.scalar(select(func.count()).select_from(Instrument)) == 0
            from models import Appointment, Attachment, Certificate, Filing, Unit

            for model in (Unit, Filing, Appointment, Certificate, Attachment):
                assert db.session.scalar(select(func.count()).select_from(model)) == 0, model
        db.session.remove()
    client = login(app, world, "ind26")
    for address in ("/instruments/list/", "/home/", f"/search?q={serial}", "/filings/list/", "/me/affiliation"):
        assert f">{serial}<" not in text(client.get(address, follow_redirects=True))
    page = text(client.get("/me/affiliation"))
    assert world.codes["ua2"] not in page


@pytest.mark.must_never(27)
def test_case_27_two_tabs_one_link(app, world):
    newcomer(app, world, "ind27")
    start, said = threading.Barrier(2), []

    def ask(unit: str) -> None:
        with app.app_context():
            try:
                with acting_as(principal_of(account_by_id(db.session(), world.people["ind27"]))) as actor:
                    start.wait(5)
                    request_link(db.session(), actor, world.codes[unit])
                    db.session.commit()
                    said.append("asked")
            except (QuanhengError, SQLAlchemyError) as error:
                db.session.rollback()
                said.append(getattr(error, "sentence", type(error).__name__))
            finally:
                db.session.remove()

    tabs = [threading.Thread(target=ask, args=(unit,)) for unit in ("ua1", "ua2")]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join(20)
    assert sorted(said) == sorted(["asked", "企业和机构只能关联一个，请先删除现有关联。"])
    with app.app_context(), as_system("test"):
        live = select(func.count()).where(
            Affiliation.account_id == world.people["ind27"], Affiliation.state.in_(("requested", "linked"))
        )
        assert db.session.scalar(live) == 1
        db.session.remove()


@pytest.mark.must_never(28)
def test_case_28_a_sub_user_is_no_main_account(app, world, session):
    from app.operations.subaccount import invite_sub

    with world.acting("sub1") as actor:
        with pytest.raises(NotAllowedError):
            invite_sub(session, actor, name="朋友", phone="13600001111")
        for step in ("disable", "enable", "close", "issue", "approve"):
            with pytest.raises((NotAllowedError, NotVisibleError)):
                fire(session, ACCOUNT, world.people["ua1"], step, actor, {"reason": "试图越权办理"})
            session.rollback()
    client = login(app, world, "sub1")
    for address in ("/subaccounts/list/", "/subaccounts/invite", "/affiliations/list/", "/me/close"):
        assert client.get(address).status_code in {403, 404}, address
    for address in ("/subaccounts/invite", "/me/close", "/subaccounts/action_post"):
        answer = post(client, address, {"name": "x", "phone": "13600001111", "reason": "试图越权"})
        assert answer.status_code in {403, 404}, address
    with as_system("test"):
        session.expire_all()
        assert session.get(Account, world.people["ua1"]).state == "active"


@pytest.mark.must_never(29)
def test_case_29_another_unit_s_affiliation(app, world, session):
    newcomer(app, world, "ind29")
    with world.acting("ind29") as actor:
        link = request_link(session, actor, world.codes["ua1"]).id
        session.commit()
    for who in ("ua2", "ub1"):
        with world.acting(who) as actor:
            for step in ("approve", "refuse", "remove"):
                with pytest.raises(NotVisibleError):
                    fire(session, AFFILIATION, link, step, actor)
                session.rollback()
        client = login(app, world, who)
        answers = [post(client, f"/affiliations/step/approve/{pk}", {"seen_version": "1"}) for pk in (link, 99999999)]
        assert [a.status_code for a in answers] == [404, 404]
    for who in ("sub1", "recA"):
        with world.acting(who) as actor, pytest.raises(QuanhengError):
            fire(session, AFFILIATION, link, "approve", actor)
        session.rollback()
    with as_system("test"):
        session.expire_all()
        assert session.get(Affiliation, link).state == "requested"


RAISED = {
    "roles": "ADM",
    "role": "ADM",
    "unit_id": "1",
    "institute_id": "1",
    "is_active": "1",
    "active": "1",
    "state": "active",
    "division": "44",
    "area": "44",
    "kind": "admin",
    "valid_until": "2099-01-01",
}


@pytest.mark.must_never(30)
@pytest.mark.parametrize("who", ["ua1", "sub1", "verA", "regA1", "ind"])
def test_case_30_nobody_raises_the_own_role(app, world, session, who):
    columns = (Account.roles, Account.kind, Account.state, Account.unit_id, Account.institute_id, Account.area)
    asked = select(*columns, Account.valid_until).where(Account.id == world.people[who])
    with as_system("test"):
        before = session.execute(asked).one()
    client = login(app, world, who)
    post(client, "/me/confirm?next=/me", {"password": PASSWORD})
    for address in ("/me", "/me/edit", "/me/contact", "/me/phone", "/me/email", "/password", "/register", "/unit"):
        post(client, address, {**RAISED, "name": "新姓名"})
    found = re.search(r'csrf_token"[^>]*value="([^"]+)', text(client.get("/home/", follow_redirects=True)))
    headers = {"X-CSRFToken": found.group(1)}
    for address in (
        "/api/v1/security/users/1",
        "/api/v1/users/1",
        f"/api/v1/accounts/{world.people[who]}",
        "/api/v1/security/users/",
        "/api/v1/me/",
        "/users/userinfo/",
        "/userinfoeditview/form",
    ):
        for method in ("put", "post", "patch"):
            answer = getattr(client, method)(address, json=RAISED, headers=headers)
            assert answer.status_code in {401, 403, 404, 405}, address
    with as_system("test"):
        session.expire_all()
        assert session.execute(asked).one() == before


@pytest.mark.must_never(31)
def test_case_31_a_disabled_account_has_no_way_in(app, world):
    with app.app_context():
        new_unit(world, "ux31", "440103", "recA", "A")
        account = account_by_id(db.session(), world.people["ux31"])
        phone = account.phone
        db.session.add(ExternalIdentity(account_id=account.id, provider="qq", issuer="qq", subject="subject-31"))
        with as_system("test"):
            db.session.commit()
        db.session.remove()
    client, other = login(app, world, "ux31"), login(app, world, "ux31")
    bearer = api_token(client, world, "ux31")
    assert client.get("/home/").status_code == 200
    with app.app_context():
        with as_system("test"):
            send_code(db.session(), purpose="login", phone=phone)
            send_code(db.session(), purpose="recover", phone=phone)
            db.session.commit()
        with world.acting("adm") as actor:
            fire(db.session(), ACCOUNT, world.people["ux31"], "disable", actor, {"reason": "单位已被吊销"})
            db.session.commit()
        db.session.remove()
    for browser in (client, other):
        assert browser.get("/home/").status_code == 302
        assert browser.get("/instruments/list/").status_code == 302
    if bearer:
        assert visitor(app).get("/api/v1/instruments/", headers=bearer).status_code == 401
    from tests.client import log_in

    assert log_in(visitor(app), world.names["ux31"]).status_code != 302
    assert log_in(visitor(app), phone).status_code != 302
    answer = visitor(app).post("/api/v1/token", json={"username": world.names["ux31"], "password": PASSWORD})
    assert answer.status_code != 200
    with app.app_context():
        assert not account_for_outside_identity("qq", "subject-31")
        db.session.remove()


def account_for_outside_identity(issuer: str, subject: str) -> bool:
    """Whether an identity of outside would log somebody in now."""
    from app.access.providers import Identity
    from app.operations.sso import enter

    try:
        return enter(db.session(), Identity(provider=issuer, issuer=issuer, subject=subject)).account is not None
    except QuanhengError:
        return False


@pytest.mark.must_never(32)
def test_case_32_a_code_works_once_for_one_address_in_ten_minutes(app, world, session):
    phone, other = "13711110001", "13711110002"

    def fresh() -> str:
        with clock.frozen(clock.now() + fresh.later):
            fresh.later += timedelta(minutes=2)
            send_code(session, purpose="recover", phone=phone)
            session.commit()
            return read_code(session, phone)

    fresh.later = timedelta(minutes=2)

    def tried(code: str, *, phone: str = phone, purpose: str = "recover", later: timedelta = timedelta()) -> str:
        at = clock.now() + fresh.later - timedelta(minutes=1) + later
        with clock.frozen(at), as_system("test"):
            try:
                check_code(session, purpose=purpose, phone=phone, code=code)
                session.commit()
                return "taken"
            except QuanhengError as error:
                session.commit()
                return error.sentence

    with as_system("test"):
        code = fresh()
        assert tried(code, phone=other) != "taken"
        assert tried(code, purpose="login") != "taken"
        assert tried(code) == "taken"
        assert tried(code) != "taken"
        code = fresh()
        assert tried(code, later=timedelta(minutes=10)) != "taken"
        code = fresh()
        wrong = "000000" if code != "000000" else "111111"
        assert [tried(wrong) == "taken" for _ in range(5)] == [False] * 5
        assert tried(code) != "taken"


def read_code(session, phone: str) -> str:
    from app.channels.deliver import deliver

    with as_system("test"):
        deliver(session)
        body = session.scalar(
            select(DevelopmentMail.body)
            .where(DevelopmentMail.recipient_index == blind_index(phone))
            .order_by(DevelopmentMail.id.desc())
        )
    return re.search(r"\d{6}", body).group()


@pytest.mark.must_never(33)
def test_case_33_administrators_never_meet_a_password(app, world):
    """No field for somebody else's password on any page of theirs; no stored password in any answer."""
    with app.app_context(), as_system("test"):
        hashes = [a.user.password for a in db.session.execute(select(Account)).unique().scalars() if a.user.password]
        db.session.remove()
    own = {"/d/", "/password", "/me/confirm", "/me/close", "/login/", "/me/second-factor", "/me/phone", "/me/email"}
    for who in ("adm", "sec"):
        client = login(app, world, who)
        pages = [r.rule for r in app.url_map.iter_rules() if not r.arguments and "GET" in r.methods]
        pages += [f"/accounts/show/{world.people['ua1']}", f"/sessions/{world.people['ua1']}"]
        for address in pages:
            answer = client.get(address)
            body = text(answer) if answer.content_type.startswith(("text/", "application/json")) else ""
            if address not in own and not address.startswith(("/register", "/recover", "/login")):
                assert 'type="password"' not in body, address
            assert not [h for h in hashes if h in body], address
    with app.app_context():
        steps = {s.name for s in ACCOUNT.steps if s.by & {Role.ADM, Role.SEC}}
        needs = {n.name for s in ACCOUNT.steps if s.name in steps for n in s.needs}
        assert not [n for n in needs if "password" in n]


@pytest.mark.must_never(34)
@pytest.mark.parametrize(
    "password", ["123321", "123456", "12345678", "password", "111111", "jiliang123321", "123321123321"]
)
def test_case_34_shared_first_passwords_are_refused(app, world, session, password):
    from app.errors import InvalidInputError
    from app.operations import account as accounts

    assert problem_with(password, ["somebody"]) is not None
    runner = app.test_cli_runner()
    made = runner.invoke(args=["user", "create-admin", "--username", "firstadmin", "--password", password])
    assert made.exit_code != 0
    with as_system("test") as system:
        account, token = accounts.issue_account(
            session,
            system,
            kind=AccountKind.ADMIN,
            username=f"shared{len(password)}{password[-1]}",
            name="甲",
            roles=[Role.ADM],
        )
        assert account.user.password is None
        with pytest.raises(InvalidInputError):
            accounts.activate(session, token, password)
        session.rollback()


@pytest.mark.must_never(35)
def test_case_35_a_phone_that_somebody_left_behind(app, world, session):
    """Logging in by text message needs an active account and a phone verified within 24 months."""
    with app.app_context():
        if "ux35" not in world.units:
            new_unit(world, "ux35", "440103", "recA", "A")
        with as_system("test"):
            account = account_by_id(db.session(), world.people["ux35"])
            phone = account.phone
            account.phone_verified_at = clock.now() - timedelta(days=800)
            db.session.commit()
        db.session.remove()
    assert not logs_in_by_phone(app, world, phone, minutes=0)
    with app.app_context(), as_system("test"):
        account_by_id(db.session(), world.people["ux35"]).phone_verified_at = clock.now() - timedelta(days=30)
        db.session.commit()
        db.session.remove()
    assert logs_in_by_phone(app, world, phone, minutes=3)
    with app.app_context():
        with world.acting("adm") as actor:
            fire(db.session(), ACCOUNT, world.people["ux35"], "disable", actor, {"reason": "人员已离职"})
            db.session.commit()
        db.session.remove()
    assert not logs_in_by_phone(app, world, phone, minutes=6)


def logs_in_by_phone(app, world, phone: str, *, minutes: int) -> bool:
    """Ask for a code at the log-in page and type it; whatever the page says, a session or none is what counts."""
    with clock.frozen(clock.now() + timedelta(minutes=minutes)):  # one code a minute
        return _logs_in_by_phone(app, world, phone)


def _logs_in_by_phone(app, world, phone: str) -> bool:
    from tests.captcha import captcha_of

    client = visitor(app)
    address = "/login/phone"
    page = text(client.get(address, follow_redirects=True))
    post(client, "/login/phone/code", {"phone": phone, **captcha_of(app, page)}, page=address)
    with app.app_context():
        try:
            code = read_code(db.session(), phone)
        except (TypeError, AttributeError):
            code = "000000"
        db.session.commit()
        db.session.remove()
    page = text(client.get(address, follow_redirects=True))
    form = {"phone": phone, "phone_code": code, "code": code, **captcha_of(app, page)}
    if 'name="user_type"' in page:
        form["user_type"] = "enterprise"
    post(client, address, form, page=address)
    return client.get("/home/").status_code == 200


@pytest.mark.must_never(36)
def test_case_36_an_outside_identity_belongs_to_one_account(app, world, session):
    from app.operations.bindings import add_identity

    with as_system("test"):
        first, second = (account_by_id(session, world.people[w]) for w in ("ua1", "ua2"))
        add_identity(session, first, "wechat", "wechat", "openid-36")
        session.commit()
        with pytest.raises(QuanhengError) as said:
            add_identity(session, second, "wechat", "wechat", "openid-36")
        session.rollback()
        assert "已绑定" in said.value.sentence
        kept = session.execute(select(ExternalIdentity.account_id).where(ExternalIdentity.subject == "openid-36")).all()
        assert kept == [(world.people["ua1"],)]
        session.execute(ExternalIdentity.__table__.delete().where(ExternalIdentity.subject == "openid-36"))
        session.commit()


def test_logs_of_this_area_hold_no_secret(app, world, session):
    with as_system("test"):
        details = " ".join(str(d) for d in session.scalars(select(AuditLog.detail)))
        kept = " ".join(str(d) for d in session.scalars(select(WebSession.data)))
    assert PASSWORD not in details
    assert PASSWORD not in kept
