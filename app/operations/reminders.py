"""Due-date reminders: one set-based INSERT per threshold, each reminder once, whoever runs it and however often (I-8).

The run asks "what is due and not done": a missed day is caught up, a certificate issued meanwhile has changed the
due date and so removed the row from the question (I-9).
"""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import func, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.profiles import setting
from app.workflow.outgoing import enqueue_mail
from models.account import Account
from models.enums import AccountState, InstrumentState
from models.instrument import Instrument
from models.outbox import Message, Reminder

CHANNEL = "site"
AT_ONCE = 1_000
"""Units told by one statement."""


def run_reminders(session: Session, on: date) -> int:
    """Write every reminder that is due on `on` and not written yet; returns how many were new."""
    written: dict[int, int] = {}
    for threshold in sorted((int(t) for t in setting("reminder", "thresholds")), reverse=True):
        for unit_id, count in _write(session, threshold, on).items():
            written[unit_id] = written.get(unit_id, 0) + count
    units = sorted(written.items())
    for begin in range(0, len(units), AT_ONCE):
        _tell_units(session, dict(units[begin : begin + AT_ONCE]), on)
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
    written = (
        insert(Reminder)
        .from_select(columns, due)
        .on_conflict_do_nothing(constraint="uq_reminder_once")
        .returning(Reminder.unit_id)
        .cte("written")
    )
    # counted where they were written: a million rows need not travel here to become a few thousand numbers
    counted = select(written.c.unit_id, func.count()).group_by(written.c.unit_id)
    return dict(session.execute(counted).tuples().all())


def _tell_units(session: Session, counts: dict[int, int], on: date) -> None:
    """One digest per unit and day, not one message per instrument; units without an active account cost nothing."""
    accounts = session.execute(
        select(Account.id, Account.unit_id, Account.email)
        .where(Account.unit_id.in_(counts), Account.state == AccountState.ACTIVE)
        .order_by(Account.unit_id, Account.id)
    ).all()
    if not accounts:
        return
    # two runs at the same time each write some of the rows: the sum is told by the number of this run's own
    serial = session.scalar(text("SELECT pg_current_xact_id()::text"))
    messages = []
    for account_id, unit_id, email in accounts:
        assert unit_id is not None  # found by it
        key = f"reminder-{unit_id}-{on}-{serial}"
        subject = f"有{counts[unit_id]}台器具即将到期或已超期，请及时预约检定。"
        messages.append(
            {
                "account_id": account_id,
                "key": key,
                "kind": "system",
                "subject": subject,
                "body": "",
                "link": "/instruments/list/?band=due",
            }
        )
        if email:
            enqueue_mail(session, email, subject, subject, key=f"{key}-{account_id}")
    statement = insert(Message).values(messages)
    session.execute(statement.on_conflict_do_nothing(index_elements=["account_id", "key"]))
