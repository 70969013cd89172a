"""What a unit is told of its reminders: one text per run, account and channel, with each instrument named.

Site messages are written by the run itself. Mails and text messages are composed when they are sent: an instrument
whose due date changed while the text waited (a certificate was issued, it was suspended) is left out, and when nothing
is left nothing is sent (I-9).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, column, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session

from app import clock
from app.channels import deliver
from app.profiles import profile, setting
from app.workflow.band import Scheme, filing_clock, scheme, watched
from app.workflow.outgoing import seal_sms
from models.account import Account
from models.enums import AccountState
from models.instrument import Instrument
from models.outbox import NO_RECORD, Message, Outbox, Reminder

LINES = {"site": 10, "mail": 50, "sms": 3}
"""Instruments named in one text; the rest is a number."""
LONGEST = 24
"""Characters of a name or number in a text."""
LINK = "/warnings/list/"
COMPOSER = "reminders"


@dataclass(frozen=True, slots=True)
class Batch:
    """The reminders of one unit in one run: ids between two numbers, among those written at one moment."""

    first: int
    last: int
    count: int


@dataclass(frozen=True, slots=True)
class Line:
    """One instrument in a text; `of` is how many reminders of the unit still hold."""

    unit_id: int
    name: str
    serial_no: str
    valid_until: date | None
    due_on: date
    threshold: int
    of: int


def tell_units(session: Session, batches: Mapping[int, Batch], on: date) -> None:
    """A site message per active account at once, mails and text messages queued; units without an active account cost
    nothing."""
    accounts = session.execute(
        select(Account.id, Account.unit_id, Account.email, Account.phone)
        .where(Account.unit_id == func.any(list(batches)), Account.state == AccountState.ACTIVE)
        .order_by(Account.unit_id, Account.id)
    ).all()
    if not accounts:
        return
    # two runs at the same time each write some of the rows: theirs are told apart by the time of the transaction
    at, serial = session.execute(text("SELECT now(), pg_current_xact_id()::text")).one()
    told = {account.unit_id for account in accounts}
    first = min(batches[unit_id].first for unit_id in told)
    found = still_true(session, told, first, at, LINES["site"])
    channels = [str(c) for c in setting("reminder", "channels")]
    texts = {unit_id: words(lines, on) for unit_id, lines in found.items()}
    messages, queued = [], []
    for account_id, unit_id, email, phone in accounts:
        if unit_id not in texts:
            continue
        subject, body = texts[unit_id]
        key = f"reminder-{unit_id}-{on}-{serial}"
        messages.append((account_id, key, subject, body[:1000], LINK))
        payload = {"compose": COMPOSER, "account": account_id, "unit": unit_id, "first": batches[unit_id].first}
        for channel in channels:
            if email if channel == "mail" else phone:
                own = {**payload, "channel": channel, "at": at.isoformat()}
                queued.append((channel, f"{channel}:{key}-{account_id}", own))
    _put(session, Message, ("account_id", "key", "subject", "body", "link"), messages, ["account_id", "key"])
    if _put(session, Outbox, ("channel", "key", "payload"), queued, ["key"]):
        session.info["outbox_filled"] = True


def _put(
    session: Session, model: type, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]], once: list[str]
) -> bool:
    """Insert many rows: all of them travel as one JSON text, whose length no planner and no driver minds."""
    if not rows:
        return False
    columns = [getattr(model, name) for name in names]
    given = (
        func.jsonb_to_recordset(
            cast(literal(json.dumps([dict(zip(names, row, strict=True)) for row in rows]), Text), JSONB)
        )
        .table_valued(*(column(name, c.type) for name, c in zip(names, columns, strict=True)))
        .render_derived(with_types=True)
    )
    statement = insert(model).from_select(list(names), select(*given.c))
    session.execute(statement.on_conflict_do_nothing(index_elements=once))
    return True


def holds(rules: Scheme) -> ColumnElement[bool]:
    """Whether a reminder still speaks of the instrument's due date, and to the unit that has it."""
    runs = filing_clock(rules)
    due = or_(
        and_(~runs, Instrument.valid_until == Reminder.due_on),
        and_(runs, Instrument.filed_on + rules.filing_due_days == Reminder.due_on),
        and_(Reminder.threshold == NO_RECORD, Instrument.valid_until.is_(None), Instrument.last_result.is_(None)),
    )
    return and_(watched(), Instrument.unit_id == Reminder.unit_id, due)


