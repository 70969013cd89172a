"""Cases 61–68: administrator, security, audit, outside callers, stock views, the public role."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import func, select

from app.access.principal import as_system
from app.access.roles import KIND_ROLES, forbidden_combination
from app.errors import NotAllowedError, NotVisibleError, QuanhengError
from app.operations import account as accounts
from app.workflow import ACCOUNT, REGISTRY, fire
from models import Account, AuditLog, TransitionLog
from models.base import db
from models.enums import AccountKind, Role
from tests.client import TOKEN, login, post, text
from tests.must_never.support import address_of
from tests.rules import leaks

OFFICE = {"account", "recovery", "unit_change"}
"""Machines in which administrators do have a part: accounts are their work."""
THREE = {Role.ADM, Role.SEC, Role.AUD}


@pytest.fixture(scope="module")
def rows(app, world):
    with app.app_context():
        made = leaks.one_of_each(world)
        db.session.remove()
    return made


@pytest.mark.must_never(61)
@pytest.mark.parametrize("who", ["adm", "sec", "aud"])
def test_case_61_the_three_take_no_business_step(app, world, rows, who):
    tried = 0
    client = login(app, world, who)
    token = TOKEN.search(text(client.get("/home/"))).group(1)
    with app.app_context():
        before = leaks.fingerprint(rows)
        with world.acting(who) as actor:
            for machine in REGISTRY.values():
                if machine.name in OFFICE:
                    continue
                assert not [s.name for s in machine.steps if s.by & THREE], machine.name
                if machine.model not in rows:
                    continue
                for step in machine.steps:
                    with pytest.raises((NotAllowedError, NotVisibleError)):
                        fire(db.session(), machine, rows[machine.model], step.name, actor, {"reason": "试图越权办理"})
                    db.session.rollback()
                    tried += 1
        db.session.remove()
    for machine, base in (("instrument", "instruments"), ("filing", "filings"), ("appointment", "appointments")):
        for step in REGISTRY[machine].steps:
            key = rows[REGISTRY[machine].model]
            data = {"csrf_token": token, "reason": "试图越权办理", "seen_version": "1"}
            assert client.post(f"/{base}/step/{step.name}/{key}", data=data).status_code in {403, 404}
            headers = {"X-CSRFToken": token}
            answer = client.post(f"/api/v1/{base}/{key}/steps/{step.name}", json={}, headers=headers)
            assert answer.status_code in {403, 404}
            tried += 2
    with app.app_context():
        assert leaks.fingerprint(rows) == before
        db.session.remove()
    assert tried > 150


@pytest.mark.must_never(61)
def test_case_61_forbidden_pairs_are_refused_everywhere(app, world, session):
    """At issuing, at changing duties, on the command line; a role written past all of that gives nothing."""
    pairs = [
        (AccountKind.ADMIN, [Role.ADM, Role.AUD]),
        (AccountKind.ADMIN, [Role.ADM, Role.SEC]),
        (AccountKind.SECURITY, [Role.SEC, Role.AUD]),
        (AccountKind.REGULATOR, [Role.REG, Role.REC]),
        (AccountKind.INSTITUTE, [Role.REC, Role.ENT]),
        (AccountKind.INSTITUTE, [Role.IMG, Role.VER]),
        (AccountKind.AUDITOR, [Role.AUD, Role.REG]),
        (AccountKind.ADMIN, [Role.ADM, Role.VER]),
        (AccountKind.ENTERPRISE, [Role.ENT, Role.REC]),
    ]
    runner = app.test_cli_runner()
    for n, (kind, chosen) in enumerate(pairs):
        assert forbidden_combination(kind, chosen)
        with as_system("test") as system, pytest.raises(QuanhengError):
            accounts.issue_account(
                session,
                system,
                kind=kind,
                username=f"pair61x{n}",
                name="丁",
                roles=chosen,
                institute_id=world.institutes["A"],
                area="4401",
            )
        session.rollback()
        words = [w for r in chosen for w in ("--role", r.value)]
        said = runner.invoke(
            args=["user", "issue", "--kind", kind.value, "--username", f"pair61y{n}", "--name", "丁", *words]
        )
        assert said.exit_code != 0
    with world.acting("sec") as actor:
        for target, chosen in (
            ("recA", ["REC", "APR"]),
            ("adm", ["ADM", "AUD"]),
            ("regA", ["REG", "REC"]),
            ("aud", []),
        ):
            with pytest.raises(QuanhengError):
                fire(session, ACCOUNT, world.people[target], "assign", actor, {"roles": chosen})
            session.rollback()
    with as_system("test"):
        made = select(func.count()).where(Account.name == "丁")
        assert session.scalar(made) == 0


@pytest.mark.must_never(61)
def test_case_61_a_role_written_into_the_stock_table_gives_nothing(app, world, session):
    from flask_appbuilder.security.sqla.models import Role as FabRole
    from flask_appbuilder.security.sqla.models import User

    with as_system("test"):
        user = session.execute(select(User).where(User.username == world.names["verA"])).scalar_one()
        user.roles.append(session.execute(select(FabRole).where(FabRole.name == "ADM")).scalar_one())
        session.commit()
    try:
        client = login(app, world, "verA")
        for address in ("/accounts/issue", "/settings/", "/mails/list/", "/audit/list/", "/recovery-requests/list/"):
            assert client.get(address).status_code == 403, address
    finally:
        with as_system("test"):
            user = session.execute(select(User).where(User.username == world.names["verA"])).scalar_one()
            user.roles.clear()
            session.commit()


@pytest.mark.must_never(62)
@pytest.mark.parametrize("who", ["adm", "sec", "aud"])
def test_case_62_no_page_deletes_a_log(app, world, who):
    with app.app_context(), as_system("test"):
        seq = db.session.scalar(select(func.max(AuditLog.seq)))
        line = db.session.scalar(select(func.max(TransitionLog.id)))
        db.session.remove()
    client = login(app, world, who)
    token = TOKEN.search(text(client.get("/home/"))).group(1)
    for address in (
        f"/audit/delete/{seq}",
        f"/audit/edit/{seq}",
        "/audit/action_post",
        f"/audit/action/delete/{seq}",
        "/audit/add",
    ):
        answer = client.post(address, data={"csrf_token": token, "action": "delete", "rowid": str(seq)})
        assert answer.status_code in {403, 404, 405}, address
    with app.app_context(), as_system("test"):
        assert db.session.get(AuditLog, seq) is not None
        assert db.session.get(TransitionLog, line) is not None
        db.session.remove()


OWN_ACTS = re.compile(
    r"^/(logout/|login/.*|password|captcha/.*|recover.*|register.*|activate/.*|me/.*|text-size/.*|lang/.*"
    r"|messages/(action_post|action/.*|delete/.*)|api/v1/token|unmask/.*|d/|booking-query)$"
)
"""What the auditor may do for himself: log out, own password, own sessions, own messages; and the public's look-ups."""


