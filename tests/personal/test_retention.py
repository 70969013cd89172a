"""Handing out, closing, erasing, and what goes by itself (PIPL 19, 45, 47, 57; TRUST section 4, check (d))."""

from __future__ import annotations

import io
import itertools
import json
import os
import zipfile
from datetime import timedelta

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import func, select
from sqlalchemy import text as sql

from app import clock, filestore
from app.access.principal import as_system
from app.channels.deliver import deliver
from app.errors import InvalidInputError
from app.operations import account as accounts
from app.operations.codes import send_code
from app.operations.personal import account_named, affected, export_person
from app.operations.retention import ERASED, erase_on_request, referenced, run_retention, sweep_files
from models import Account, Appointment, Attachment, AuditLog, Consent, Instrument, Message, Unit, UnitContact
from models.enums import AccountKind, AccountState, Role
from models.types import blind_index
from tests.client import log_in, login, post, text, token, visitor
from tests.personal.states import over, unverify
from tests.personal.support import confirm, dump_of
from tests.world import PASSWORD, booked, new_unit

_numbers = itertools.count(1)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def unit(app, world, session):
    """A fresh unit with a person whose every field is filled, a phone code under way and a photograph."""
    nick = f"ret{next(_numbers)}"
    new_unit(world, nick, "440103", "recA", "A")
    with as_system("test"):
        account = session.get(Account, world.people[nick])
        number = f"44010319900307{account.id % 10_000:04d}"
        account.id_number, account.id_number_index = number, blind_index(number)
        account.gender, account.address, account.employer = "女", f"北京路9号{account.id}室", "某单位"
        session.add(UnitContact(unit_id=account.unit_id, name="李四", phone="13500001111"))
        papers = [
            accounts.Paper("photo", "照片", "照片.png", PNG + nick.encode() * 9),
            accounts.Paper("licence", "证照", "证照.png", PNG + b"licence" + nick.encode()),
        ]
        accounts.store_papers(session, account, papers)
        send_code(session, purpose="login", phone=account.phone)
        session.commit()
        deliver(session)
    return nick


def row(session, world, nick) -> Account:
    session.expire_all()
    return session.execute(select(Account).where(Account.id == world.people[nick])).unique().scalar_one()


def close(session, world, nick) -> None:
    from app.workflow import ACCOUNT, fire

    with world.acting(nick) as actor:
        fire(session, ACCOUNT, world.people[nick], "close", actor)
        session.commit()


# -- export -----------------------------------------------------------------------------------------------------------


def test_a_person_takes_the_own_data_along(app, world, session, unit):
    client = login(app, world, unit)
    asked = client.get("/me/data")
    assert asked.status_code == 303
    assert "/me/confirm" in asked.location
    confirm(app, world.people[unit])
    page = text(client.get("/me/data"))
    assert "导出" in page
    answer = post(client, "/me/data/export")
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        data = json.loads(archive.read("个人数据.json"))
        files = sorted(n for n in archive.namelist() if n.startswith("文件/"))
    with as_system("test"):
        account = row(session, world, unit)
        said = json.dumps(data, ensure_ascii=False)
        for value in (account.name, account.phone, account.id_number, account.email, account.address):
            assert value in said
        assert account.user.password not in said
        assert account.phone_index not in said
    assert len(files) == 3
    assert {"账号", "登录用户", "同意记录", "登录设备", "文件", "站内信", "办理记录", "操作日志"} <= set(data)
    assert data["登录用户"]["用户名"] == world.names[unit]


def test_the_export_holds_nothing_of_others(app, world, session, unit):
    with as_system("test"):
        data = export_person(session, row(session, world, unit))
        others = [a.phone for a in session.execute(select(Account)).unique().scalars() if a.phone]
        own = row(session, world, unit).phone
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        said = archive.read("个人数据.json").decode()
    assert own in said
    assert [p for p in others if p != own and p in said] == []


