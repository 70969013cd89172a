"""Papers for whoever holds the 委托单号 and its 客户密码, without an account (VER-07, must-never case 5).

Wrong tries are counted in PostgreSQL, so a restart forgets nothing: five for one number pause it for fifteen minutes,
fifty from one address for the rest of the hour. A number that does not exist is counted, compared and answered like any
other. Proof is a signed ticket that dies after ten minutes or with the password.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from flask import current_app
from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer
from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session, object_session

from app import clock
from app.access.audit import audit
from app.access.principal import as_system
from app.errors import InvalidInputError, NotVisibleError, TooOftenError
from app.operations.certificate_files import KINDS, ZIP, batch_name, name_of, served_paper, write_files
from app.operations.commission import OPENED, Progress, papers_of, progress_of
from app.workflow.commission_rules import secret_hash
from models.account import VerificationCode
from models.certificate import Certificate
from models.commission import Commission

PER_NUMBER, PAUSE = 5, timedelta(minutes=15)
PER_ADDRESS, HOUR = 50, timedelta(hours=1)
LIFETIME = 600  # seconds that a ticket is good for
NUMBER, ADDRESS = "commission-number", "commission-ip"
PAPERS = {"certificate": "检定证书", "rejection": "检定结果通知书"}


@dataclass(frozen=True, slots=True)
class Row:
    """A published paper as the page lists it, in the columns of manual 003."""

    id: int
    number: str
    kind: str
    instrument: str
    verified_on: str
    client: str
    manufacturer: str
    serial_no: str
    measure: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the holder of a commission sees; empty for everybody else, whatever was wrong."""

    number: str = ""
    rows: tuple[Row, ...] = ()
    progress: tuple[Progress, ...] = ()
    ticket: str = ""


def look_up(session: Session, number: str, secret: str, address: str) -> Found:
    """The commission's papers and how far the others are. Raises TooOftenError while number or address are paused."""
    number = number.strip().upper()[:20]
    tries = [_tries(session, ADDRESS, address, PER_ADDRESS), _tries(session, NUMBER, number, PER_NUMBER)]
    with as_system("the number and the password printed on the commission are the permission"):
        statement = select(Commission).where(Commission.number == number, Commission.state.in_(OPENED))
        row = session.execute(statement).scalar_one_or_none()
        kept = (row.secret_hash if row is not None else None) or "0" * 64
        given = secret_hash(row.id if row is not None else 0, secret[:40])
        if not hmac.compare_digest(kept, given) or row is None:
            _count(session, tries[0], ADDRESS, address, HOUR, extend=False)
            _count(session, tries[1], NUMBER, number, PAUSE, extend=True)
            audit(session, "commission_lookup", outcome="refused", entity="commission", entity_id=number[:20])
            return Found()
        if tries[1] is not None:
            session.delete(tries[1])
        audit(session, "commission_lookup", entity="commission", entity_id=number)
        return _found(session, row)


def _found(session: Session, row: Commission) -> Found:
    rows = tuple(_row(paper) for paper in papers_of(session, row))
    return Found(row.number or "", rows, tuple(progress_of(session, row)), _ticket(row))


def _row(paper: Certificate) -> Row:
    facts: dict[str, Any] = dict(paper.facts)
    return Row(
        id=paper.id,
        number=paper.number or "",
        kind=PAPERS[paper.kind],
        instrument=str(facts.get("instrument_name") or ""),
        verified_on=paper.verified_on.isoformat(),
        client=str(facts.get("client") or ""),
        manufacturer=str(facts.get("manufacturer") or ""),
        serial_no=str(facts.get("serial_no") or ""),
        measure=paper.instrument.category.level1,
    )


# -- wrong tries -------------------------------------------------------------------------------------------------------


def _fingerprint(kind: str, value: str) -> str:
    key = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.new(key, f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()


def _tries(session: Session, kind: str, value: str, most: int) -> VerificationCode | None:
    """The count that still runs. Rivals with the same number or address wait here for one another's commit, so that a
    hundred guesses at once are counted one by one."""
    mark = _fingerprint(kind, value)
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:mark, 0))"), {"mark": mark})
    now = clock.now()
    statement = select(VerificationCode).where(
        VerificationCode.address_index == mark, VerificationCode.purpose == kind, VerificationCode.expires_at > now
    )
    row = session.execute(statement.order_by(VerificationCode.id.desc()).limit(1)).scalar_one_or_none()
    if row is not None and row.tries >= most:
        raise TooOftenError(int((row.expires_at - now).total_seconds()))
    return row


