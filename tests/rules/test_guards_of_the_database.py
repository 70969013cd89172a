"""What the database refuses whoever asks: changed papers, changed logs; and what the audit chain shows afterwards."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, delete, select, text, update
from sqlalchemy.exc import IntegrityError

from app.access.audit import audit, broken_link, note_seal, seal
from app.access.grants import drift
from app.access.hardening import REQUIRED, UnsafeSettingsError, assert_safe
from app.access.principal import as_system
from models import AuditLog, Certificate, TransitionLog
from tests.world import booked, issued


@pytest.fixture(scope="module")
def paper(app, world):
    from models.base import db

    with app.app_context():
        pk = issued(world, booked(world, "ua1").items[0])
        db.session.remove()
    return pk


@pytest.mark.parametrize(
    "column, value",
    [
        ("conclusion", "fail"),
        ("valid_until", "2099-01-01"),
        ("number", "A1"),
        ("pdf_sha256", "0" * 64),
        ("facts", "{}"),
        ("verifier_id", "1"),
        ("state", "draft"),
    ],
)
@pytest.mark.must_never(46)
def test_an_issued_paper_is_not_changed_by_sql(paper, session, column, value):
    with pytest.raises(IntegrityError, match="an issued certificate"):
        session.execute(text(f"UPDATE certificate SET {column} = :value WHERE id = :id"), {"value": value, "id": paper})
    session.rollback()


@pytest.mark.must_never(46)
def test_an_issued_paper_is_not_changed_or_deleted_by_the_orm(paper, session):
    with as_system("test"):
        row = session.get(Certificate, paper)
        row.facts = {**row.facts, "serial_no": "B"}
        with pytest.raises(IntegrityError, match="never changes"):
            session.flush()
        session.rollback()
        with pytest.raises(IntegrityError, match="never deleted"):
            session.execute(delete(Certificate).where(Certificate.id == paper))
        session.rollback()
        with pytest.raises(IntegrityError, match="only grows"):
            session.execute(text("TRUNCATE certificate CASCADE"))
        session.rollback()


@pytest.mark.parametrize("model, values", [(TransitionLog, {"actor_name": "x"}), (AuditLog, {"action": "x"})])
@pytest.mark.must_never(62)
def test_logs_only_grow(paper, session, model, values):
    with as_system("test"):
        with pytest.raises(IntegrityError, match="the log only grows"):
            session.execute(update(model).values(**values))
        session.rollback()
        with pytest.raises(IntegrityError, match="the log only grows"):
            session.execute(delete(model))
        session.rollback()
        with pytest.raises(IntegrityError, match="the log only grows"):
            session.execute(text(f"TRUNCATE {model.__tablename__}"))
        session.rollback()


# -- the tamper drill --------------------------------------------------------------------------------------------------


@pytest.fixture
def chain(world, session):
    """A sealed chain of at least ten rows."""
    with as_system("test"):
        for number in range(10):
            audit(session, "drill", entity="test", entity_id=number)
        session.commit()
        while seal(session):
            session.commit()
        session.commit()
        note_seal(session)
        assert broken_link(session) is None
        last = session.scalars(select(AuditLog.seq).order_by(AuditLog.seq.desc()).limit(10)).all()
        session.rollback()
    return sorted(last)


def tampered(session, *statements: str) -> int | None:
    """What the check finds after a superuser has done this with the triggers off; undone afterwards."""
    with as_system("test"):
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            session.execute(text(statement))
        session.expire_all()
        found = broken_link(session)
        session.rollback()
        assert broken_link(session) is None
        session.rollback()
    return found


@pytest.mark.feature("LOG-01")
@pytest.mark.must_never(62)
def test_tamper_drill(chain, session):
    third, fourth, seventh, last = chain[2], chain[3], chain[6], chain[-1]
    copy = "at, actor_id, actor_name, role, action, entity, entity_id, outcome, ip, request_id, detail"
    drill = {
        "change": (f"UPDATE audit_log SET detail = '{{\"amount\": 1}}' WHERE seq = {third}",),
        "delete": (f"DELETE FROM audit_log WHERE seq = {third}",),
        "insert": (
            f"UPDATE audit_log SET seq = seq + 100000 WHERE seq >= {fourth}",
            (
                f"INSERT INTO audit_log (seq, {copy}, prev_hash, hash) OVERRIDING SYSTEM VALUE "
                f"SELECT {fourth}, {copy}, hash, repeat('a', 64) FROM audit_log WHERE seq = {third}"
            ),
        ),
        "swap": (
            f"UPDATE audit_log SET seq = -1 WHERE seq = {third}",
            f"UPDATE audit_log SET seq = {third} WHERE seq = {seventh}",
            f"UPDATE audit_log SET seq = {seventh} WHERE seq = -1",
        ),
        "truncate tail": (f"DELETE FROM audit_log WHERE seq > {seventh}",),
        "everything": ("DELETE FROM audit_log",),
    }
    found = {name: tampered(session, *statements) for name, statements in drill.items()}
    print(found)
    assert found == {
        "change": third,
        "delete": fourth,
        "insert": fourth,
        "swap": third,
        "truncate tail": last,
        "everything": 0,
    }


def test_a_writer_who_is_late_does_not_break_the_chain(chain, session, app):
    """A transaction draws number n, another n+1 and commits; sealing waits instead of chaining n+1 before n."""
    engine = create_engine(app.config["SQLALCHEMY_DATABASE_URI"])
    insert = (
        "INSERT INTO audit_log (actor_name, role, action, outcome, detail) VALUES ('a', 'SYS', 'late', 'done', '{}')"
    )
    try:
        with engine.connect() as late, as_system("test"):
            late.execute(text(insert))
            audit(session, "early")
            session.commit()
            session.execute(text("SET lock_timeout = '100ms'"))
            assert seal(session) == 0
            session.rollback()
            late.commit()
        with as_system("test"):
            assert seal(session) == 2
            session.commit()
            assert broken_link(session) is None
    finally:
        engine.dispose()


# -- rights and settings ---------------------------------------------------------------------------------------------


def test_stored_rights_are_the_declared_ones(app, session):
    missing, surplus = drift(session, app.appbuilder.baseviews)
    assert (missing, surplus) == (set(), set())


def test_a_right_added_by_hand_is_seen_and_taken_away(app, session):
    from flask_appbuilder.security.sqla.models import Permission, PermissionView, Role, ViewMenu

    role = session.scalars(select(Role).where(Role.name == "ENT")).one()
    permission, view = Permission(name="can_everything"), ViewMenu(name="ForeignView")
    session.add_all([permission, view])
    session.flush()
    role.permissions.append(PermissionView(permission=permission, view_menu=view))
    session.flush()
    missing, surplus = drift(session, app.appbuilder.baseviews)
    assert (missing, surplus) == (set(), {("ENT", "can_everything", "ForeignView")})
    session.rollback()


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_an_unsafe_setting_stops_the_start(app, monkeypatch, name):
    unsafe = not REQUIRED[name] if isinstance(REQUIRED[name], bool) else "None"
    monkeypatch.setitem(app.config, name, unsafe)
    with pytest.raises(UnsafeSettingsError, match=name):
        assert_safe(app)


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        ("SECRET_KEY", "short", "32 characters"),
        ("AUTH_TYPE", 2, "AUTH_TYPE"),
        ("FAB_API_MAX_PAGE_SIZE", 1000, "at most 100"),
        ("MAX_CONTENT_LENGTH", None, "MAX_CONTENT_LENGTH"),
        ("FAB_SAFE_REDIRECT_HOSTS", [], "FAB_SAFE_REDIRECT_HOSTS"),
    ],
)
def test_other_unsafe_settings(app, monkeypatch, name, value, sentence):
    monkeypatch.setitem(app.config, name, value)
    with pytest.raises(UnsafeSettingsError, match=sentence):
        assert_safe(app)


def test_production_is_stricter(app, monkeypatch):
    monkeypatch.setitem(app.config, "ENVIRONMENT", "production")
    with pytest.raises(UnsafeSettingsError) as refused:
        assert_safe(app)
    for word in ("SESSION_COOKIE_SECURE", "QUANHENG_HOSTS", "QUANHENG_MAIL", "__Host-session"):
        assert word in str(refused.value)


def test_the_settings_of_the_tests_are_safe(app):
    assert_safe(app)