def test_whom_a_breach_affects(app, world, session, unit):
    begin = clock.now() - timedelta(seconds=1)
    with as_system("test"):
        export_person(session, row(session, world, unit))
        session.commit()
    found = affected(session, begin, clock.now() + timedelta(seconds=5))
    mine = [(f.entity, f.field) for f in found if f.entity_id == str(world.people[unit])]
    assert mine == [("account", "all")]
    assert not [
        f for f in affected(session, begin - timedelta(days=9), begin) if f.entity_id == str(world.people[unit])
    ]


# -- closing ----------------------------------------------------------------------------------------------------------


def test_closing_says_what_stays_and_logs_out(app, world, session, unit):
    client = login(app, world, unit)
    confirm(app, world.people[unit])
    page = text(client.get("/me/close"))
    assert "依法保留" in page
    refused = post(client, "/me/close", page="/me/close")
    assert refused.status_code == 422
    assert "请勾选确认后再注销。" in text(refused)
    done = post(client, "/me/close", {"sure": "y"}, page="/me/close")
    assert (done.status_code, done.location) == (303, "/")
    assert client.get("/me").status_code == 302
    with as_system("test"):
        closed = row(session, world, unit)
        assert (closed.state, closed.phone_index, closed.unit.active) == (AccountState.CLOSED, None, False)
        assert closed.phone, "erased later, when the days of the profile are over"
    assert log_in(visitor(app), world.names[unit], PASSWORD).status_code != 302


def test_open_business_keeps_the_account(app, world, session, unit):
    booked(world, unit)
    client = login(app, world, unit)
    confirm(app, world.people[unit])
    assert "尚有未办结事项（1项），暂不能注销。" in text(client.get("/me/close"))
    address = {"sure": "y", "csrf_token": token(client)}
    assert client.post("/me/close", data=address).status_code == 422
    with as_system("test"):
        assert row(session, world, unit).state == AccountState.ACTIVE
        with pytest.raises(InvalidInputError, match="尚有未办结事项"):
            erase_on_request(session, row(session, world, unit), "本人来信申请，2026年第3号")
        session.rollback()


@pytest.mark.parametrize("nick", ["adm", "recA", "regA1"])
def test_issued_accounts_are_not_closed_by_their_holders(app, world, nick):
    client = login(app, world, nick)
    confirm(app, world.people[nick])
    assert client.get("/me/close").status_code == 403
    assert "/me/close" not in text(client.get("/me/data"))


# -- erasing ----------------------------------------------------------------------------------------------------------


def marks_of(account: Account) -> set[str]:
    """Every form in which the person is in the database: clear, and as a blind index."""
    plain = {account.phone, account.id_number, account.email, account.user.username, account.address}
    return {*plain, *(blind_index(value) for value in plain)}


def test_after_erasure_no_table_knows_the_person(app, world, session, unit):
    order = over(world, unit)
    with as_system("test"):
        account = row(session, world, unit)
        pk, unit_id, user_id, marks, phone = (
            account.id,
            account.unit_id,
            account.user_id,
            marks_of(account),
            account.phone,
        )
        papers = session.execute(select(Attachment).where(Attachment.owner_id == pk)).scalars()
        kept = {a.sha256 for a in papers if a.kind != "authorisation"}  # that one is every unit's of this world
        instruments = session.scalar(select(func.count()).where(Instrument.unit_id == unit_id))
        erase_on_request(session, account, "本人来信申请，2026年第3号")
        session.commit()
    dump = dump_of(app.config["SQLALCHEMY_DATABASE_URI"])
    hits = {name: [m for m in marks if m in body] for name, body in dump.items() if any(m in body for m in marks)}
    assert hits == {}
    with as_system("test"):
        gone = row(session, world, unit)
        assert (gone.name, gone.state, gone.phone) == (ERASED, AccountState.CLOSED, None)
        assert gone.erased_at is not None
        assert session.get(User, user_id).first_name == ERASED
        last = session.get(Unit, unit_id)
        assert (last.contact_name, last.contact_phone, last.name != "") == (ERASED, None, True)
        assert session.scalar(select(func.count()).where(UnitContact.unit_id == unit_id)) == 0
        assert session.get(Appointment, order.id).contact_phone != phone
        assert session.scalar(select(func.count()).where(Instrument.unit_id == unit_id)) == instruments > 0
        assert session.scalar(select(func.count()).where(Message.account_id == pk)) == 0
        consents = session.execute(select(Consent).where(Consent.account_id == pk)).scalars().all()
        assert consents
        assert all(c.ip is None for c in consents)
        line = session.execute(
            select(AuditLog).where(AuditLog.action == "erase_personal_data", AuditLog.entity_id == str(pk))
        ).scalar_one()
        assert line.detail["reason"].startswith("本人来信申请")
        assert referenced(session, sorted(kept)) == set()
    assert not any(filestore.path_of(digest).exists() for digest in kept)