@pytest.mark.must_never(63)
def test_case_63_the_auditor_changes_nothing(app, world, rows):
    client = login(app, world, "aud")
    token = TOKEN.search(text(client.get("/home/"))).group(1)
    with app.app_context():
        before = leaks.fingerprint(rows)
        db.session.remove()
    tried = []
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}):
            if OWN_ACTS.match(rule.rule):
                continue
            model = leaks.ROWS.get(rule.rule.split("/")[1])
            address = address_of(rule, rows.get(model, 1) if model else 1)
            answer = client.open(address, method=method, data={"csrf_token": token, "reason": "审计员试图改动"})
            tried.append((rule.rule, answer.status_code))
    wrong = [t for t in tried if t[1] not in {403, 404, 405}]
    assert wrong == []
    assert len(tried) > 80
    with app.app_context():
        assert leaks.fingerprint(rows) == before
        db.session.remove()


@pytest.mark.must_never(64)
def test_case_64_somebody_is_always_administrator(app, world, session):
    with world.acting("adm") as actor:
        with pytest.raises(QuanhengError):
            fire(session, ACCOUNT, world.people["adm"], "disable", actor, {"reason": "我不干了，再见"})
        session.rollback()
        with pytest.raises(QuanhengError):
            fire(session, ACCOUNT, world.people["adm"], "close", actor)
        session.rollback()
    client = login(app, world, "adm")
    post(client, f"/accounts/step/disable/{world.people['adm']}", {"reason": "我不干了，再见", "seen_version": "1"})
    with world.acting("sec") as actor:
        with pytest.raises(QuanhengError):
            fire(session, ACCOUNT, world.people["adm"], "assign", actor, {"roles": ["AUD"]})
        session.rollback()
        with pytest.raises(QuanhengError):
            fire(session, ACCOUNT, world.people["adm"], "assign", actor, {"roles": []})
        session.rollback()
    with as_system("test"):
        session.expire_all()
        row = session.get(Account, world.people["adm"])
        assert (row.state, list(row.roles)) == ("active", ["ADM"])


