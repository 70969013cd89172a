"""What the leak matrix needs: one row of every scoped model, and which rows each person may see.

A route's rows are found from the view's datamodel, or from the address of a plain page (ROWS). A route that takes an
argument and is in neither fails the test: new pages are covered, or noticed, without anybody adding them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import select

from app.access.load import account_by_id, principal_of
from app.access.principal import ANONYMOUS, Principal, as_system
from app.access.scope import SCOPES, predicate
from app.workflow.outgoing import message
from models import (
    Account,
    Affiliation,
    Appointment,
    AppointmentItem,
    AssignmentRule,
    Attachment,
    AuditLog,
    CalendarFeed,
    Certificate,
    Commission,
    DevelopmentMail,
    Filing,
    Instrument,
    Job,
    Message,
    RecoveryRequest,
    Reminder,
    SavedView,
    Slot,
    Task,
    Unit,
    UnitChange,
    UnmatchedRecord,
)
from models.base import db

ROWS: dict[str, type] = {
    "instruments": Instrument,
    "filings": Filing,
    "appointments": Appointment,
    "items": AppointmentItem,
    "certificates": Certificate,
    "accounts": Account,
    "units": Unit,
    "jobs": Job,
    "bulk": Job,
    "verification-records": Job,
    "transfer": Instrument,
    "filing-change": Instrument,
    "imports": Job,
    "exports": Job,
    "files": Attachment,
    "views": SavedView,
    "messages": Message,
    "reminders": Reminder,
    "slots": Slot,
    "counter": Commission,
    "feeds": CalendarFeed,
    "book": Appointment,
    "mails": DevelopmentMail,
    "audit": AuditLog,
    "sessions": Account,  # of an account, for the security administrator
    "unmask": Account,  # of the kinds that fillers names; the others have tests of their own
}
PUBLIC_ARGUMENTS = {
    "static",
    "appbuilder.static",
    "text_size",
    "LocaleView.index",
    "portal.certificate",
    "portal.certificate_page",
}
"""Routes whose argument is no row's id: files, words, and the QR code's page, whose code is the permission."""
OPEN_PREFIXES = (
    "/login/with/",
    "/login/back/",
    "/captcha/",
    "/v/",
    "/d/",
    "/activate/",
    "/static/",
    "/text-size/",
    "/lang/",
    "/agreement",
    "/register/",
    "/texts/",
    "/site-files/",
    "/feed/",  # the address of a calendar is the permission
)
REFERENCE = re.compile(r"^/(institutes|capabilities|regulations|categories|calendar|divisions|help)\b")
"""Reference data, the same for everybody who may open the page."""


@dataclass(frozen=True)
class Route:
    """A rule of the URL map that takes a row's id."""

    endpoint: str
    rule: str
    methods: frozenset[str]
    model: type
    argument: str
    others: tuple[str, ...]

    def url(self, pk: object, fill: str = "x") -> str:
        address = re.sub(r"<(?:[^:<>]+:)?" + self.argument + ">", str(pk), self.rule)
        return re.sub(r"<[^<>]+>", fill, address)


def row_routes(app: Flask) -> tuple[list[Route], list[str]]:
    """(routes that take a row's id, rules that nobody knows)."""
    views = {type(v).__name__: v for v in app.appbuilder.baseviews}
    found, unknown = [], []
    for rule in app.url_map.iter_rules():
        if not rule.arguments or rule.endpoint in PUBLIC_ARGUMENTS or rule.rule.startswith(OPEN_PREFIXES):
            continue
        if REFERENCE.match(rule.rule) or rule.rule.startswith("/api/v1/menu"):
            continue
        view = views.get(rule.endpoint.split(".")[0])
        model = getattr(getattr(view, "datamodel", None), "obj", None) or ROWS.get(rule.rule.split("/")[1])
        if model is None:
            unknown.append(rule.rule)
            continue
        if model not in SCOPES:
            continue
        names = [a for a in ("pk", "job_id", "attachment_id", "row", "id") if a in rule.arguments]
        argument = names[0] if names else min(rule.arguments)
        others = tuple(sorted(rule.arguments - {argument}))
        methods = frozenset(rule.methods or ()) - {"HEAD", "OPTIONS"}
        found.append(Route(rule.endpoint, rule.rule, methods, model, argument, others))
    return found, unknown