def test_a_unit_with_other_people_keeps_its_contact(app, world, session, unit):
    with as_system("test") as system:
        made, link = accounts.issue_account(
            session,
            system,
            kind=AccountKind.REGULATOR,
            username=f"other{next(_numbers)}x{os.getpid()}",
            name="同事",
            roles=[Role.REG],
            area="4401",
        )
        accounts.activate(session, link, PASSWORD)
        account = row(session, world, unit)
        # a colleague of the same unit, whatever way he came in
        session.execute(
            sql("UPDATE account SET kind = 'enterprise', roles = '{SUB}', unit_id = :u, area = NULL WHERE id = :i"),
            {"u": account.unit_id, "i": made.id},
        )
        session.execute(sql("UPDATE unit SET contact_name = '陈主任' WHERE id = :u"), {"u": account.unit_id})
        session.commit()
        other = session.get(Unit, account.unit_id, populate_existing=True)
        other.contact_phone = "13800009999"
        session.commit()
        erase_on_request(session, row(session, world, unit), "本人来信申请，2026年第4号")
        session.commit()
        left = session.get(Unit, other.id, populate_existing=True)
        assert (left.contact_name, left.contact_phone) == ("陈主任", "13800009999")
        assert session.scalar(select(func.count()).where(UnitContact.unit_id == left.id)) == 1


def test_the_last_administrator_stays(app, world, session):
    with as_system("test"):
        admins = session.execute(
            select(Account).where(Account.roles.contains(["ADM"]), Account.state == AccountState.ACTIVE)
        )
        found = admins.unique().scalars().all()
        if len(found) > 1:
            pytest.skip("several administrators in this database")
        with pytest.raises(InvalidInputError, match="最后一个系统管理员"):
            erase_on_request(session, found[0], "本人来信申请，2026年第5号")
        session.rollback()


# -- retention --------------------------------------------------------------------------------------------------------


def test_closed_accounts_are_erased_when_their_days_are_over(app, world, session, unit):
    close(session, world, unit)
    run_retention(session)
    with as_system("test"):
        assert row(session, world, unit).erased_at is None, "not before the days of the profile are over"
    with clock.frozen(clock.now() + timedelta(days=31)):
        assert run_retention(session, dry_run=True)["closed"] >= 1
        with as_system("test"):
            assert row(session, world, unit).erased_at is None, "a dry run writes nothing"
        assert run_retention(session)["closed"] >= 1
        with as_system("test"):
            assert row(session, world, unit).name == ERASED
        assert run_retention(session)["closed"] == 0, "once"