def _count(
    session: Session, row: VerificationCode | None, kind: str, value: str, window: timedelta, *, extend: bool
) -> None:
    """One more wrong try; counts that have run out go, so that the table holds only what still matters."""
    now = clock.now()
    if row is None:
        session.execute(
            delete(VerificationCode).where(VerificationCode.purpose == kind, VerificationCode.expires_at <= now)
        )
        row = VerificationCode(
            address_index=_fingerprint(kind, value), purpose=kind, code_hash="", expires_at=now + window, tries=0
        )
        session.add(row)
    row.tries += 1
    if extend:
        row.expires_at = now + window


def proved(row: Commission, secret: str) -> None:
    """Raise InvalidInputError unless it is the commission's password; for people who see the commission anyway. Wrong
    tries count against its number like those of the public page."""
    session = object_session(row)
    assert session is not None
    number = row.number or ""
    tries = _tries(session, NUMBER, number, PER_NUMBER)
    if not hmac.compare_digest(row.secret_hash or "", secret_hash(row.id, secret)):
        _count(session, tries, NUMBER, number, PAUSE, extend=True)
        raise InvalidInputError("客户密码不正确，可能已重置；请用最新的客户密码打印，或先重置。", field="secret")


# -- the papers --------------------------------------------------------------------------------------------------------


class _Signer(TimestampSigner):
    """The platform's clock instead of the machine's."""

    def get_timestamp(self) -> int:
        moment: datetime = clock.now()
        return int(moment.timestamp())


def _serializer() -> URLSafeTimedSerializer:
    key = str(current_app.config["SECRET_KEY"])
    return URLSafeTimedSerializer(key, salt="commission-papers", signer=_Signer)


def _ticket(row: Commission) -> str:
    return str(_serializer().dumps([row.id, (row.secret_hash or "")[:16]]))


def _holder(session: Session, ticket: str) -> Commission:
    """The commission of a ticket that is still good; everything else looks like a missing page."""
    try:
        pk, mark = _serializer().loads(ticket, max_age=LIFETIME)
    except BadData as error:
        raise NotVisibleError from error
    row = session.get(Commission, int(pk))
    if row is None or not hmac.compare_digest((row.secret_hash or "")[:16], str(mark)):
        raise NotVisibleError
    return row


def again(session: Session, ticket: str) -> Found:
    """The list once more, for a ticket that is still good; raises NotVisibleError for any other."""
    with as_system("the ticket was given for the right password"):
        return _found(session, _holder(session, ticket))


def one_paper(session: Session, ticket: str, certificate_id: int) -> tuple[str, bytes]:
    """(file name, PDF) of one paper of the ticket's commission."""
    with as_system("the ticket was given for the right password"):
        row = _holder(session, ticket)
        paper = next((p for p in papers_of(session, row) if p.id == certificate_id), None)
        if paper is None:
            raise NotVisibleError
        _log(session, row, "pdf", 1)
        return name_of(paper), served_paper(paper)


def zipped(session: Session, ticket: str, ids: Sequence[int], out: BinaryIO) -> str:
    """Write the chosen papers of the ticket's commission as one zip; answers with its name. No ids means all."""
    with as_system("the ticket was given for the right password"):
        row = _holder(session, ticket)
        number, own = row.number, [paper.id for paper in papers_of(session, row)]
        wanted = [pk for pk in own if pk in set(ids)] if ids else own
        if not wanted or (ids and len(wanted) != len(set(ids))):
            raise NotVisibleError
        _log(session, row, "zip", len(wanted))
        write_files(session, wanted, ZIP, out)
        return f"{number}_{batch_name(ZIP)}"


def _log(session: Session, row: Commission, how: str, count: int) -> None:
    audit(session, "download_by_commission", entity="commission", entity_id=row.number, how=how, count=count)
    session.flush()


ZIP_TYPE = KINDS[ZIP][2]
