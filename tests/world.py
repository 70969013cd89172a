"""The fixture world of ROLES section 5: a province, two cities, counties, institutes at each level, units, people.

Everything is made through the operations that people use, so the world is one that can exist. Unique names carry a
running number, so that one database can hold several worlds.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace

from sqlalchemy import select

from app import clock
from app.access.load import account_by_id, principal_of
from app.access.principal import Principal, acting_as, as_system
from app.channels.deliver import deliver
from app.operations import account as accounts
from app.operations.appointment import book
from app.operations.certificate import publish_certificate, record_result
from app.operations.filing import submit_filings
from app.operations.institute import all_categories, authorise, create_institute, next_workdays, open_slots
from app.operations.instrument import add_instrument
from app.workflow import ACCOUNT, APPOINTMENT, CERTIFICATE, FILING, ITEM, fire
from models import Account, AppointmentItem, Category, Filing, Instrument, Slot
from models.base import db
from models.enums import AccountKind, Role

PASSWORD = "Zhongqiu-Yuebing-26"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64
_numbers = itertools.count(int.from_bytes(os.urandom(3)) % 500_000)
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)


def uscc(number: int) -> str:
    """A made-up but valid 统一社会信用代码."""
    body = f"91440101MA{number:07d}"
    total = sum(_ALPHABET.index(c) * w for c, w in zip(body, _WEIGHTS, strict=True))
    return body + _ALPHABET[(31 - total % 31) % 31]


def id_number(number: int) -> str:
    """A made-up but valid 身份证号."""
    body = f"4401031990{number % 12 + 1:02d}{number % 28 + 1:02d}{number % 1000:03d}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]


def citizen(number: int) -> str:
    """A made-up but valid 公民身份证号码."""
    day, order = divmod(number, 1000)
    body = f"440103{1950 + day % 50}{1 + day // 50 % 12:02d}{1 + day // 600 % 28:02d}{order:03d}"
    total = sum(int(c) * w for c, w in zip(body, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    return body + "10X98765432"[total % 11]


@dataclass
class World:
    """Ids and principals; `people` maps a nickname to an account id, `institutes` and `units` to theirs."""

    people: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    institutes: dict[str, int] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)

    def principal(self, who: str) -> Principal:
        return principal_of(account_by_id(db.session(), self.people[who]))

    def acting(self, who: str):
        return acting_as(self.principal(who))


def person(world: World, nick: str, kind: AccountKind, roles: list[Role], **more) -> int:
    """Issue an account and activate it with PASSWORD."""
    username = f"{nick}{next(_numbers)}"
    session = db.session()
    with as_system("fixture") as system:
        made, token = accounts.issue_account(
            session, system, kind=kind, username=username, name=f"员{nick}", roles=roles, **more
        )
        accounts.activate(session, token, PASSWORD)
        session.commit()
    world.people[nick], world.names[nick] = made.id, username
    return made.id


def new_institute(world: World, nick: str, division: str, *, capacity: int = 500) -> int:
    session, number = db.session(), next(_numbers)
    with as_system("fixture"):
        made = create_institute(
            session,
            name=f"{nick}计量检定所{number}",
            code=f"{nick}{number}"[:8],
            division_code=division,
            address="解放路1号",
            phone="020-12345678",
        )
        authorise(session, made, all_categories(session))
        open_slots(session, made, next_workdays(session, clock.today(), 5), capacity=capacity)
        session.commit()
    world.institutes[nick] = made.id
    return made.id


def new_unit(world: World, nick: str, division: str, reviewer: str, institute: str) -> int:
    """Register a unit on the portal's path and approve it as the institute's receptionist."""
    session, number = db.session(), next(_numbers)
    email, code = f"{nick}{number}@example.com", uscc(number)
    form = {
        "unit_name": f"{nick}加油站有限公司{number}",
        "code": code,
        "division_code": division,
        "address": "人民路2号",
        "contact_name": "王小明",
        "phone": f"139{number:08d}",
        "email": email,
        "username": f"{nick}{number}",
        "password": PASSWORD,
        "password_again": PASSWORD,
        "institute_id": str(world.institutes[institute]),
        "agree": "1",
        "email_code": mail_code(email),
    }
    papers = {k: accounts.Paper(k, label, f"{k}.png", PNG) for k, label in accounts.PAPERS.items()}
    account = accounts.register_unit(session, form, papers)
    session.commit()
    with world.acting(reviewer) as actor:
        fire(session, ACCOUNT, account.id, "approve", actor)
        session.commit()
    world.people[nick], world.units[nick], world.codes[nick] = account.id, account.unit_id, code
    world.names[nick] = form["username"]
    return account.unit_id


def mail_code(email: str) -> str:
    """Ask for a code and read it from the development mails."""
    import re

    from app.operations.codes import send_code
    from models import DevelopmentMail

    session = db.session()
    send_code(session, email=email, purpose="register")
    session.commit()
    with as_system("fixture"):
        while deliver(session):  # other tests may have left more than one round carries
            pass
        body = session.scalar(
            select(DevelopmentMail.body).where(DevelopmentMail.recipient == email).order_by(DevelopmentMail.id.desc())
        )
    return re.search(r"\d{6}", body).group()


def build_world() -> World:
    """City A 4401 (counties 440103, 440104), city B 4403 (county 440304); institutes; units a1 a2 (440103) and b1."""
    world = World()
    person(world, "adm", AccountKind.ADMIN, [Role.ADM])
    person(world, "aud", AccountKind.AUDITOR, [Role.AUD])
    person(world, "sec", AccountKind.SECURITY, [Role.SEC])
    for nick, division in (("P", "440000"), ("A", "440100"), ("A1", "440103"), ("A2", "440104"), ("B", "440300")):
        new_institute(world, nick, division)
    staff = (("rec", Role.REC), ("ver", Role.VER), ("chk", Role.VER), ("apr", Role.APR), ("img", Role.IMG))
    for place in ("A", "A1", "B", "P"):
        for nick, role in staff:
            person(world, f"{nick}{place}", AccountKind.INSTITUTE, [role], institute_id=world.institutes[place])
    for nick, area in (("regP", "44"), ("regA", "4401"), ("regA1", "440103"), ("regA2", "440104"), ("regB", "4403")):
        person(world, nick, AccountKind.REGULATOR, [Role.REG], area=area)
    new_unit(world, "ua1", "440103", "recA", "A")
    new_unit(world, "ua2", "440103", "recA", "A")
    new_unit(world, "ub1", "440304", "recB", "B")
    people_of_bodies(world)
    return world


def people_of_bodies(world: World) -> None:
    """A sub-user of ua1, a person of nobody, a person linked to ua1, and an expert."""
    from app.operations.affiliation import request_link
    from app.operations.subaccount import invite_sub
    from app.workflow import AFFILIATION

    session = db.session()
    with world.acting("ua1") as actor:
        sub, token = invite_sub(session, actor, name="员sub1", phone=f"136{next(_numbers):08d}")
        accounts.activate(session, token, PASSWORD)
        session.commit()
        world.people["sub1"], world.names["sub1"] = sub.id, sub.user.username
    for nick in ("ind", "aff1"):
        person(world, nick, AccountKind.INDIVIDUAL, [Role.IND], phone=f"135{next(_numbers):08d}")
    number = next(_numbers)
    person(
        world,
        "exp",
        AccountKind.EXPERT,
        [Role.EXP],
        phone=f"134{number:08d}",
        id_number=id_number(number),
        specialty="质量",
    )
    with world.acting("aff1") as actor:
        link = request_link(session, actor, world.codes["ua1"])
        session.commit()
    with world.acting("ua1") as actor:
        fire(session, AFFILIATION, link.id, "approve", actor)
        session.commit()


def category(level2: str = "非自动衡器") -> Category:
    return db.session.execute(select(Category).where(Category.level2 == level2)).scalar_one()


def instrument(world: World, unit: str, division: str = "440103", **more) -> Instrument:
    """A new electronic scale in the unit's ledger, not yet filed."""
    values = {
        "name": "电子计价秤",
        "category_id": category().id,
        "serial_no": f"S{next(_numbers):06d}",
        "model": "ACS-30",
        "use_division": division,
        "place": "农贸市场1号",
        "purpose": "trade",
        "delivery_mode": "onsite",
        "manufacturer": "大华",
        "origin": "domestic",
        "quantity": 1,
        **more,
    }
    with world.acting(unit) as actor:
        made = add_instrument(db.session(), actor, values)
        db.session.commit()
    return made


