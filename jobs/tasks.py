"""The functions that RQ workers call. Arguments are ids and JSON; the truth is in PostgreSQL, so each may run twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time, timedelta

from flask import current_app
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app import clock
from app.access import captcha
from app.access.audit import note_seal, seal
from app.access.principal import as_system
from app.channels import deliver as delivery
from app.channels.bell import ring, ring_job
from app.operations import (
    appointment_clock,
    bulk,
    certificate_files,
    filing,
    ledger_export,
    ledger_import,
    reviews,
    transfer,
    unmatched,
)
from app.operations.affiliation import expire_links
from app.operations.bench_clock import tell_of_late_work
from app.operations.certificate import publish_certificate
from app.operations.filing_clock import tell_of_unanswered_filings
from app.operations.instrument_quality import refresh_all
from app.operations.job import run_job as run_job_row
from app.operations.job import waiting_jobs
from app.operations.reminders import run_reminders
from app.operations.retention import run_retention
from app.profiles import setting
from models import Beat, Outbox
from models.base import db

delivery.JOBS["publish_certificate"] = publish_certificate
assert all((bulk.KIND, filing.FileAct, ledger_export.KIND, ledger_import.KIND, certificate_files.ZIP)), (
    "importing the modules registers their runners"
)


def _beat(name: str) -> None:
    statement = insert(Beat).values(name=name, at=clock.now())
    db.session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"at": clock.now()}))
    db.session.commit()


def deliver_outbox() -> int:
    """Send what is due."""
    with as_system("delivering the outbox"):
        return delivery.deliver(db.session())


def run_job(job_id: int) -> str:
    """Run one job row, as the account that asked for it."""
    return run_job_row(db.session(), job_id)


def reconcile() -> None:
    """Refill what Redis lost: waiting jobs and undelivered rows (I-26). Runs every 30 seconds."""
    with as_system("reconciling queues with the database"):
        _beat("cron")
        due = select(Outbox.id).where(Outbox.sent_at.is_(None), Outbox.next_at <= clock.now()).limit(1)
        if db.session.execute(due).first():
            ring(current_app)
        for job_id in waiting_jobs(db.session(), db.engine):
            ring_job(current_app, job_id)
        owed = [name for name, (at, _task) in DAILY.items() if _owed(name, at if isinstance(at, time) else at())]
        db.session.commit()
    for name in owed:
        DAILY[name][1]()


def _owed(name: str, at: time) -> bool:
    """Whether a daily task's hour has come and it has not run since."""
    now = clock.now()
    last = db.session.scalar(select(Beat.at).where(Beat.name == name))
    return now.timetz().replace(tzinfo=None) >= at and (last is None or last.astimezone(clock.ZONE).date() < now.date())


def remind(on: str | None = None) -> int:
    """Write the reminders of a day (default today)."""
    from datetime import date

    with as_system("due-date reminders are the platform's own duty"):
        count = run_reminders(db.session(), date.fromisoformat(on) if on else clock.today())
        db.session.commit()
        if on is None:
            _beat("remind")
        ring(current_app)
        return count


def withdraw_overdue() -> int:
    """The ten-minute clock of appointments: withdrawals, grants, half days gone by, reminders (I-16)."""
    with as_system("the terms of appointments have passed") as system:
        count = appointment_clock.tick(db.session(), system)
        _beat("withdraw_overdue")
        ring(current_app)
        return count


def _appointment_duty(name: str) -> Callable[[], int]:
    """A daily duty of the appointments' clock as a task that leaves its beat."""

    def duty() -> int:
        with as_system("what appointments owe every day") as system:
            count = appointment_clock.DAILY[name](db.session(), system)
            _beat(name)
            if count:
                ring(current_app)
            return count

    return duty


def unanswered_filings() -> int:
    """On working days: what institutes have left unanswered, to their heads and to the administrations."""
    with as_system("filings wait too long"):
        count = tell_of_unanswered_filings(db.session())
        _beat("unanswered_filings")
        if count:
            ring(current_app)
        return count


def late_work() -> int:
    """On working days: what lies too long at counter and bench, to the heads of institutes."""
    with as_system("work of institutes lies too long"):
        count = tell_of_late_work(db.session())
        _beat("late_work")
        if count:
            ring(current_app)
        return count


