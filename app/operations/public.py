"""What the public may look up: instruments in use with a result, and whether a certificate is valid.

Nothing but the listed columns ever leaves this module (ROLES: ANON; must-never cases 2 to 4).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import as_system
from app.fab.grams import contains
from app.operations.certificate_files import PRINTED, replacement
from models.certificate import Certificate
from models.enums import CertificateState, Conclusion
from models.instrument import Instrument
from models.organisation import Institute, Unit
from models.reference import Division

PAGE = 20
CAP = 1_000
MAX_TERM = 50


@dataclass(frozen=True, slots=True)
class PublicInstrument:
    """The six public columns, and the county of use."""

    name: str
    serial_no: str
    unit: str
    institute: str
    result: str
    valid_until: date | None
    county: str
    standing: str
    tone: str


def standing(result: str | None, valid_until: date | None, today: date) -> tuple[str, str]:
    """(有效 | 已过期 | 不合格, tone)."""
    if result == Conclusion.FAIL:
        return "不合格", "danger"
    if valid_until is not None and valid_until < today:
        return "已过期", "danger"
    return "有效", "ok"


def search(session: Session, term: str, page: int = 1) -> tuple[list[PublicInstrument], int, bool]:
    """Instruments whose name, unit or number fits: (rows of the page, count up to 1,000, whether there are more).

    The caller acts as the public: the scope leaves only instruments in use with a result.
    """
    term = term.strip()[:MAX_TERM]
    if len(term) < 2:
        return [], 0, False
    condition = matches(session, term)
    ids = select(Instrument.id).where(condition).limit(CAP + 1).subquery()
    count = session.scalar(select(func.count()).select_from(ids)) or 0
    units = Unit.__table__.alias()  # the unit's name is public with its instrument; its row is not
    statement = (
        select(
            Instrument.name,
            Instrument.serial_no,
            units.c.name,
            Institute.name,
            Instrument.last_result,
            Instrument.valid_until,
            Division.name,
        )
        .join(units, units.c.id == Instrument.unit_id)
        .join(Institute, Institute.id == Instrument.institute_id, isouter=True)
        .join(Division, Division.code == Instrument.use_division)
        .where(condition)
        .order_by(Instrument.id.desc())
        .limit(PAGE)
        .offset((min(max(page, 1), CAP // PAGE) - 1) * PAGE)
    )
    today = clock.today()
    rows = [_row(values, today) for values in session.execute(statement).tuples()]
    return rows, min(count, CAP), count > CAP


def _row(values: Sequence[Any], today: date) -> PublicInstrument:
    name, serial, unit, institute, result, until, county = values
    word, tone = standing(str(result), until, today)
    result_word = "合格" if result == Conclusion.PASS else "不合格"
    return PublicInstrument(
        str(name),
        str(serial),
        str(unit),
        str(institute or ""),
        result_word,
        until,
        str(county),
        word,
        tone,
    )


def matches(session: Session, term: str) -> ColumnElement[bool]:
    """Substring of name, maker or unit by bigrams; beginning or end of the number by its two indexes."""
    text_hit = contains(session, Instrument.search_text, term)
    if not any(c.isascii() and c.isalnum() for c in term):
        return text_hit
    number = Instrument.serial_no.startswith(term, autoescape=True)
    tail = func.reverse(Instrument.serial_no).startswith(term[::-1], autoescape=True)
    return or_(number, tail, text_hit)


@dataclass(frozen=True, slots=True)
class PublicCertificate:
    """What the QR code's page tells about one paper."""

    answer: str
    tone: str
    meaning: str
    number: str
    kind: str
    instrument: str
    model: str
    serial_no: str
    county: str
    institute: str
    institute_phone: str
    result: str
    verified_on: date
    valid_until: date | None
    sha256: str
    state: str
    newer: tuple[str, str] | None = None
    """Number and code of the paper that replaced this one: both are about the same instrument."""


def check_certificate(session: Session, number: str, code: str) -> PublicCertificate | None:
    """The certificate of that number if the code fits; a wrong code answers like a missing number (case 4)."""
    with as_system("anybody who holds the paper may check it; the code on it is the permission"):
        statement = select(Certificate).where(Certificate.number == number[:40], Certificate.state.in_(PRINTED))
        rows = list(session.execute(statement).unique().scalars())
        for row in rows:
            if hmac.compare_digest((row.lookup_code or "").encode(), code.strip().upper().encode()):
                return _certificate(session, row)
    return None


def check_hash(session: Session, sha256: str) -> PublicCertificate | None:
    """The certificate whose stored file has that SHA-256. Whoever has the file has its number and code anyway."""
    with as_system("anybody who holds the file may check it; its fingerprint cannot be guessed"):
        statement = select(Certificate).where(Certificate.pdf_sha256 == sha256, Certificate.state.in_(PRINTED))
        row = session.execute(statement.limit(1)).unique().scalars().first()
        return _certificate(session, row) if row is not None else None


def _certificate(session: Session, row: Certificate) -> PublicCertificate:
    answer, tone, meaning = _answer(row)
    serial = str(row.facts["serial_no"])
    middle = max(len(serial) - 4, 0)
    masked = serial if len(serial) <= 4 else f"{serial[:2]}{'*' * middle}{serial[-2:]}"
    newer = replacement(row) if row.state == CertificateState.SUPERSEDED else None
    return PublicCertificate(
        answer=answer,
        tone=tone,
        meaning=meaning,
        number=row.number or "",
        kind="检定证书" if row.conclusion == Conclusion.PASS else "检定结果通知书",
        instrument=str(row.facts["instrument_name"]),
        model=str(row.facts.get("model") or ""),
        serial_no=masked,
        county=session.scalar(select(Division.name).where(Division.code == row.use_division)) or "",
        institute=row.institute.name,
        institute_phone=row.institute.phone,
        result="合格" if row.conclusion == Conclusion.PASS else "不合格",
        verified_on=row.verified_on,
        valid_until=row.valid_until,
        sha256=row.pdf_sha256 or "",
        state=row.state,
        newer=(newer.number or "", newer.lookup_code or "") if newer is not None else None,
    )


def _answer(row: Certificate) -> tuple[str, str, str]:
    if row.state == CertificateState.REVOKED:
        return "已撤销", "danger", "该证书已被检定机构撤销，不能作为器具合格的依据。"
    if row.state == CertificateState.SUPERSEDED:
        return "已更正", "warn", "该证书已被新的证书代替，请以新证书为准。"
    if row.conclusion == Conclusion.FAIL:
        return "不合格", "danger", "该器具检定不合格，修理并重新检定合格前不得使用。"
    if row.valid_until is not None and row.valid_until < clock.today():
        return "已过期", "danger", "证书有效期已过，器具须重新检定合格后方可使用。"
    return "有效", "ok", "该器具检定合格，在有效期内。请核对器具铭牌与证书所列出厂编号是否一致。"