def filed(world: World, unit: str, institute: str = "A", **more) -> Instrument:
    """An instrument whose filing the institute has approved."""
    made = instrument(world, unit, **more)
    session = db.session()
    with world.acting(unit) as actor:
        data = {"institute_id": world.institutes[institute], "declaration": True}
        result = submit_filings(session, actor, [made.id], data)
        assert result.done == [made.id], result.skipped
        session.commit()
    with world.acting(f"rec{institute}") as actor:
        filing = session.execute(select(Filing).where(Filing.instrument_id == made.id)).scalar_one()
        fire(session, FILING, filing.id, "approve", actor)
        session.commit()
    return made


def slot_of(world: World, institute: str, mode: str = "onsite") -> Slot:
    with as_system("fixture"):
        statement = select(Slot).where(
            Slot.institute_id == world.institutes[institute],
            Slot.mode == mode,
            # other tests close days and fill them
            Slot.day >= clock.today(),
            Slot.closed.is_(False),
            Slot.taken < Slot.capacity,
        )
        return db.session.execute(statement.order_by(Slot.day)).scalars().first()


def booked(world: World, unit: str, institute: str = "A", count: int = 1, **more) -> SimpleNamespace:
    """An accepted appointment; gives its id and the ids of instruments and items."""
    session = db.session()
    ids = [filed(world, unit, institute, **more).id for _ in range(count)]
    slot = slot_of(world, institute, more.get("delivery_mode", "onsite"))
    with world.acting(unit) as actor:
        made = book(session, actor, instrument_ids=ids, slot_id=slot.id)
        session.commit()
    with world.acting(f"rec{institute}") as actor:
        fire(session, APPOINTMENT, made.id, "accept", actor)
        session.commit()
        items = (
            session.execute(
                select(AppointmentItem.id).where(AppointmentItem.appointment_id == made.id).order_by(AppointmentItem.id)
            )
            .scalars()
            .all()
        )
    return SimpleNamespace(id=made.id, instruments=ids, items=items, number=made.number)


