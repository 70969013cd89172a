"""Due-date reminders: one set-based INSERT per threshold, each reminder once, whoever runs it and however often (I-8).

The run asks "what is due and not done": a missed day is caught up, a certificate issued meanwhile has changed the
due date and so removed the row from the question (I-9).
"""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.profiles import setting
from app.workflow.outgoing import enqueue_mail
from models.account import Account
from models.enums import AccountState, InstrumentState
from models.instrument import Instrument
from models.outbox import Message, Reminder

CHANNEL = "site"


def run_reminders(session: Session, on: date) -> int:
    """Write every reminder that is due on `on` and not written yet; returns how many were new."""
    written: dict[int, int] = {}
    for threshold in sorted((int(t) for t in setting("reminder", "thresholds")), reverse=True):
        for unit_id, count in _write(session, threshold, on).items():
            written[unit_id] = written.get(unit_id, 0) + count
    for unit_id, count in sorted(written.items()):
        _tell_unit(session, unit_id, count, on)
    return sum(written.values())


def _write(session: Session, threshold: int, on: date) -> dict[int, int]:
    """Instruments whose due date lies at or before `on` + threshold; negative thresholds speak of overdue ones.

    Only the band that the threshold opens is asked for (down to the next lower threshold), so that an instrument
    first seen at 5 days gets the 10-day reminder and not the 30-day one as well.
    """
    lower = [int(t) for t in setting("reminder", "thresholds") if int(t) < threshold]
    bounds = [Instrument.valid_until <= on + timedelta(days=threshold)]
    if lower:
        bounds.append(Instrument.valid_until > on + timedelta(days=max(lower)))
    due = select(
        Instrument.id,
        Instrument.unit_id,
        Instrument.use_division,
        literal(threshold),
        Instrument.valid_until,
        literal(CHANNEL),
        literal(on),
    ).where(Instrument.state == InstrumentState.IN_USE, *bounds)
    columns = ["instrument_id", "unit_id", "use_division", "threshold", "due_on", "channel", "run_on"]
    statement = (
        insert(Reminder)
        .from_select(columns, due)
        .on_conflict_do_nothing(constraint="uq_reminder_once")
        .returning(Reminder.unit_id)
    )
    counts: dict[int, int] = {}
    for (unit_id,) in session.execute(statement):
        counts[unit_id] = counts.get(unit_id, 0) + 1
    return counts


def _tell_unit(session: Session, unit_id: int, count: int, on: date) -> None:
    """One digest per unit and day, not one message per instrument."""
    accounts = (
        session.execute(select(Account).where(Account.unit_id == unit_id, Account.state == AccountState.ACTIVE))
        .unique()
        .scalars()
    )
    # two runs at the same time each write some of the rows: the sum is told by the number of this run's own
    for account in accounts:
        serial = session.scalar(text("SELECT pg_current_xact_id()::text"))
        key = f"reminder-{unit_id}-{on}-{serial}"
        subject = f"有{count}台器具即将到期或已超期，请及时预约检定。"
        statement = insert(Message).values(
            account_id=account.id, key=key, kind="system", subject=subject, body="", link="/instruments/list/?band=due"
        )
        session.execute(statement.on_conflict_do_nothing(index_elements=["account_id", "key"]))
        if account.email:
            enqueue_mail(session, account.email, subject, subject, key=f"{key}-{account.id}")