def still_true(session: Session, units: set[int], first: int, at: datetime, limit: int) -> dict[int, list[Line]]:
    """Up to `limit` instruments per unit, most urgent first, of the reminders written at `at` that still hold."""
    order = func.row_number().over(partition_by=Reminder.unit_id, order_by=(Reminder.due_on, Reminder.id))
    every = func.count().over(partition_by=Reminder.unit_id)
    rows = (
        select(
            Reminder.unit_id,
            Instrument.name,
            Instrument.serial_no,
            Instrument.valid_until,
            Reminder.due_on,
            Reminder.threshold,
            every.label("of"),
            order.label("place"),
        )
        .join(Instrument, Instrument.id == Reminder.instrument_id)
        .where(
            Reminder.unit_id == func.any(list(units)), Reminder.id >= first, Reminder.created_at == at, holds(scheme())
        )
        .subquery()
    )
    found: dict[int, list[Line]] = {}
    statement = select(*(c for c in rows.c if c.name != "place")).where(rows.c.place <= limit)
    for row in session.execute(statement.order_by(rows.c.unit_id, rows.c.place)):
        found.setdefault(row.unit_id, []).append(Line(*row))
    return found


def words(lines: list[Line], today: date) -> tuple[str, str]:
    """Subject and body of a digest."""
    said, every = [sentence(line, today) for line in lines], lines[0].of
    if every == 1:
        return f"{said[0]}请及时安排检定。", said[0]
    rest = f"……共{every}台，登录平台可查看全部。" if every > len(lines) else ""
    return f"有{every}台器具即将到期或已超期，请及时安排检定。", "\n".join([*said, rest] if rest else said)


def sentence(line: Line, today: date) -> str:
    """电子秤（出厂编号S01）有效期至2026-12-05，还有14天到期。"""
    what = f"{_short(line.name)}（出厂编号{_short(line.serial_no)}）"
    if line.threshold == NO_RECORD:
        return f"{what}没有检定记录。"
    until = f"有效期至{line.due_on}" if line.valid_until == line.due_on else f"备案已通过，应在{line.due_on}前检定"
    return f"{what}{until}，{distance(line, today)}。"


def distance(line: Line, today: date) -> str:
    """How far the due date is."""
    days = (line.due_on - today).days
    if days > 0:
        return f"还有{days}天到期"
    return f"已超期{-days}天" if days else "今天到期"


def _short(text_: str) -> str:
    return text_ if len(text_) <= LONGEST else f"{text_[: LONGEST - 1]}…"


def compose(session: Session, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The mail or text message of a queued digest as it is true now; None when nothing is left to say."""
    account = session.get(Account, int(payload["account"]))
    unit_id, channel = int(payload["unit"]), str(payload["channel"])
    if account is None or account.state != AccountState.ACTIVE or account.unit_id != unit_id:
        return None
    at = datetime.fromisoformat(str(payload["at"]))
    lines = still_true(session, {unit_id}, int(payload["first"]), at, LINES[channel]).get(unit_id)
    if not lines:
        return None
    subject, body = words(lines, clock.today())
    if channel == "sms":
        # one instrument is named in the subject already
        text_ = subject if lines[0].of == 1 else f"{subject}{body}".replace("\n", "")
        return seal_sms(account.phone, f"【{profile()['name']}】{text_}") if account.phone else None
    return {"to": account.email, "subject": subject, "body": f"{body}\n"} if account.email else None


deliver.COMPOSERS[COMPOSER] = compose