def share(names: list[str], person: int) -> list[str]:
    """The steps that this person tries on each route: all of them.

    While one works on something else, QUANHENG_LEAKS=third halves the time: a third of the steps, at least two, another
    third for the next person, so that every step is still tried on every route by seven people and more."""
    if os.environ.get("QUANHENG_LEAKS") != "third" or len(names) <= 2:
        return names
    turned = names[person % 3 :] + names[: person % 3]
    return turned[:: 3 if len(names) > 4 else 2]


def plain_routes(app: Flask) -> list[str]:
    """Addresses without arguments that answer GET."""
    return sorted({r.rule for r in app.url_map.iter_rules() if not r.arguments and "GET" in (r.methods or ())})


def principals(world: Any) -> dict[str, Principal]:
    """Everybody of the world, and the public."""
    accounts = {nick: account_by_id(db.session(), pk) for nick, pk in world.people.items()}
    people = {nick: principal_of(a) for nick, a in accounts.items() if a is not None}  # other modules erase some
    return {**people, "anon": ANONYMOUS}


def visible(model: type, principal: Principal) -> set[object]:
    """Keys of the rows that the predicate gives the principal, computed apart from any page."""
    pk = model.__mapper__.primary_key[0]
    statement = select(pk).where(predicate(model, principal)).execution_options(unscoped=True)
    return set(db.session.execute(statement).scalars())


def secrets_of(world: Any, rows: dict[type, object]) -> Iterator[tuple[type, object, str]]:
    """(model, key, a text that only this row's readers may read), for the matrix's own rows: their texts are unique."""
    with as_system("the matrix reads everything to know what must stay hidden"):
        instrument = db.session.get(Instrument, rows[Instrument])
        yield Instrument, instrument.id, instrument.serial_no
        yield Appointment, rows[Appointment], str(db.session.get(Appointment, rows[Appointment]).number)
        yield Certificate, rows[Certificate], str(db.session.get(Certificate, rows[Certificate]).number)
        yield Attachment, rows[Attachment], str(rows[Attachment])
        yield Message, rows[Message], db.session.get(Message, rows[Message]).subject
        yield Job, rows[Job], db.session.get(Job, rows[Job]).title
        yield Unit, rows[Unit], db.session.get(Unit, rows[Unit]).name
        result = db.session.get(UnmatchedRecord, rows[UnmatchedRecord])
        yield UnmatchedRecord, result.id, result.certificate_no
        yield Commission, rows[Commission], str(db.session.get(Commission, rows[Commission]).number)
        yield Task, rows[Task], str(db.session.get(Task, rows[Task]).readings[0])


