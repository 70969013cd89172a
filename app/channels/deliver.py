"""Delivering the outbox: at least once, with an idempotency key, each row locked by one worker (law 3, I-24)."""

from __future__ import annotations

import json
import logging
import re
import smtplib
import ssl
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

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
COMPOSERS: dict[str, Callable[[Session, Mapping[str, Any]], Mapping[str, Any] | None]] = {}
"""Who writes the words of a row whose payload says {"compose": name}, at the moment of sending: what is true may have
changed since it was queued (I-9). None means that there is nothing to say any more. Filled by app.operations."""
MAX_TRIES = 10
WAIT = 20  # seconds for a mail server or gateway


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
    row_id, channel = row.id, row.channel
    try:
        with session.begin_nested():
            if _composed(session, row):
                HANDLERS[channel](session, row)
        row.sent_at, row.error = clock.now(), None
        if channel != "job":
            row.payload = {}  # address and words are no longer needed here; the key keeps it from being sent twice
        row.tries += 1
        session.commit()
        return 1
    except Exception as error:
        session.rollback()
        said = reason(error)
        if channel == "job":
            log.exception("outbox row %s failed", row_id)
        else:
            log.error("outbox row %s failed: %s", row_id, said)  # noqa: TRY400 - servers repeat addresses in what they say
        again = session.get(Outbox, row_id, with_for_update=True)
        if again is not None:
            again.tries += 1
            again.error = said
            again.next_at = clock.now() + timedelta(seconds=min(30 * 2**again.tries, 3600))
        session.commit()
        return 0


def _composed(session: Session, row: Outbox) -> bool:
    """Put the words of a late-composed row into it; whether there is anything to send."""
    if "compose" not in row.payload:
        return True
    words = COMPOSERS[str(row.payload["compose"])](session, row.payload)
    if words is not None:
        row.payload = dict(words)
    return words is not None


PERSONAL = re.compile(r"[^\s<>'\"{}(),:;]+@[^\s<>'\"{}(),:;]+|\+?\d[\d -]{5,}\d")


def reason(error: Exception) -> str:
    """What went wrong, without addresses and numbers: servers like to repeat whom a message was for."""
    return PERSONAL.sub("***", f"{type(error).__name__}: {error}")[:300]


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
    _send(_letter(row))


def _letter(row: Outbox) -> EmailMessage:
    """The mail of a row; its Message-ID is the idempotency key, so that a second delivery can be told from a second mail."""
    sender = str(current_app.config["MAIL_FROM"])
    letter = EmailMessage()
    letter["From"], letter["To"] = sender, str(row.payload["to"])
    letter["Subject"] = str(row.payload["subject"])
    letter["Message-ID"] = f"<{re.sub(r'[^A-Za-z0-9-]', '.', row.key)}@{sender.rpartition('@')[2].strip('>')}>"
    letter["Date"] = clock.now()
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(_body(row.payload))
    return letter


def _send(letter: EmailMessage) -> None:
    """Hand the mail to SMTP_URL: smtp://, smtp+starttls:// or smtps://, user and password percent-encoded.

    With TLS the server's certificate is checked against the system's authorities.
    """
    server = urlsplit(str(current_app.config["SMTP_URL"]))
    host = server.hostname or "127.0.0.1"
    with _connection(server.scheme, host, server.port) as smtp:
        if server.scheme == "smtp+starttls":
            smtp.starttls(context=ssl.create_default_context())
        if server.username:
            smtp.login(unquote(server.username), unquote(server.password or ""))
        smtp.send_message(letter)


def _connection(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=WAIT, context=ssl.create_default_context())
    return smtplib.SMTP(host, port or 25, timeout=WAIT)


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
    headers = {"Authorization": f"Bearer {current_app.config['SMS_TOKEN']}", "Idempotency-Key": row.key}
    body = {"phone": phone, "text": text, "key": row.key}
    wait = float(current_app.config.get("SMS_TIMEOUT", WAIT))
    answer = httpx.post(str(current_app.config["SMS_URL"]), json=body, headers=headers, timeout=wait)
    if not answer.is_success:
        raise SmsRefusedError(f"the gateway answered {answer.status_code}")  # never its body: it may repeat the number


class SmsRefusedError(RuntimeError):
    """The gateway did not take a text message; the outbox tries again later."""


def _job(session: Session, row: Outbox) -> None:
    function = JOBS[str(row.payload["function"])]
    arguments: Any = row.payload["arguments"]
    function(session, **arguments)


HANDLERS: dict[str, Handler] = {"mail": _mail, "sms": _sms, "job": _job}
