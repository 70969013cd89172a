"""今日待办: what waits for the principal, counted from the declarations and linked to the filtered list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, ScalarSelect, Select, func, or_, select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.operations.band import LABELS, TONES, Band, band_condition, scheme
from app.operations.filing import awaited_by, pending
from app.operations.units_without_contact import without_contact
from app.operations.unmatched import FORGOTTEN_DAYS, OPEN
from app.profiles import switch_on
from app.workflow import CERTIFICATE
from models.account import Account
from models.affiliation import Affiliation, UnitChange
from models.appointment import Appointment, AppointmentItem
from models.certificate import Certificate
from models.commission import Commission, Task
from models.enums import (
    AccountState,
    AffiliationState,
    AmendmentState,
    CommissionState,
    JobState,
    Role,
    TaskState,
    TransferState,
    UnitChangeState,
    UnmatchedState,
)
from models.filing import Filing, FilingAmendment
from models.instrument import Instrument
from models.job import Job
from models.ledger import InstrumentTransfer
from models.organisation import Institute, Unit
from models.outbox import Message
from models.unmatched import UnmatchedRecord

CAP = 10_000
BADGE = 100
"""Beside a menu entry stands a number below 100 or 99+: nothing is counted further than that for it."""


URGENCY = [Band.OVERDUE, Band.INVALID, Band.FAILED, Band.DUE]


@dataclass(frozen=True, slots=True)
class Todo:
    """One line: what, how many, where to do it, how urgent (danger, warn, info)."""

    key: str
    label: str
    count: int
    url: str
    tone: str


@dataclass(frozen=True, slots=True)
class Line:
    """A to-do line before its rows have been counted."""

    key: str
    label: str
    rows: Select[tuple[int]]
    url: str
    tone: str


def _rows(model: type, *conditions: ColumnElement[bool]) -> Select[tuple[int]]:
    return select(model.id).where(*conditions)  # type: ignore[attr-defined]


def todos(session: Session, p: Principal, cap: int = CAP) -> list[Todo]:
    """Lines with a count above zero, most urgent first. Every count passes through the principal's scope; one statement
    counts them all, each no further than `cap` + 1."""
    lines: list[Line] = []
    if p.of_unit:
        lines += _of_unit(p)
    if p.of_institute:
        lines += _of_institute(p)
    if p.has(Role.REG):
        lines += _of_regulator(p)
    if switch_on("unmatched"):
        lines += _unmatched(p)
    if switch_on("commission"):
        lines += _of_bench(p)
    if p.has(Role.ADM):
        waiting = _rows(Account, Account.state == AccountState.PENDING, Account.reviewer_institute_id.is_(None))
        lines.append(Line("reviews", "待审核的注册申请", waiting, "/accounts/list/?state=pending", "warn"))
    lines += _of_body(p)
    unread = _rows(Message, Message.received_at.is_(None), Message.account_id == p.account_id)
    lines.append(Line("messages", "未接收的消息", unread, "/messages/list/", "info"))
    counts = session.execute(select(*(_counted(line.rows, cap) for line in lines))).one()
    order = {"danger": 0, "warn": 1, "info": 2}
    found = [Todo(line.key, line.label, n, line.url, line.tone) for line, n in zip(lines, counts, strict=True) if n]
    return sorted(found, key=lambda line: order[line.tone])


def _counted(rows: Select[tuple[int]], cap: int) -> ScalarSelect[int]:
    return select(func.count()).select_from(rows.limit(cap + 1).subquery()).scalar_subquery()


def _of_body(p: Principal) -> list[Line]:
    """What a main account, a manager or a reviewer decides about people and about the data of units."""
    lines: list[Line] = []
    if p.has(Role.ENT, Role.IMG) and switch_on("affiliation"):
        own = Affiliation.unit_id == p.unit_id if p.has(Role.ENT) else Affiliation.institute_id == p.institute_id
        asked = _rows(Affiliation, own, Affiliation.state == AffiliationState.REQUESTED)
        lines.append(Line("affiliations", "待处理的关联申请", asked, "/affiliations/list/?state=requested", "warn"))
    if p.has(Role.REC, Role.IMG, Role.ADM):
        mine = (
            UnitChange.reviewer_institute_id.is_(None)
            if p.has(Role.ADM)
            else UnitChange.reviewer_institute_id == p.institute_id
        )
        waiting = _rows(UnitChange, mine, UnitChange.state == UnitChangeState.PENDING)
        address = "/unit-changes/list/?state=pending"
        lines.append(Line("unit_changes", "待审核的单位信息变更", waiting, address, "warn"))
    return lines


def _bands(own: tuple[ColumnElement[bool], ...], where: str = "") -> list[Line]:
    """A line per band of the deployment's scheme, with the words of its manual; the key is the band's own."""
    today = clock.today()
    wanted = [band for band in scheme().bands if band not in (Band.NOTICE, Band.NEVER)]
    return [
        Line(
            band.value,
            f"{where}{LABELS[band] if band is not Band.FAILED else '检定不合格'}的器具",
            _rows(Instrument, *own, band_condition(band, today)),
            f"/instruments/list/?band={band.value}",
            TONES[band],
        )
        for band in sorted(wanted, key=URGENCY.index)
    ]


def _of_unit(p: Principal) -> list[Line]:
    own = Instrument.unit_id == p.unit_id
    never = _rows(Instrument, own, band_condition(Band.NEVER, clock.today()))
    drafts = _rows(Job, Job.kind == "ledger_import", Job.state == JobState.WAITING, Job.unit_id == p.unit_id)
    found = [
        *_bands((own,)),
        Line(
            "returned",
            "被退回的备案",
            _rows(Filing, Filing.state == "returned"),
            "/filings/list/?state=returned",
            "danger",
        ),
        Line(
            "unfiled",
            "待备案的器具",
            _rows(Instrument, own, pending()),
            "/filings/pending/list/",
            "warn",
        ),
        Line("import_drafts", "待确认的导入", drafts, "/imports/", "warn"),
        Line("never", "在用未检定的器具", never, "/instruments/list/?band=never", "warn"),
        Line(
            "booking_drafts",
            "待提交的预约单",
            _rows(Appointment, Appointment.state == "draft"),
            "/appointments/list/?state=draft",
            "info",
        ),
    ]
    if switch_on("transfer_unit") and p.has(Role.ENT):
        asked = _rows(InstrumentTransfer, InstrumentTransfer.state == TransferState.ASKED)
        found.append(Line("transfers", "未答复的变更使用单位", asked, "/transfers/list/?state=asked", "warn"))
    return found


def _of_institute(p: Principal) -> list[Line]:
    lines: list[Line] = []
    if p.has(Role.REC, Role.IMG):
        lines += [
            Line(
                "reviews",
                "待审核的注册申请",
                _rows(
                    Account,
                    Account.state == AccountState.PENDING,
                    Account.reviewer_institute_id == p.institute_id,
                ),
                "/accounts/list/?state=pending",
                "warn",
            ),
            *_filings(p, "待处理的备案"),
            Line(
                "amendments",
                "待审核的备案变更",
                _rows(
                    FilingAmendment,
                    FilingAmendment.institute_id == p.institute_id,
                    FilingAmendment.state == AmendmentState.PENDING,
                ),
                "/filing-amendments/list/?state=pending",
                "warn",
            ),
            Line(
                "bookings",
                "待受理的预约单",
                _rows(
                    Appointment,
                    Appointment.state.in_(("submitted", "withdraw_requested", "restore_requested")),
                ),
                "/appointments/list/?state=submitted",
                "warn",
            ),
            Line(
                "arrivals",
                "待收样的器具",
                _rows(AppointmentItem, AppointmentItem.state == "accepted"),
                "/items/list/?state=accepted",
                "info",
            ),
        ]
    if p.has(Role.IMG):
        lines.append(_lapsed())
    if p.has(Role.VER):
        waiting = or_(AppointmentItem.state == "received", AppointmentItem.state == "verifying")
        lines += [
            Line(
                "tasks",
                "待检定的器具",
                _rows(AppointmentItem, waiting),
                "/items/list/?state=received",
                "warn",
            ),
            Line(
                "drafts",
                "我编制中的证书",
                _rows(Certificate, Certificate.state == "draft", Certificate.verifier_id == p.account_id),
                "/certificates/list/?state=draft",
                "warn",
            ),
            Line(
                "checks",
                "待我核验的证书",
                _rows(Certificate, Certificate.state == "checking", Certificate.verifier_id != p.account_id),
                "/certificates/list/?state=checking",
                "warn",
            ),
        ]
    if p.has(Role.APR):
        lines.append(
            Line(
                "approvals",
                "待批准的证书",
                _rows(Certificate, Certificate.state == "approving", Certificate.verifier_id != p.account_id),
                "/certificates/list/?state=approving",
                "warn",
            )
        )
    return lines


def _unmatched(p: Principal) -> list[Line]:
    """Results of other systems: what the unit sorts out, what the institute answers, what the regulator decides."""
    state, address = UnmatchedRecord.state, "/unmatched/list/"
    if p.of_unit:
        waiting = _rows(UnmatchedRecord, state.in_(OPEN))
        return [Line("unmatched", "未匹配的检定记录", waiting, address, "warn")]
    if p.has(Role.REC, Role.VER, Role.IMG):
        asked = _rows(UnmatchedRecord, state == UnmatchedState.DISPUTED)
        return [Line("unmatched", "待更正的检定记录", asked, f"{address}?state=disputed", "warn")]
    if not p.has(Role.REG):
        return []
    since = clock.now() - timedelta(days=FORGOTTEN_DAYS)
    old = _rows(UnmatchedRecord, state == UnmatchedState.PENDING, UnmatchedRecord.created_at < since)
    denied = _rows(UnmatchedRecord, state == UnmatchedState.NOT_OURS)
    words = f"超过{FORGOTTEN_DAYS}天未处理的检定记录"
    return [
        Line("unmatched", "单位反馈非本单位的检定记录", denied, f"{address}?state=not_ours", "warn"),
        Line("unmatched_old", words, old, f"{address}?state=pending", "warn"),
    ]


def _of_bench(p: Principal) -> list[Line]:
    """Visits, tasks and what is ready to be fetched, at the institute that has them and for the unit that waits."""
    visit, lines = "/commissions/list/?state=", list[Line]()
    ready = _rows(Commission, Commission.state == CommissionState.READY)
    if p.of_unit:
        return [Line("collect", "已完检待领取的委托单", ready, f"{visit}ready", "info")]
    if p.has(Role.REC, Role.IMG):
        begun = _rows(Commission, Commission.state == CommissionState.CHECKING)
        lines.append(Line("visits", "登记中的委托单", begun, f"{visit}checking", "warn"))
        lines.append(Line("collect", "待领取的委托单", ready, f"{visit}ready", "info"))
    if p.has(Role.IMG):
        queued = _rows(Task, Task.state == TaskState.QUEUED)
        lines.append(Line("queued", "待分派的检定任务", queued, "/tasks/list/?state=queued", "warn"))
    if p.has(Role.VER):
        mine = _rows(Task, Task.verifier_id == p.account_id, Task.state == TaskState.ASSIGNED)
        address = f"/tasks/list/?state=assigned&_flt_0_verifier={p.account_id}"
        lines.append(Line("my_tasks", "分派给我的检定任务", mine, address, "warn"))
    return lines


def _lapsed() -> Line:
    """Orders that were accepted before their institute's licence ended: they stay, and somebody looks after them
    (WORKFLOWS 18, registration.expire). The reader's scope says whose."""
    ended = Appointment.institute.has(Institute.authorised_until < clock.today())
    rows = _rows(Appointment, Appointment.state == "accepted", ended)
    return Line("lapsed", "机构授权已到期的已受理预约单", rows, "/appointments/list/?state=accepted", "danger")


def _filings(p: Principal, words: str) -> list[Line]:
    awaited = awaited_by(p)
    if awaited is None:
        return []
    return [Line("filings", words, _rows(Filing, awaited), "/filings/list/?mine=1", "warn")]


def _of_regulator(p: Principal) -> list[Line]:
    return [
        *_bands((), "辖区内"),
        *_filings(p, "待审核的备案"),
        _lapsed(),
        Line("alone", "无联系人的单位", _rows(Unit, without_contact()), "/units/list/?contact=none", "info"),
        Line(
            "confirmations",
            "待行政确认的预约单",
            _rows(Appointment, Appointment.state == "admin_review"),
            "/appointments/list/?state=admin_review",
            "warn",
        ),
    ]


def certificate_words() -> dict[str, str]:
    """State words of certificates, for figures on the home page."""
    return {state.value: CERTIFICATE.labels[state] for state in CERTIFICATE.states}
