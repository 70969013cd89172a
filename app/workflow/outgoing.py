"""Queueing what happens after the commit: rows of the outbox, written in the transaction of their cause (law 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.outbox import Message, Outbox


def enqueue(session: Session, channel: str, payload: Mapping[str, Any], *, key: str) -> None:
    """Queue one delivery; the same key is queued once, whoever tries again."""
    statement = insert(Outbox).values(channel=channel, payload=dict(payload), key=f"{channel}:{key}")
    session.execute(statement.on_conflict_do_nothing(index_elements=["key"]))
    session.info["outbox_filled"] = True


def enqueue_job(session: Session, function: str, arguments: Mapping[str, Any], *, key: str) -> None:
    """Queue a call of jobs.<function>(**arguments)."""
    enqueue(session, "job", {"function": function, "arguments": dict(arguments)}, key=key)


def enqueue_mail(session: Session, recipient: str, subject: str, body: str, *, key: str) -> None:
    """Queue a mail. Line breaks never reach a header (TRUST 2.7)."""
    clean = " ".join(subject.split())[:200]
    enqueue(session, "mail", {"to": recipient, "subject": clean, "body": body}, key=key)


def message(
    session: Session, account_id: int, subject: str, body: str = "", link: str | None = None, *, key: str
) -> None:
    """A site message, once per recipient and cause."""
    statement = insert(Message).values(
        account_id=account_id, subject=subject[:200], body=body[:1000], link=link, key=key[:120]
    )
    session.execute(statement.on_conflict_do_nothing(index_elements=["account_id", "key"]))
