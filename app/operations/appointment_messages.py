"""平台在线沟通: what a unit and its institute write to each other on an order (APT-13, S3 联系机构)."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.limits import hit
from app.access.principal import Principal
from app.access.roles import RECEPTION, UNIT
from app.errors import InvalidInputError, NotAllowedError, NotVisibleError
from app.workflow import APPOINTMENT
from app.workflow.engine import Context
from app.workflow.outgoing import message
from app.workflow.recipients import order_counterpart
from models.appointment import Appointment
from models.booking import AppointmentMessage
from models.enums import AppointmentState

LONGEST = 500
PER_HOUR = "60 per hour"
SHOWN = 200
A = AppointmentState
QUIET = frozenset({A.DRAFT, A.ADMIN_REVIEW, A.SPLIT})
"""States in which an order has nobody on the other side yet."""


def talks(actor: Principal, order: Appointment) -> bool:
    """Whether this person may write on the order: the unit's people and reception of its institute."""
    if order.institute_id is None or order.state in QUIET:
        return False
    unit = actor.of_unit and actor.unit_id == order.unit_id and actor.has(*UNIT)
    return unit or (actor.of_institute and actor.institute_id == order.institute_id and actor.has(*RECEPTION))


def messages_of(session: Session, order: Appointment) -> list[AppointmentMessage]:
    """What was written on an order, the oldest first; scope gives it to the two sides alone."""
    statement = select(AppointmentMessage).where(AppointmentMessage.appointment_id == order.id)
    newest = session.execute(statement.order_by(AppointmentMessage.id.desc()).limit(SHOWN)).scalars()
    return list(newest)[::-1]


def write_message(session: Session, actor: Principal, order_id: int, text: str) -> AppointmentMessage:
    """Write on an order and tell the other side. Raises NotVisibleError, NotAllowedError, InvalidInputError."""
    order = session.get(Appointment, order_id)
    if order is None:
        raise NotVisibleError
    if not talks(actor, order) or order.institute_id is None:
        raise NotAllowedError("只有预约单的使用单位和受理机构可以在这里留言。")
    body = text.strip()
    if not 1 <= len(body) <= LONGEST:
        raise InvalidInputError(f"请填写“留言”（1～{LONGEST}字）。", field="body")
    hit(f"order-message:{actor.account_id}", PER_HOUR)
    row = AppointmentMessage(
        appointment_id=order.id,
        unit_id=order.unit_id,
        institute_id=order.institute_id,
        account_id=actor.account_id,
        author=actor.name[:40],
        author_body=actor.body[:120],
        body=body,
    )
    session.add(row)
    session.flush()
    step = APPOINTMENT.step("edit")  # who is told depends on the order and the writer alone
    for account in order_counterpart(Context(session, APPOINTMENT, step, order, actor, {})):
        link = f"/appointments/show/{order.id}"
        message(session, account.id, f"预约单{order.number}有新的留言。", body[:200], link, key=f"talk-{row.id}")
    return row
