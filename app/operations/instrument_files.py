"""相关资料 of an instrument (LED-27): files that its unit uploads, among them the 型式评价 certificate of P+V kinds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import filestore
from app.access.principal import Principal
from app.errors import InvalidInputError, NotAllowedError, NotVisibleError
from app.workflow.engine import lock
from app.workflow.live import live_item_of
from models.attachment import Attachment
from models.instrument import Instrument

OWNER = "instrument"
LABEL = "相关资料"
MAX_FILES = 10


def files_of(session: Session, instrument_id: int) -> list[Attachment]:
    """The files that the principal may see, oldest first."""
    statement = select(Attachment).where(Attachment.owner_type == OWNER, Attachment.owner_id == instrument_id)
    return list(session.execute(statement.order_by(Attachment.created_at)).scalars())


def add_file(session: Session, actor: Principal, instrument_id: int, *, filename: str, data: bytes) -> Attachment:
    """Keep a file beside an instrument of the actor's unit; raises InvalidInputError when it cannot be taken."""
    instrument = _own(session, actor, instrument_id)
    kind = filestore.check_paper(data, LABEL)
    if len(files_of(session, instrument.id)) >= MAX_FILES:
        raise InvalidInputError(f"“{LABEL}”最多{MAX_FILES}个文件，请先删除不用的。", field="attachments")
    row = Attachment(
        owner_type=OWNER,
        owner_id=instrument.id,
        kind="document",
        filename=filestore.clean_filename(filename),
        content_type=kind,
        sha256=filestore.put(data),
        size=len(data),
        unit_id=instrument.unit_id,
        account_id=actor.account_id,
    )
    session.add(row)
    session.flush()
    return row


def remove_file(session: Session, actor: Principal, instrument_id: int, file_id: Any) -> None:
    """Take a file away; not while a filing or an appointment rests on it."""
    instrument = _own(session, actor, instrument_id)
    if instrument.state not in {"unfiled", "in_use", "suspended"} or live_item_of(session, instrument.id):
        raise InvalidInputError("器具正在备案或预约流程中，不能删除资料。")
    statement = select(Attachment).where(
        Attachment.id == file_id, Attachment.owner_type == OWNER, Attachment.owner_id == instrument.id
    )
    row = session.execute(statement).scalar_one_or_none()
    if row is None:
        raise NotVisibleError
    session.delete(row)
    session.flush()


def _own(session: Session, actor: Principal, instrument_id: int) -> Instrument:
    instrument: Instrument = lock(session, Instrument, instrument_id)
    if not actor.of_unit or instrument.unit_id != actor.unit_id:
        raise NotAllowedError("只有使用单位可以维护相关资料。")
    return instrument