def test_photographs_go_and_licences_stay(app, world, session, unit):
    pk = world.people[unit]

    def kinds() -> set[str]:
        session.expire_all()
        with as_system("test"):
            return set(session.execute(select(Attachment.kind).where(Attachment.owner_id == pk)).scalars())

    assert {"photo", "licence"} <= kinds()
    with clock.frozen(clock.now() + timedelta(days=29)):
        run_retention(session)
        assert "photo" in kinds()
    with clock.frozen(clock.now() + timedelta(days=31)):
        assert run_retention(session)["papers"] >= 1
        assert "photo" not in kinds()
        assert "licence" in kinds()


def test_registrations_nobody_verified_go_whole(app, world, session, unit):
    with as_system("test"):
        account = row(session, world, unit)
        pk, user_id, unit_id = account.id, account.user_id, account.unit_id
        marks = marks_of(account)
        session.execute(sql("UPDATE unit SET active = false WHERE id = :u"), {"u": unit_id})
        unverify(pk)
    run_retention(session)
    with as_system("test"):
        assert session.scalar(select(func.count()).where(Account.id == pk)) == 1, "seven days are not over"
    with clock.frozen(clock.now() + timedelta(days=8)):
        assert run_retention(session)["unverified"] >= 1
    with as_system("test"):
        assert session.scalar(select(func.count()).where(Account.id == pk)) == 0
        assert session.scalar(select(func.count()).where(User.id == user_id)) == 0
        assert session.scalar(select(func.count()).where(Unit.id == unit_id)) == 0
    dump = dump_of(app.config["SQLALCHEMY_DATABASE_URI"])
    # codes and kept messages have a short life of their own
    left = {k: v for k, v in dump.items() if k not in {"public.verification_code", "public.development_mail"}}
    assert [name for name, body in left.items() if any(m in body for m in marks)] == []


def test_uploads_that_nothing_refers_to_go(app, world, session, unit):
    stray, young = filestore.put(b"nobody needs this", private=True), filestore.put(b"just uploaded", private=True)
    with as_system("test"):
        kept = session.execute(
            select(Attachment.sha256).where(Attachment.owner_id == world.people[unit], Attachment.kind == "licence")
        ).scalar_one()
        old = clock.now().timestamp() - 3 * 86_400
        for digest in (stray, kept):
            os.utime(filestore.path_of(digest), (old, old))
        assert sweep_files(session, dry_run=True) >= 1
        assert filestore.path_of(stray).exists()
        sweep_files(session)
    assert not filestore.path_of(stray).exists()
    assert filestore.path_of(young).exists()
    assert filestore.path_of(kept).exists()
    again = filestore.put(b"nobody needs this", private=True)
    os.utime(filestore.path_of(again), (old, old))
    filestore.put(b"nobody needs this", private=True)
    assert filestore.age(again) < 60, "asked for again: its days count from now"


def test_the_commands(app, world, session, unit, tmp_path):
    runner = app.test_cli_runner()
    out = tmp_path / "person.zip"
    done = runner.invoke(args=["personal", "export", world.names[unit], "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.stat().st_mode & 0o777 == 0o600
    assert zipfile.is_zipfile(out)
    day = f"{clock.today():%Y-%m-%d}"
    read = runner.invoke(args=["personal", "affected", "--from", day, "--to", f"{day}T23:59"])
    assert read.exit_code == 0, read.output
    assert f"account {world.people[unit]} all" in read.output
    tried = runner.invoke(args=["personal", "retention", "--dry-run"])
    assert "将清除：" in tried.output
    keys = runner.invoke(args=["personal", "keys"])
    assert "当前密钥：k" in keys.output
    unknown = runner.invoke(args=["personal", "erase", "nobody-here", "--reason", "本人来信申请第6号", "--yes"])
    assert (unknown.exit_code, "没有账号" in unknown.output) == (1, True)
    gone = runner.invoke(args=["personal", "erase", world.names[unit], "--reason", "本人来信申请第7号", "--yes"])
    assert gone.exit_code == 0, gone.output
    with as_system("test"), pytest.raises(InvalidInputError):
        account_named(session, world.names[unit])
