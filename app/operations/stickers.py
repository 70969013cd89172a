"""Stickers for instruments with a certificate in force: which there are, and why some of the chosen get none."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.documents.stickers import Sticker, render_stickers
from app.operations.certificate import verify_url
from models.certificate import Certificate
from models.enums import CertificateState, Conclusion
from models.instrument import Instrument

MOST = 500


@dataclass(frozen=True)
class Chosen:
    """What was chosen: certificates that get a sticker, and (what, why not) of the others."""

    ready: list[Certificate]
    left_out: list[tuple[str, str]]


def choose(session: Session, certificates: Sequence[int], instruments: Sequence[int]) -> Chosen:
    """The stickers for certificates and for instruments, by id, as far as the principal sees them."""
    found = _by_id(session, certificates[:MOST])
    latest, missing = _of_instruments(session, instruments[:MOST])
    ready: dict[int, Certificate] = {}
    left_out = missing
    for row in [*found, *latest]:
        why = _why_not(row)
        if why:
            left_out.append((f"{row} {row.facts.get('instrument_name', '')}", why))
        else:
            ready[row.id] = row
    return Chosen(list(ready.values()), left_out)


def _by_id(session: Session, ids: Sequence[int]) -> list[Certificate]:
    statement = select(Certificate).where(Certificate.id.in_(ids))
    rows = {row.id: row for row in session.execute(statement).unique().scalars()}
    return [rows[pk] for pk in ids if pk in rows]


def _of_instruments(session: Session, ids: Sequence[int]) -> tuple[list[Certificate], list[tuple[str, str]]]:
    """The newest issued certificate of each instrument, and the instruments that have none."""
    seen = select(Instrument.id, Instrument.name, Instrument.serial_no).where(Instrument.id.in_(ids))
    names = {pk: f"{name} {serial}" for pk, name, serial in session.execute(seen).tuples()}
    statement = (
        select(Certificate)
        .where(Certificate.instrument_id.in_(names), Certificate.state == CertificateState.ISSUED)
        .order_by(Certificate.verified_on, Certificate.id)
    )
    latest = {row.instrument_id: row for row in session.execute(statement).unique().scalars()}
    missing = [(names[pk], "无证书") for pk in ids if pk in names and pk not in latest]
    return [latest[pk] for pk in ids if pk in latest], missing


def _why_not(row: Certificate) -> str | None:
    if row.state != CertificateState.ISSUED:
        return "证书未签发或已不再有效"
    if row.conclusion != Conclusion.PASS:
        return "检定结论为不合格"
    if row.valid_until is not None and row.valid_until < clock.today():
        return "证书有效期已过"
    return None


def sheet(rows: Iterable[Certificate], *, label: str, skip: int) -> bytes:
    """The PDF of the stickers; see app/documents/stickers.py for label and skip."""
    out = io.BytesIO()
    render_stickers([_sticker(row) for row in rows], out, day=clock.today(), label=label, skip=skip)
    return out.getvalue()


def _sticker(row: Certificate) -> Sticker:
    return Sticker(
        url=verify_url(row),
        name=str(row.facts["instrument_name"]),
        serial_no=str(row.facts["serial_no"]),
        number=row.number or "",
        verified_on=row.verified_on,
        valid_until=row.valid_until,
        institute=str(row.facts["institute_name"]),
    )