def seal_audit() -> int:
    """Chain the audit rows written since the last time."""
    with as_system("sealing the audit log"):
        count = seal(db.session())
        db.session.commit()
        if count:
            note_seal(db.session())
        return count


def sweep_captchas() -> int:
    """Remove captchas that nobody answered within their five minutes."""
    return captcha.sweep()


def clean_up() -> None:
    """Nightly: expired sessions and codes, registrations never verified, outbox rows long sent."""
    from sqlalchemy import delete

    from models import IdempotencyKey, VerificationCode, WebSession

    with as_system("retention"):
        now = clock.now()
        for statement in (
            delete(WebSession).where(WebSession.seen_at < now - timedelta(days=8)),
            delete(VerificationCode).where(VerificationCode.expires_at < now - timedelta(days=2)),
            delete(IdempotencyKey).where(IdempotencyKey.created_at < now - timedelta(days=1)),
            delete(Outbox).where(Outbox.sent_at < now - timedelta(days=180)),
            # what could never be delivered: nobody needs an address and a code that long
            delete(Outbox).where(Outbox.sent_at.is_(None), Outbox.created_at < now - timedelta(days=180)),
        ):
            db.session.execute(statement)
        db.session.commit()
        _beat("clean_up")


def expire_affiliations() -> int:
    """Requests to be linked that nobody answered in time (ORG-03)."""
    with as_system("nobody answered the request in time") as system:
        count = expire_links(db.session(), system)
        _beat("expire_affiliations")
        if count:
            ring(current_app)
        return count


def retain() -> None:
    """Nightly: personal data whose time has come, files that nothing refers to (app/operations/retention.py)."""
    run_retention(db.session())
    with as_system("retention"):
        _beat("retention")


def lapse_transfers() -> int:
    """变更使用单位 that the receiving unit did not answer within its 14 days."""
    with as_system("nobody answered the request in time") as system:
        count = transfer.lapse_transfers(db.session(), system)
        _beat("lapse_transfers")
        if count:
            ring(current_app)
        return count


def remind_reviewers() -> int:
    """Tell reviewers what waits, at the profile's times; a minute in which a time was missed is caught up."""
    with as_system("reviewers are told what waits"):
        moment = reviews.last_round(clock.now())
        last = db.session.scalar(select(Beat.at).where(Beat.name == "review_round"))
        if moment is None or (last is not None and last >= moment):
            return 0
        count = reviews.remind_reviewers(db.session())
        db.session.commit()
        _beat("review_round")
        return count


def tell_of_late_reviews() -> int:
    """Registrations that have waited longer than a working day."""
    with as_system("a registration waits too long"):
        count = reviews.tell_of_late_reviews(db.session())
        db.session.commit()
        _beat("late_reviews")
        return count


def reminder_time() -> time:
    """When the day's reminders go out, as the settings page has it."""
    return time.fromisoformat(str(setting("reminder", "run_at")))


def score_ledger() -> int:
    """Nightly: what time changes of the ledger's data quality, and what came in by SQL."""
    with as_system("the data quality of the whole ledger is the platform's to compute"):
        count = refresh_all(db.session())
        _beat("quality")
        return count


def unmatched_records() -> int:
    """Every morning: results without an instrument find theirs, or their unit is told of them."""
    with as_system("results of other systems belong to the instruments of the ledger"):
        since = db.session.scalar(select(Beat.at).where(Beat.name == "unmatched"))
        count = unmatched.daily(db.session(), since)
        db.session.commit()
        _beat("unmatched")
        return count


DAILY: dict[str, tuple[time | Callable[[], time], Callable[[], object]]] = {
    "clean_up": (time(2), clean_up),
    "retention": (time(2, 30), retain),
    "expire_affiliations": (time(3), expire_affiliations),
    "lapse_transfers": (time(3, 10), lapse_transfers),
    "remind": (reminder_time, remind),
    "quality": (time(4), score_ledger),
    "booking_drafts": (time(2), _appointment_duty("booking_drafts")),
    "onsite_nag": (time(7), _appointment_duty("onsite_nag")),
    "unanswered": (time(8, 30), _appointment_duty("unanswered")),
    "unanswered_filings": (time(8, 30), unanswered_filings),
    "late_work": (time(8, 30), late_work),
    "late_reviews": (time(8, 30), tell_of_late_reviews),
    "unmatched": (time(8), unmatched_records),
}
"""What every day owes, from which hour on (Asia/Shanghai)."""
