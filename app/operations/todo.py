"""今日待办: what waits for the principal, counted from the declarations and linked to the filtered list."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.operations.band import Band, band_condition
from app.workflow import CERTIFICATE
from models.account import Account
from models.appointment import Appointment, AppointmentItem
from models.certificate import Certificate
from models.enums import AccountState, InstrumentState, Role
from models.filing import Filing
from models.instrument import Instrument
from models.outbox import Message

CAP = 10_000


@dataclass(frozen=True, slots=True)
class Todo:
    """One line: what, how many, where to do it, how urgent (danger, warn, info)."""

    key: str
    label: str
    count: int
    url: str
    tone: str


def _count(session: Session, model: type, *conditions: object) -> int:
    inner = select(model.id).where(*conditions).limit(CAP + 1).subquery()  # type: ignore[attr-defined, arg-type]
    return session.scalar(select(func.count()).select_from(inner)) or 0


def todos(session: Session, p: Principal) -> list[Todo]:
    """Lines with a count above zero, most urgent first. Every count passes through the principal's scope."""
    lines: list[Todo] = []
    if p.of_unit:
        lines += _of_unit(session, p)
    if p.of_institute:
        lines += _of_institute(session, p)
    if p.has(Role.REG):
        lines += _of_regulator(session)
    if p.has(Role.ADM):
        waiting = _count(
            session, Account, Account.state == AccountState.PENDING, Account.reviewer_institute_id.is_(None)
        )
        lines.append(Todo("reviews", "待审核的注册申请", waiting, "/accounts/list/?state=pending", "warn"))
    unread = _count(session, Message, Message.received_at.is_(None), Message.account_id == p.account_id)
    lines.append(Todo("messages", "未接收的消息", unread, "/messages/list/", "info"))
    order = {"danger": 0, "warn": 1, "info": 2}
    return sorted((line for line in lines if line.count), key=lambda line: order[line.tone])


def _of_unit(session: Session, p: Principal) -> list[Todo]:
    today = clock.today()
    own = Instrument.unit_id == p.unit_id
    return [
        Todo(
            "overdue",
            "已超期的器具",
            _count(session, Instrument, own, band_condition(Band.OVERDUE, today)),
            "/instruments/list/?band=overdue",
            "danger",
        ),
        Todo(
            "failed",
            "检定不合格的器具",
            _count(session, Instrument, own, band_condition(Band.FAILED, today)),
            "/instruments/list/?band=failed",
            "danger",
        ),
        Todo(
            "returned",
            "被退回的备案",
            _count(session, Filing, Filing.state == "returned"),
            "/filings/list/?state=returned",
            "danger",
        ),
        Todo(
            "due",
            "即将到期的器具",
            _count(session, Instrument, own, band_condition(Band.DUE, today)),
            "/instruments/list/?band=due",
            "warn",
        ),
        Todo(
            "unfiled",
            "待备案的器具",
            _count(session, Instrument, own, Instrument.state == InstrumentState.UNFILED),
            "/instruments/list/?state=unfiled",
            "warn",
        ),
        Todo(
            "never",
            "在用未检定的器具",
            _count(session, Instrument, own, band_condition(Band.NEVER, today)),
            "/instruments/list/?band=never",
            "warn",
        ),
        Todo(
            "drafts",
            "待提交的预约单",
            _count(session, Appointment, Appointment.state == "draft"),
            "/appointments/list/?state=draft",
            "info",
        ),
    ]


def _of_institute(session: Session, p: Principal) -> list[Todo]:
    lines: list[Todo] = []
    if p.has(Role.REC, Role.IMG):
        held = Filing.holder_institute_id == p.institute_id
        lines += [
            Todo(
                "reviews",
                "待审核的注册申请",
                _count(
                    session,
                    Account,
                    Account.state == AccountState.PENDING,
                    Account.reviewer_institute_id == p.institute_id,
                ),
                "/accounts/list/?state=pending",
                "warn",
            ),
            Todo(
                "filings",
                "待处理的备案",
                _count(session, Filing, held, Filing.state.in_(("submitted", "to_process", "to_confirm"))),
                "/filings/list/?mine=1",
                "warn",
            ),
            Todo(
                "bookings",
                "待受理的预约单",
                _count(
                    session,
                    Appointment,
                    Appointment.state.in_(("submitted", "withdraw_requested", "restore_requested")),
                ),
                "/appointments/list/?state=submitted",
                "warn",
            ),
            Todo(
                "arrivals",
                "待收样的器具",
                _count(session, AppointmentItem, AppointmentItem.state == "accepted"),
                "/items/list/?state=accepted",
                "info",
            ),
        ]
    if p.has(Role.VER):
        waiting = or_(AppointmentItem.state == "received", AppointmentItem.state == "verifying")
        lines += [
            Todo(
                "tasks",
                "待检定的器具",
                _count(session, AppointmentItem, waiting),
                "/items/list/?state=received",
                "warn",
            ),
            Todo(
                "drafts",
                "我编制中的证书",
                _count(session, Certificate, Certificate.state == "draft", Certificate.verifier_id == p.account_id),
                "/certificates/list/?state=draft",
                "warn",
            ),
            Todo(
                "checks",
                "待我核验的证书",
                _count(session, Certificate, Certificate.state == "checking", Certificate.verifier_id != p.account_id),
                "/certificates/list/?state=checking",
                "warn",
            ),
        ]
    if p.has(Role.APR):
        lines.append(
            Todo(
                "approvals",
                "待批准的证书",
                _count(session, Certificate, Certificate.state == "approving", Certificate.verifier_id != p.account_id),
                "/certificates/list/?state=approving",
                "warn",
            )
        )
    return lines


def _of_regulator(session: Session) -> list[Todo]:
    today = clock.today()
    return [
        Todo(
            "overdue",
            "辖区内已超期的器具",
            _count(session, Instrument, band_condition(Band.OVERDUE, today)),
            "/instruments/list/?band=overdue",
            "danger",
        ),
        Todo(
            "failed",
            "辖区内不合格的器具",
            _count(session, Instrument, band_condition(Band.FAILED, today)),
            "/instruments/list/?band=failed",
            "danger",
        ),
        Todo(
            "confirmations",
            "待行政确认的预约单",
            _count(session, Appointment, Appointment.state == "admin_review"),
            "/appointments/list/?state=admin_review",
            "warn",
        ),
    ]


def certificate_words() -> dict[str, str]:
    """State words of certificates, for figures on the home page."""
    return {state.value: CERTIFICATE.labels[state] for state in CERTIFICATE.states}