def one_of_each(world: Any) -> dict[type, object]:
    """Make sure unit ua1 has a row of every model that routes can name; gives model → key."""
    from datetime import date, timedelta

    from app import clock
    from app.operations.reminders import run_reminders
    from tests.world import booked, issued

    session = db.session()
    order = booked(world, "ua1")
    certificate = issued(world, order.items[0])
    account = world.people["ua1"]
    with as_system("matrix fixture"):
        number = session.get(Instrument, order.instruments[0]).serial_no
        message(session, account, f"机密消息{number}", key=f"matrix-{number}")
        job = Job(
            kind="ledger_import",
            state="failed",
            title=f"机密任务{number}.xlsx",
            account_id=account,
            unit_id=world.units["ua1"],
            phase="check",
            params={"sha256": "0" * 64},
        )
        session.add(job)
        run_reminders(session, clock.today() + timedelta(days=360))
        session.commit()
        paper = session.execute(
            select(Attachment.id).where(Attachment.unit_id == world.units["ua1"]).limit(1)
        ).scalar_one()
        said = session.execute(select(Message.id).where(Message.subject == f"机密消息{number}")).scalar_one()
        reminder = session.execute(
            select(Reminder.id).where(Reminder.instrument_id == order.instruments[0]).limit(1)
        ).scalar_one_or_none()
        filing = session.execute(select(Filing.id).where(Filing.instrument_id == order.instruments[0])).scalar_one()
        slot = session.execute(select(Slot.id).where(Slot.institute_id == world.institutes["A"]).limit(1)).scalar_one()
        mail = session.execute(select(DevelopmentMail.id).limit(1)).scalar_one()
        log = session.execute(select(AuditLog.seq).limit(1)).scalar_one()
        link = session.execute(
            select(Affiliation.id).where(Affiliation.unit_id == world.units["ua1"]).limit(1)
        ).scalar_one_or_none()
        asked = RecoveryRequest(
            state="waiting",
            kind="body",
            name="找回账号的单位",
            phone="13912340000",
            account_id=account,
            requested_at=clock.now(),
            due_at=clock.now(),
        )
        change = UnitChange(
            state="withdrawn",
            unit_id=world.units["ua1"],
            account_id=account,
            reviewer_institute_id=world.institutes["A"],
            changes={},
        )
        kept = SavedView(account_id=account, list_name="InstrumentView", name=f"机密筛选{number}", columns=[])
        feed = CalendarFeed(
            account_id=account, kind="due", token_hash=f"{int(number[1:]):064x}", revoked_at=clock.now()
        )
        rule = AssignmentRule(
            position=999,
            division_prefix="440103",
            institute_id=world.institutes["A1"],
            valid_from=clock.today(),
            active=False,
        )
        result = UnmatchedRecord(
            state="pending",
            source="form",
            institute_id=world.institutes["A"],
            unit_id=world.units["ua1"],
            unit_code=world.codes["ua1"],
            unit_name="机密单位",
            use_division="440103",
            certificate_no=f"SECRET{number}",
            instrument_name="电子计价秤",
            serial_no=f"SECRET{number}",
            conclusion="pass",
            verified_on=clock.today(),
        )
        session.add(result)
        session.add_all([asked, change, kept, feed, rule])
        session.commit()
        recovery, changed, saved, unfound = asked.id, change.id, kept.id, result.id
        calendar, ruled = feed.id, rule.id
    assert isinstance(clock.today(), date)
    return {
        Instrument: order.instruments[0],
        Filing: filing,
        Appointment: order.id,
        AppointmentItem: order.items[0],
        Certificate: certificate,
        Account: account,
        Unit: world.units["ua1"],
        Job: job.id,
        Attachment: paper,
        Message: said,
        Reminder: reminder,
        Slot: slot,
        DevelopmentMail: mail,
        AuditLog: log,
        Affiliation: link,
        RecoveryRequest: recovery,
        UnitChange: changed,
        SavedView: saved,
        UnmatchedRecord: unfound,
        CalendarFeed: calendar,
        AssignmentRule: ruled,
        **at_the_counter(world),
    }


def at_the_counter(world: Any) -> dict[type, object]:
    """A visit of ua1 that was received, and its task with something measured."""
    from app.workflow import COMMISSION, bear, fire
    from app.workflow.commission_rules import TICKS
    from tests.world import booked

    session, order = db.session(), booked(world, "ua1")
    with world.acting("recA") as actor:
        head = session.get(Appointment, order.id)
        copied = {key: getattr(head, key) for key in ("unit_id", "institute_id", "use_division", "mode")}
        visit = Commission(appointment_id=head.id, bringer_name="王小明", bringer_phone="13800000000", **copied)
        bear(session, visit, "start", actor)
        line = {"item_id": order.items[0], "verdict": "receive", "ticks": [key for key, _word in TICKS]}
        fire(session, COMMISSION, visit.id, "check_line", actor, line)
        fire(session, COMMISSION, visit.id, "open", actor)
        session.commit()
        task = session.scalar(select(Task).where(Task.commission_id == visit.id))
        task.readings = [f"机密读数{order.number}"]
        session.commit()
        return {Commission: visit.id, Task: task.id}


def fingerprint(rows: dict[type, object]) -> dict[str, str]:
    """The stored content of the rows, so that a forbidden request can be shown to have changed nothing."""
    found = {}
    with as_system("the matrix compares before and after"):
        for model, key in rows.items():
            if key is None:
                continue
            table = model.__table__
            pk = next(iter(table.primary_key.columns))
            row = db.session.execute(select(table).where(pk == key)).first()
            found[model.__name__] = repr(row)
    return found
