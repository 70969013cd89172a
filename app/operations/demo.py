"""A demonstration world, built through the operations that people use, so it is one that can exist.

Bodies and people first, then each enterprise: registered by e-mail code, approved, its ledger imported from a
workbook, filed where the profile files, booked, verified. It lies in the region of the profile. Past acts are done with the
clock set to their day. Everything but the passwords follows from the seed; passwords are made now, told once and stored
only as hashes. All of it is one transaction: what goes wrong on the way leaves nothing behind.
"""

from __future__ import annotations

import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.access.load import account_by_id, principal_of
from app.access.principal import Principal, acting_as, as_system
from app.channels.deliver import JOBS, deliver
from app.documents.xlsx import write_rows
from app.errors import ConflictError, QuanhengError
from app.intake.fields import Field
from app.operations import account as accounts
from app.operations import demo_business as business
from app.operations import demo_names as names
from app.operations.certificate import publish_certificate
from app.operations.codes import send_code
from app.operations.demo_places import Region, region_for
from app.operations.institute import all_categories, authorise, create_institute, next_workdays, open_slots
from app.operations.job import run_job
from app.operations.ledger_fields import ledger_fields
from app.operations.ledger_import import confirm_import, start_import
from app.profiles import setting
from app.workflow import ACCOUNT, fire
from models.enums import AccountKind, Role
from models.job import ImportRow
from models.organisation import Institute
from models.outbox import DevelopmentMail

