"""Delivering the outbox: at least once, with an idempotency key, each row locked by one worker (law 3, I-24)."""

from __future__ import annotations

import json
import logging
import smtplib
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import httpx
from flask import current_app
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import clock
from models.outbox import DevelopmentMail, Outbox
from models.types import blind_index, mask_phone, unseal

log = logging.getLogger(__name__)
Handler = Callable[[Session, Outbox], None]
JOBS: dict[str, Callable[..., Any]] = {}
"""Functions that an outbox row of channel "job" may call, by name; filled by the jobs package."""
MAX_TRIES = 10


def deliver(session: Session, limit: int = 200) -> int:
    """Deliver what is due; returns how many rows were sent. Each row is its own transaction."""
    sent = 0
    for _number in range(limit):
        row = session.execute(
            select(Outbox)
            .where(Outbox.sent_at.is_(None), Outbox.tries < MAX_TRIES, Outbox.next_at <= clock.now())
            .order_by(Outbox.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).scalar_one_or_none()
        if row is None:
            break
        sent += _attempt(session, row)
    return sent


def _attempt(session: Session, row: Outbox) -> int:
    row_id = row.id
    try:
        with session.begin_nested():
            HANDLERS[row.channel](session, row)
        row.sent_at, row.error = clock.now(), None
        row.tries += 1
        session.commit()
        return 1
    except Exception as error:
        session.rollback()
        log.exception("outbox row %s failed", row_id)
        again = session.get(Outbox, row_id, with_for_update=True)
        if again is not None:
            again.tries += 1
            again.error = f"{type(error).__name__}: {error}"[:300]
            again.next_at = clock.now() + timedelta(seconds=min(30 * 2**again.tries, 3600))
        session.commit()
        return 0


def _mail(session: Session, row: Outbox) -> None:
    payload = row.payload
    if current_app.config["MAIL_DRIVER"] == "development":
        values = {
            "key": row.key,
            "channel": "mail",
            "recipient": payload["to"],
            "recipient_index": blind_index(str(payload["to"])),
            "subject": payload["subject"],
            "body": _body(payload),
        }
        _keep(session, values)
        return
    letter = EmailMessage()
    letter["From"], letter["To"] = current_app.config["MAIL_FROM"], str(payload["to"])
    letter["Subject"], letter["Message-ID"] = str(payload["subject"]), f"<{row.key}@quanheng>"
    letter.set_content(_body(payload))
    server = urlsplit(str(current_app.config["SMTP_URL"]))
    with smtplib.SMTP(server.hostname or "127.0.0.1", server.port or 25, timeout=20) as smtp:
        if server.scheme == "smtp+starttls":
            smtp.starttls()
        if server.username:
            smtp.login(server.username, server.password or "")
        smtp.send_message(letter)


def _body(payload: Mapping[str, object]) -> str:
    """A mail's words; secret ones (codes, links) were queued sealed."""
    return unseal(str(payload["sealed"])) if "sealed" in payload else str(payload["body"])


def _keep(session: Session, values: dict[str, object]) -> None:
    session.execute(insert(DevelopmentMail).values(**values).on_conflict_do_nothing(index_elements=["key"]))


def _sms(session: Session, row: Outbox) -> None:
    """A text message: kept for reading in development, else posted to the gateway, which must answer 2xx."""
    said = json.loads(unseal(str(row.payload["sealed"])))
    phone, text = str(said["phone"]), str(said["text"])
    if current_app.config["SMS_DRIVER"] == "development":
        values: dict[str, object] = {
            "key": row.key,
            "channel": "sms",
            "recipient": mask_phone(phone),
            "recipient_index": blind_index(phone),
            "subject": "短信",
            "body": text,
        }
        _keep(session, values)
        return
    headers = {"Authorization": f"Bearer {current_app.config['SMS_TOKEN']}"}
    body = {"phone": phone, "text": text, "key": row.key}
    answer = httpx.post(str(current_app.config["SMS_URL"]), json=body, headers=headers, timeout=20)
    if not answer.is_success:
        raise SmsRefusedError(f"the gateway answered {answer.status_code}")  # never its body: it may repeat the number


class SmsRefusedError(RuntimeError):
    """The gateway did not take a text message; the outbox tries again later."""


def _job(session: Session, row: Outbox) -> None:
    function = JOBS[str(row.payload["function"])]
    arguments: Any = row.payload["arguments"]
    function(session, **arguments)


HANDLERS: dict[str, Handler] = {"mail": _mail, "sms": _sms, "job": _job}