STOCK = (
    "/users/list/",
    "/users/add",
    "/roles/list/",
    "/roles/add",
    "/permissions/list/",
    "/viewmenus/list/",
    "/permissionviews/list/",
    "/registeruser/list/",
    "/userstatschartview/chart/",
    "/resetpassword/form",
    "/resetmypassword/form",
    "/userinfoeditview/form",
    "/register/form",
    "/api/v1/security/login",
    "/api/v1/security/users/",
    "/api/v1/security/roles/",
    "/api/v1/_openapi",
    "/swagger/v1",
)
HARMLESS = {"AuthView", "IndexView", "UtilView", "LocaleView", "MenuApi", "HomeView", "SecurityApi", "OpenApi"}


@pytest.mark.must_never(67)
@pytest.mark.parametrize("who", ["ua1", "recA", "regA1", "adm", "aud", "sec"])
def test_case_67_stock_views_do_not_answer(app, world, who):
    client = login(app, world, who)
    for address in STOCK:
        for method in ("get", "post"):
            answer = getattr(client, method)(address)
            assert answer.status_code in {400, 403, 404, 405}, (method, address, answer.status_code)
    stock = [v for v in app.appbuilder.baseviews if type(v).__module__.startswith("flask_appbuilder.")]
    known = [type(v).__name__ for v in stock if type(v).__name__ not in HARMLESS]
    rules = {r.endpoint.split(".")[0]: r.rule for r in app.url_map.iter_rules()}
    assert [n for n in known if n in rules] == [], "a stock view has an address"


@pytest.mark.must_never(68)
def test_case_68_the_public_role_holds_nothing(app, world, session):
    """A right given to the public by hand is drift: it opens nothing, is found, and the next start takes it away."""
    from flask_appbuilder.security.sqla.models import Permission, PermissionView, ViewMenu
    from flask_appbuilder.security.sqla.models import Role as FabRole

    from app.access.grants import drift, sync
    from tests.client import visitor

    with as_system("test"):
        for name in ("Public", "ANON"):
            role = session.execute(select(FabRole).where(FabRole.name == name)).scalar_one()
            assert role.permissions == [], name
        pair = session.execute(
            select(PermissionView)
            .join(Permission)
            .join(ViewMenu)
            .where(Permission.name == "can_list", ViewMenu.name == "InstrumentView")
        ).scalar_one()
        public = session.execute(select(FabRole).where(FabRole.name == "Public")).scalar_one()
        public.permissions.append(pair)
        session.commit()
    assert visitor(app).get("/instruments/list/").status_code == 302
    with as_system("test"):
        _missing, surplus = drift(session, app.appbuilder.baseviews)
        assert ("Public", "can_list", "InstrumentView") in surplus
        from app.access.grants import PublicRightsError, assert_public_has_nothing

        with pytest.raises(PublicRightsError):
            assert_public_has_nothing(session)
        session.rollback()
        sync(session, app.appbuilder.baseviews)
        session.commit()
        assert_public_has_nothing(session)
    assert KIND_ROLES