HISTORY = timedelta(days=900)
"""How long ago the institutes began; authorisations last five years from then."""
STAFF: tuple[tuple[str, str, tuple[Role, ...]], ...] = (
    ("rec", "受理员", (Role.REC,)),
    ("ver", "检定员", (Role.VER,)),
    ("chk", "核验员", (Role.VER,)),
    ("apr", "批准人", (Role.APR,)),
    ("img", "机构负责人", (Role.IMG,)),
)
PLATFORM: tuple[tuple[str, AccountKind, Role, str], ...] = (
    ("demoadmin", AccountKind.ADMIN, Role.ADM, "系统管理员"),
    ("demoaudit", AccountKind.AUDITOR, Role.AUD, "审计员"),
    ("demosafety", AccountKind.SECURITY, Role.SEC, "安全管理员"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """An account of the demonstration world with the password made for it."""

    role: str
    username: str
    password: str
    note: str


@dataclass(slots=True)
class Builder:
    """What the steps of the building share."""

    session: Session
    region: Region
    rng: Random
    progress: Callable[[int], None]
    people: list[Person]
    staff: dict[str, int]
    institutes: dict[str, int]
    told: float = 0.0
    shown: int = 0

    def acting(self, account_id: int) -> Principal:
        """What an account may act as now."""
        account = account_by_id(self.session, account_id)
        if account is None:
            raise ConflictError("演示数据装入期间账号被删除，请重新装入。")
        return principal_of(account)

    def advance(self, part: float) -> None:
        """Report `part` of 100; whole numbers only, 100 in all."""
        self.told += part
        whole = min(int(self.told + 1e-6), 100)
        if whole > self.shown:
            self.progress(whole - self.shown)
            self.shown = whole


def new_password() -> str:
    """Random, readable and within the rule of app/access/passwords.py."""
    alphabet = "23456789abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(3))


def region_here() -> Region:
    """Where the demonstration lies in this deployment; raises ConflictError where there is no world for its region."""
    root = str(setting("region", "root") or "")
    found = region_for(root)
    if found is None:
        raise ConflictError(
            f"没有为行政区划{root}准备的演示数据，请将 QUANHENG_PROFILE 设为 all 后，在一个空的数据目录中装入。"
        )
    return found


def loaded(session: Session) -> bool:
    """Whether the demonstration world is here already."""
    statement = select(Institute.id).where(Institute.name == region_here().institutes[0][1])
    return session.execute(statement).first() is not None


@contextmanager
def all_or_nothing(session: Session) -> Iterator[None]:
    """Inside, a commit only writes; the block ends with the one commit of all, or with nothing.

    Operations commit as they go, because people and jobs want their work kept. A demonstration half built would be worth
    nothing, and could not be built again beside its own remains. A rollback inside is the failure of the whole; the
    sentence is that of the error which led to it.
    """

    def write() -> None:
        session.flush()
        session.expire_all()

    def give_up() -> None:
        cause = sys.exception()
        if isinstance(cause, QuanhengError):
            raise ConflictError(cause.sentence) from cause
        raise ConflictError("演示数据装入时出错，请查看日志。") from cause

    own = {"commit": write, "rollback": give_up}
    vars(session).update(own)
    try:
        yield
    except BaseException:
        for name in own:
            vars(session).pop(name)
        session.rollback()
        raise
    for name in own:
        vars(session).pop(name)
    session.commit()


def load_demo(
    session: Session, *, units: int, instruments: int, seed: int, progress: Callable[[int], None]
) -> list[Person]:
    """Build the world and return its people; an empty list when it was built before (passwords are told once).

    `progress` is called with parts that sum to 100. Commits once, at the end. Raises ConflictError, leaving nothing behind,
    where mails really leave the house (the enterprises' addresses are invented) and where something goes wrong.
    """
    if current_app.config["MAIL_DRIVER"] != "development":
        raise ConflictError("演示数据只能装入使用开发邮件的平台，请将 QUANHENG_MAIL 设为 development。")
    if loaded(session):
        progress(100)
        return []
    JOBS.setdefault("publish_certificate", publish_certificate)  # no worker need have been imported
    builder = Builder(session, region_here(), Random(seed), progress, [], {}, {})
    with all_or_nothing(session):
        _build(builder, units, instruments)
    builder.advance(100 - builder.told)
    return builder.people


def _build(b: Builder, units: int, instruments: int) -> None:
    with clock.frozen(clock.now() - HISTORY), as_system("demonstration data"):
        _bodies(b)
    b.advance(8)
    shares = [instruments // units + (n < instruments % units) for n in range(units)] if units else []
    for number, share in enumerate(shares):
        _enterprise(b, number, share, 90 / max(units, 1))
    with as_system("the demonstration's own mails"):
        while deliver(b.session, 500):
            pass


# -- bodies and people -------------------------------------------------------------------------------------------------


def _bodies(b: Builder) -> None:
    today = clock.today()
    for username, kind, role, note in PLATFORM:
        _person(b, username, kind, [role], note, note)
    for division, name, code, address in b.region.institutes:
        made = create_institute(
            b.session,
            name=name,
            code=code,
            division_code=division,
            address=address,
            phone=f"{b.region.dialling}{b.rng.randint(1, 9)}-{b.rng.randint(2_000_000, 8_999_999)}",
            authorisation_no=f"（{b.region.sign}）法计（{today:%Y}）{division}号",
        )
        authorise(b.session, made, all_categories(b.session))
        area = accounts.area_of(division)
        b.institutes[area] = made.id
        for nick, word, roles in STAFF:
            pk = _person(
                b,
                f"{nick}{area}" if len(area) > 2 else f"{nick}{area}00",
                AccountKind.INSTITUTE,
                list(roles),
                names.person_name(b.rng),
                f"{word}，{name}",
                institute_id=made.id,
            )
            b.staff[f"{nick}{area}"] = pk
        b.session.commit()
    for area, body in b.region.regulators:
        username = f"reg{area}" if len(area) > 2 else f"reg{area}00"
        b.staff[f"reg{area}"] = _person(
            b, username, AccountKind.REGULATOR, [Role.REG], names.person_name(b.rng), body, area=area
        )
    b.session.commit()
    with clock.frozen(clock.now() + HISTORY):
        days = next_workdays(b.session, clock.today(), 30)
    for institute_id in b.institutes.values():
        institute = b.session.get(Institute, institute_id)
        assert institute is not None
        open_slots(b.session, institute, days, capacity=60)
    b.session.commit()


def _person(b: Builder, username: str, kind: AccountKind, roles: list[Role], name: str, note: str, **more: Any) -> int:
    password = new_password()
    chosen, number = username, 1
    while accounts.username_taken(b.session, chosen):
        number += 1
        chosen = f"{username}{number}"
    with as_system("demonstration data") as system:
        made, token = accounts.issue_account(
            b.session, system, kind=kind, username=chosen, name=name, roles=roles, **more
        )
        accounts.activate(b.session, token, password)
    from app.access.roles import LABELS

    b.people.append(Person("、".join(LABELS[r] for r in roles), chosen, password, note))
    return made.id


# -- one enterprise --------------------------------------------------------------------------------------------------


def _enterprise(b: Builder, number: int, share: int, part: float) -> None:
    county, start, street = b.region.places[number % len(b.region.places)]
    pattern, kinds = names.TRADES[number % len(names.TRADES)]
    home = next(area for area in (county, county[:4]) if area in b.institutes)
    begun = clock.now() - timedelta(days=b.rng.randint(700, 820), hours=b.rng.randint(0, 6))
    account_id = _register(b, number, county, start, street, pattern, home, begun)
    b.advance(part * 0.1)
    if not share:
        b.advance(part * 0.9)
        return
    with clock.frozen(begun + timedelta(days=2)):
        actor = b.acting(account_id)
        with acting_as(actor):
            rows = [_row(b.rng, kinds, county, street, number, place) for place in range(share)]
            _import(b, actor, rows, home)
    b.advance(part * 0.1)
    city = home[:4] if home[:4] in b.institutes else home
    place = business.Place(home, city, county)
    business.walk(b, account_id, place, begun, lambda share_done: b.advance(part * 0.8 * share_done))


def _register(
    b: Builder, number: int, county: str, start: str, street: str, pattern: str, home: str, begun: Any
) -> int:
    unit_name = names.company_name(b.rng, start, pattern, number)
    email, password = f"ent{number + 1:04d}@demo.example.com", new_password()
    username, serial = f"ent{number + 1:04d}", number + 1
    while accounts.username_taken(b.session, username):
        serial += 1000
        username = f"ent{serial:04d}"
    contact = names.person_name(b.rng)
    form = {
        "unit_name": unit_name,
        "code": names.company_code(b.rng, county),
        "division_code": county,
        "address": f"{street}{b.rng.randint(1, 299)}号",
        "contact_name": contact,
        "phone": f"15{b.rng.randint(0, 9)}{b.rng.randint(10_000_000, 99_999_999)}",
        "email": email,
        "username": username,
        "password": password,
        "password_again": password,
        "institute_id": str(b.institutes[home]),
        "agree": "1",
        "email_code": mail_code(b.session, email),
    }
    papers = {
        kind: accounts.Paper(kind, label, f"{label}.png", business.picture(unit_name, number))
        for kind, label in accounts.PAPERS.items()
    }
    with clock.frozen(begun), as_system("the mail's code was sent today, the registration stands on its day"):
        _redate_code(b.session, email)
        account = accounts.register_unit(b.session, form, papers)
        b.session.commit()
    with clock.frozen(begun + timedelta(hours=20)), acting_as(b.acting(b.staff[f"rec{home}"])) as actor:
        fire(b.session, ACCOUNT, account.id, "approve", actor)
        b.session.commit()
    b.people.append(Person("企业主账号", username, password, unit_name))
    return account.id


def mail_code(session: Session, email: str) -> str:
    """Ask for a code and read it from the development mails."""
    with as_system("the demonstration reads its own development mails"):
        send_code(session, email=email, purpose="register")
        session.commit()
        while deliver(session, 500):
            pass
        newest = (
            select(DevelopmentMail.body).where(DevelopmentMail.recipient == email).order_by(DevelopmentMail.id.desc())
        )
        found = re.search(r"\d{6}", session.scalar(newest) or "")
    if found is None:
        raise ConflictError("开发邮件没有送达，请检查后台任务后重新装入演示数据。")
    return found.group()


def _redate_code(session: Session, email: str) -> None:
    """The code belongs to the day of the registration."""
    from models.account import VerificationCode
    from models.types import blind_index

    row = (
        session.execute(
            select(VerificationCode)
            .where(VerificationCode.address_index == blind_index(email))
            .order_by(VerificationCode.id.desc())
        )
        .scalars()
        .first()
    )
    if row is not None:
        row.sent_at = clock.now()


def _row(rng: Random, kinds: tuple[names.Kind, ...], county: str, street: str, unit: int, place: int) -> dict[str, Any]:
    """One line of the workbook, by field."""
    kind = rng.choice(kinds)
    bought = clock.today() - timedelta(days=rng.randint(30, 1800))
    serial = f"{bought:%y%m}{unit + 1:03d}{place + 1:04d}"
    if kind.level1 in {"加油机", "加气机"} and setting("ledger", "gun_notation") == "serial_suffix":
        serial = f"{serial}({rng.randint(1, 4)}枪)"
    known = rng.random() < 0.5
    return {
        "name": rng.choice(kind.names),
        "level1": kind.level1,
        "level2": kind.level2,
        "model": rng.choice(kind.models),
        "measuring_range": kind.measuring_range,
        "accuracy_class": kind.accuracy,
        "serial_no": serial,
        "own_no": f"J-{place + 1:03d}" if rng.random() < 0.4 else "",
        "manufacturer": rng.choice(kind.makers),
        "origin": "进口" if rng.random() < 0.06 else "国产",
        "use_division": county,
        "place": f"{street}{kind.spot.format(n=place % 60 + 1)}",
        "purchased_on": bought,
        "installed_on": bought,
        "quantity": 1,
        "purpose": kind.purpose,
        "delivery_mode": kind.delivery,
        "valid_until": _typed_validity(rng) if known or "valid_until" in _demanded() else None,
        "note": "",
    }


def _demanded() -> set[str]:
    return {f.key for f in ledger_fields() if f.required or f.wanted}


def _typed_validity(rng: Random) -> date:
    """What an old certificate on paper said: most good for a while, some due about today, some past."""
    now = clock.today() + timedelta(days=760)  # about the real today: the ledger was kept up since
    return now + timedelta(days=rng.choice((rng.randint(60, 330), rng.randint(60, 330), rng.randint(-40, 70))))


def _import(b: Builder, actor: Principal, rows: list[dict[str, Any]], home: str) -> None:
    """The ledger comes in a workbook with the columns that this deployment knows."""
    institute = b.session.get(Institute, b.institutes[home])
    for row in rows:
        row["institute"] = institute.name if institute else ""
    fields = [f for f in ledger_fields() if f.key in rows[0]]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "台账.xlsx"
        write_rows(file, [f.label for f in fields], [[_cell(f, row[f.key]) for f in fields] for row in rows])
        job = start_import(b.session, actor, filename=file.name, data=file.read_bytes(), unattended=True)
    run_job(b.session, job.id)
    b.session.refresh(job)
    if job.counts.get("new"):
        confirm_import(b.session, actor, job.id)
        run_job(b.session, job.id)
    b.session.refresh(job)
    if job.counts.get("created") != len(rows):
        raise ConflictError(f"演示台账没有全部导入：{_first_problem(b.session, job.id)}{job.error or ''}")


def _cell(field: Field, value: Any) -> Any:
    """A choice as the workbook wants it: its word, or its number where the deployment codes them."""
    if not (field.choices and setting("ledger", "coded_fields")):
        return value
    return next((choice.code for choice in field.choices if choice.label == value), value)


def _first_problem(session: Session, job_id: int) -> str:
    """What the import said of the first row it refused."""
    refused = select(ImportRow).where(ImportRow.job_id == job_id, ImportRow.outcome == "refused")
    row = session.scalars(refused.order_by(ImportRow.position).limit(1)).first()
    told = [str(problem.get("text") or problem.get("message") or problem) for problem in row.problems] if row else []
    return "；".join(told)