def result_form(conclusion: str = "pass", **more) -> dict:
    return {
        "conclusion": conclusion,
        "verified_on": clock.today(),
        "cycle_months": 12,
        "place": "农贸市场",
        "temperature": "20℃",
        "humidity": "50%RH",
        "readings": [["外观", "完好", "无损伤"], ["示值误差", "+1 g", "±5 g"]],
        "failures": "示值超差" if conclusion == "fail" else "",
        **more,
    }


def drafted(world: World, item: int, institute: str = "A", conclusion: str = "pass", **more) -> int:
    """Receive an item and record its result; gives the draft certificate's id."""
    session = db.session()
    with world.acting(f"rec{institute}") as actor:
        fire(session, ITEM, item, "receive", actor, {"checked": True})
        session.commit()
    with world.acting(f"ver{institute}") as actor:
        made = record_result(session, actor, item, result_form(conclusion, **more))
        session.commit()
    return made.id


def issued(world: World, item: int, institute: str = "A", conclusion: str = "pass", **more) -> int:
    """The whole way to an issued paper; gives the certificate's id."""
    session = db.session()
    pk = drafted(world, item, institute, conclusion, **more)
    for who, step in (("ver", "submit"), ("chk", "check"), ("apr", "issue")):
        with world.acting(f"{who}{institute}") as actor:
            fire(session, CERTIFICATE, pk, step, actor)
            session.commit()
    with as_system("fixture"):
        publish_certificate(session, pk)
        session.commit()
    return pk


__all__ = ["PASSWORD", "Account", "World", "booked", "build_world", "filed", "instrument", "issued", "timedelta"]
