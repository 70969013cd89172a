"""Queueing what happens after the commit: rows of the outbox, written in the transaction of their cause (law 3)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.outbox import Message, Outbox
from models.types import seal


def enqueue(session: Session, channel: str, payload: Mapping[str, Any], *, key: str) -> None:
    """Queue one delivery; the same key is queued once, whoever tries again."""
    statement = insert(Outbox).values(channel=channel, payload=dict(payload), key=f"{channel}:{key}")
    session.execute(statement.on_conflict_do_nothing(index_elements=["key"]))
    session.info["outbox_filled"] = True


def enqueue_job(session: Session, function: str, arguments: Mapping[str, Any], *, key: str) -> None:
    """Queue a call of jobs.<function>(**arguments)."""
    enqueue(session, "job", {"function": function, "arguments": dict(arguments)}, key=key)


def enqueue_mail(session: Session, recipient: str, subject: str, body: str, *, key: str, secret: bool = False) -> None:
    """Queue a mail. Line breaks never reach a header (TRUST 2.7); a `secret` body (code, link) waits sealed."""
    clean = " ".join(subject.split())[:200]
    words = {"sealed": seal(body)} if secret else {"body": body}
    enqueue(session, "mail", {"to": recipient, "subject": clean, **words}, key=key)


def enqueue_sms(session: Session, phone: str, text: str, *, key: str) -> None:
    """Queue a text message. The number and the words are sealed: the outbox is no place to read them."""
    enqueue(session, "sms", seal_sms(phone, text), key=key)


def seal_sms(phone: str, text: str) -> dict[str, str]:
    """The payload of a text message."""
    return {"sealed": seal(json.dumps({"phone": phone, "text": text[:500]}))}


def message(
    session: Session, account_id: int, subject: str, body: str = "", link: str | None = None, *, key: str
) -> None:
    """A site message, once per recipient and cause."""
    messages(session, [(account_id, link)], subject, body, key=key)


def messages(
    session: Session, recipients: Iterable[tuple[int, str | None]], subject: str, body: str = "", *, key: str
) -> None:
    """The same to several people, each with the address that it leads to."""
    rows = [
        {"account_id": account_id, "subject": subject[:200], "body": body[:1000], "link": link, "key": key[:120]}
        for account_id, link in recipients
    ]
    if rows:
        statement = insert(Message).values(rows)
        session.execute(statement.on_conflict_do_nothing(index_elements=["account_id", "key"]))
