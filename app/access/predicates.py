"""The predicates of ROLES section 2, one per entity. Registration happens on import; app/access/scope.py applies them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, String, and_, cast, exists, false, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute

from app.access.principal import Principal
from app.access.scope import scoped
from models import (
    Account,
    Affiliation,
    Appointment,
    AppointmentItem,
    Attachment,
    AuditLog,
    BulkLine,
    Certificate,
    ColumnMapping,
    Consent,
    DevelopmentMail,
    DuplicateDismissal,
    ExternalIdentity,
    Filing,
    ImportRow,
    InstituteInstrument,
    Instrument,
    InstrumentMerge,
    InstrumentTransfer,
    Job,
    ListSetting,
    Message,
    Nozzle,
    Outbox,
    RecoveryRequest,
    Reminder,
    SavedView,
    Slot,
    TransitionLog,
    TypeApproval,
    Unit,
    UnitChange,
    UnitContact,
    WebSession,
)
from models.base import Model
from models.enums import AccountKind, CertificateState, InstrumentState, Role

PUBLISHED = (CertificateState.ISSUED, CertificateState.SUPERSEDED, CertificateState.REVOKED)
SEEN_BY_NOBODY = (InstrumentState.PURGED, InstrumentState.MERGED)


def table(model: type[Model]) -> FromClause:
    """The bare table under an alias: inside a predicate the criteria of other entities must not apply again."""
    return model.__table__.alias()


def within(
    column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None] | ColumnElement[str], area: str | None
) -> ColumnElement[bool]:
    """A division code inside an area: exact prefix of 2, 4 or 6 digits, nothing else (must-never case 57)."""
    if area is None or len(area) not in {2, 4, 6} or not area.isdecimal():
        return false()
    return column.startswith(area, autoescape=True)


@scoped(Unit)
def unit(p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.unit_id is not None and p.has(Role.ENT, Role.SUB, Role.AFF, Role.APPLICANT):
        terms.append(Unit.id == p.unit_id)
    if p.of_institute:
        filed, booked, applied = table(Filing).c, table(AppointmentItem).c, table(Account).c
        terms += [
            Unit.id.in_(select(filed.unit_id).where(_filing_at(filed, p.institute_id))),
            Unit.id.in_(select(booked.unit_id).where(booked.institute_id == p.institute_id, booked.state != "pending")),
            Unit.id.in_(select(applied.unit_id).where(applied.reviewer_institute_id == p.institute_id)),
        ]
    if p.has(Role.REG):
        terms.append(within(Unit.division_code, p.area))
    if p.has(Role.ADM):
        terms.append(true())
    return or_(false(), *terms)


@scoped(Account)
def account(p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.account_id is not None:
        terms.append(Account.id == p.account_id)
    if p.of_unit and p.has(Role.ENT):
        terms += [Account.unit_id == p.unit_id, _asks_for(Affiliation.unit_id.key, p.unit_id)]
    if p.of_institute and p.has(Role.IMG):
        terms.append(_asks_for(Affiliation.institute_id.key, p.institute_id))
    if p.of_institute:
        terms.append(and_(Account.institute_id == p.institute_id, Account.kind == AccountKind.INSTITUTE))
    if p.of_institute and p.has(Role.REC, Role.IMG):
        terms.append(Account.reviewer_institute_id == p.institute_id)
    if p.has(Role.REG):
        seen = table(Unit).c
        terms.append(Account.unit_id.in_(select(seen.id).where(within(seen.division_code, p.area))))
    if p.has(Role.ADM, Role.SEC, Role.AUD):
        terms.append(true())
    return or_(false(), *terms)


def _asks_for(column: str, body_id: int | None) -> ColumnElement[bool]:
    """People who ask to act for a body: its main account or manager sees who they are."""
    link = table(Affiliation).c
    live = link.state.in_(("requested", "linked", "refused"))
    return Account.id.in_(select(link.account_id).where(link[column] == body_id, live))


def _filing_at(filing: Any, institute_id: int | None) -> ColumnElement[bool]:
    return or_(
        filing.holder_institute_id == institute_id,
        filing.target_institute_id == institute_id,
        filing.final_institute_id == institute_id,
    )


@scoped(Instrument)
def instrument(p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.of_unit:
        own = and_(Instrument.unit_id == p.unit_id, Instrument.state.not_in(SEEN_BY_NOBODY))
        terms.append(and_(own, Instrument.hidden.is_(False)))
    if p.of_institute:
        # what was filed or booked with it, kept by triggers: one index that is walked in the list's own order
        link = table(InstituteInstrument).c
        known = select(link.instrument_id).where(link.institute_id == p.institute_id)
        terms.append(Instrument.id.in_(known))
    if p.has(Role.REG):
        terms.append(and_(within(Instrument.use_division, p.area), Instrument.state.not_in(SEEN_BY_NOBODY)))
    if p.has(Role.ANON):
        terms.append(and_(Instrument.state == InstrumentState.IN_USE, Instrument.last_result.is_not(None)))
    return or_(false(), *terms)


@scoped(Filing)
def filing(p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.of_unit:
        terms.append(Filing.unit_id == p.unit_id)
    if p.of_institute:
        # institutes on the route read: whoever once held it keeps seeing how it ended
        hop = Filing.route.contains([{"institute": p.institute_id}])
        terms += [_filing_at(Filing, p.institute_id), hop]
    if p.has(Role.REG):
        terms.append(within(Filing.use_division, p.area))
    return or_(false(), *terms)


def _booking(model: type[Appointment | AppointmentItem], p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.of_unit:
        terms.append(model.unit_id == p.unit_id)
    if p.of_institute:
        terms.append(and_(model.institute_id == p.institute_id, _sent_on(model)))
    if p.of_institute_by_link:
        terms.append(and_(model.institute_id == p.institute_id, _sent_on(model)))
    if p.has(Role.REG):
        terms.append(and_(within(model.use_division, p.area), _sent(model)))
    return or_(false(), *terms)


def _sent(model: type[Appointment | AppointmentItem]) -> ColumnElement[bool]:
    """A draft is the unit's own affair until it is submitted."""
    return model.state != "draft" if model is Appointment else model.state != "pending"


def _sent_on(model: type[Appointment | AppointmentItem]) -> ColumnElement[bool]:
    """Until the administration has confirmed an order, nothing of it is with an institute (WORKFLOWS 5, admin_review)."""
    return model.state.not_in(("draft", "admin_review")) if model is Appointment else model.state != "pending"


@scoped(Appointment)
def appointment(p: Principal) -> ColumnElement[bool]:
    return _booking(Appointment, p)


@scoped(AppointmentItem)
def appointment_item(p: Principal) -> ColumnElement[bool]:
    return _booking(AppointmentItem, p)


@scoped(Slot)
def slot(p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.of_unit:
        terms.append(true())  # free or full only: the page shows no more than that
    if p.of_institute:
        terms.append(Slot.institute_id == p.institute_id)
    if p.has(Role.REG):
        from models import Institute

        terms.append(Slot.institute_id.in_(select(Institute.id).where(within(Institute.division_code, p.area))))
        # the half day of an order that is seen, though the institute lies in the city and the order in one of its counties
        terms.append(exists().where(Appointment.slot_id == Slot.id, _booking(Appointment, p)))
    return or_(false(), *terms)


@scoped(Certificate)
def certificate(p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.of_unit:
        terms.append(and_(Certificate.unit_id == p.unit_id, Certificate.state.in_(PUBLISHED)))
    if p.of_institute:
        terms.append(Certificate.institute_id == p.institute_id)
    if p.has(Role.REG):
        terms.append(and_(within(Certificate.use_division, p.area), Certificate.state.in_(PUBLISHED)))
    return or_(false(), *terms)


@scoped(Attachment)
def attachment(p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.account_id is not None:
        terms.append(Attachment.account_id == p.account_id)
    if p.of_unit:
        terms.append(Attachment.unit_id == p.unit_id)
    if p.of_institute and p.has(Role.REC, Role.IMG):
        # papers of a registration: only while it waits for this institute (ROLES section 4)
        applicant = table(Account).c
        pending = select(cast(applicant.id, String)).where(
            applicant.reviewer_institute_id == p.institute_id, applicant.state.in_(("pending", "returned"))
        )
        terms.append(and_(Attachment.owner_type == "account", cast(Attachment.owner_id, String).in_(pending)))
    if p.has(Role.ADM):
        terms.append(Attachment.owner_type == "recovery")  # proofs that another administrator entered
        applicant = table(Account).c  # papers of a registration: only while it waits for the administrator
        pending = select(cast(applicant.id, String)).where(
            applicant.reviewer_institute_id.is_(None), applicant.state.in_(("pending", "returned"))
        )
        terms.append(and_(Attachment.owner_type == "account", cast(Attachment.owner_id, String).in_(pending)))
    if (p.of_institute and p.has(Role.REC, Role.IMG)) or p.has(Role.ADM):
        # a new licence: only while the change waits for this reviewer
        change = table(UnitChange).c
        own = (
            change.reviewer_institute_id.is_(None)
            if p.has(Role.ADM)
            else change.reviewer_institute_id == p.institute_id
        )
        waiting = select(cast(change.id, String)).where(change.state == "pending", own)
        terms.append(and_(Attachment.owner_type == "unit_change", cast(Attachment.owner_id, String).in_(waiting)))
    if p.of_institute:
        # what a unit put beside an instrument: whoever decides on its filing or verifies it reads that too (rule S-1)
        link = table(InstituteInstrument).c
        known = select(link.instrument_id).where(link.institute_id == p.institute_id)
        terms.append(and_(Attachment.owner_type == "instrument", Attachment.owner_id.in_(known)))
    if p.has(Role.REG):
        # a unit's papers by its home, an instrument's by the place of use; what somebody imports or exports is his own
        seen, used = table(Unit).c, table(Instrument).c
        at_home = select(seen.id).where(within(seen.division_code, p.area))
        here = select(used.id).where(within(used.use_division, p.area), used.state.not_in(SEEN_BY_NOBODY))
        kept = func.coalesce(Attachment.owner_type, "").not_in(("instrument", "job"))
        terms.append(and_(kept, Attachment.unit_id.in_(at_home)))
        terms.append(and_(Attachment.owner_type == "instrument", Attachment.owner_id.in_(here)))
    return or_(false(), *terms)


@scoped(Job)
def job(p: Principal) -> ColumnElement[bool]:
    return Job.account_id == p.account_id if p.account_id is not None else false()


@scoped(ImportRow)
def import_row(p: Principal) -> ColumnElement[bool]:
    if p.account_id is None:
        return false()
    own = table(Job).c
    return exists().where(own.id == ImportRow.job_id, own.account_id == p.account_id)


@scoped(BulkLine)
def bulk_line(p: Principal) -> ColumnElement[bool]:
    if p.account_id is None:
        return false()
    own = table(Job).c
    return exists().where(own.id == BulkLine.job_id, own.account_id == p.account_id)


@scoped(Nozzle)
def nozzle(p: Principal) -> ColumnElement[bool]:
    """Whoever works with the dispenser sees its nozzles; the public does not."""
    if p.has(Role.ANON):
        return false()
    return Nozzle.instrument_id.in_(select(Instrument.id).where(instrument(p)))


@scoped(InstrumentTransfer)
def instrument_transfer(p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.of_unit:
        terms += [InstrumentTransfer.unit_id == p.unit_id, InstrumentTransfer.receiver_unit_id == p.unit_id]
    if p.has(Role.REG):
        terms.append(within(InstrumentTransfer.use_division, p.area))
    return or_(false(), *terms)


@scoped(InstrumentMerge)
def instrument_merge(p: Principal) -> ColumnElement[bool]:
    return InstrumentMerge.unit_id == p.unit_id if p.of_unit else false()


@scoped(DuplicateDismissal)
def duplicate_dismissal(p: Principal) -> ColumnElement[bool]:
    return DuplicateDismissal.unit_id == p.unit_id if p.of_unit else false()


@scoped(ColumnMapping)
def column_mapping(p: Principal) -> ColumnElement[bool]:
    return ColumnMapping.unit_id == p.unit_id if p.of_unit else false()


@scoped(ListSetting)
def list_setting(p: Principal) -> ColumnElement[bool]:
    return ListSetting.account_id == p.account_id if p.account_id is not None else false()


@scoped(SavedView)
def saved_view(p: Principal) -> ColumnElement[bool]:
    """One's own, and what somebody of the same body shares."""
    terms: list[ColumnElement[bool]] = []
    if p.account_id is not None:
        terms.append(SavedView.account_id == p.account_id)
    if p.of_unit:
        terms.append(and_(SavedView.shared, SavedView.unit_id == p.unit_id))
    if p.of_institute:
        terms.append(and_(SavedView.shared, SavedView.institute_id == p.institute_id))
    if p.has(Role.REG) and p.area:
        terms.append(and_(SavedView.shared, SavedView.area == p.area))
    return or_(false(), *terms)


@scoped(Message)
def message(p: Principal) -> ColumnElement[bool]:
    return Message.account_id == p.account_id if p.account_id is not None else false()


@scoped(Reminder)
def reminder(p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.of_unit:
        terms.append(Reminder.unit_id == p.unit_id)
    if p.has(Role.REG):
        terms.append(within(Reminder.use_division, p.area))
    return or_(false(), *terms)


@scoped(TransitionLog)
def transition_log(p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.of_unit:
        terms.append(TransitionLog.unit_id == p.unit_id)
    if p.of_institute:
        terms.append(TransitionLog.institute_id == p.institute_id)
    if p.has(Role.REG):
        terms.append(within(TransitionLog.use_division, p.area))
    if p.has(Role.AUD):
        terms.append(true())
    if p.account_id is not None:
        terms.append(TransitionLog.actor_id == p.account_id)
    return or_(false(), *terms)


@scoped(AuditLog)
def audit_log(p: Principal) -> ColumnElement[bool]:
    if p.has(Role.AUD, Role.SEC):
        return true()
    terms: list[ColumnElement[bool]] = []
    if p.has(Role.ADM):
        terms.append(AuditLog.action == "login")  # LOG-19: log-ins, and nothing else of the log
    if p.account_id is not None:
        terms.append(and_(AuditLog.action == "login", AuditLog.actor_id == p.account_id))
    return or_(false(), *terms)


@scoped(Affiliation)
def affiliation(p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.has(Role.IND):
        terms.append(Affiliation.account_id == p.account_id)
    if p.of_unit and p.has(Role.ENT):
        terms.append(Affiliation.unit_id == p.unit_id)
    if p.of_institute and p.has(Role.IMG):
        terms.append(Affiliation.institute_id == p.institute_id)
    return or_(false(), *terms)


def _of_unit(model: type[UnitContact | TypeApproval], p: Principal) -> ColumnElement[bool]:
    """What belongs to a unit's own page: the unit itself, and regulators of its home place."""
    terms: list[ColumnElement[bool]] = []
    if p.of_unit:
        terms.append(model.unit_id == p.unit_id)
    if p.has(Role.REG):
        seen = table(Unit).c
        terms.append(model.unit_id.in_(select(seen.id).where(within(seen.division_code, p.area))))
    return or_(false(), *terms)


@scoped(UnitContact)
def unit_contact(p: Principal) -> ColumnElement[bool]:
    return _of_unit(UnitContact, p)


@scoped(TypeApproval)
def type_approval(p: Principal) -> ColumnElement[bool]:
    return _of_unit(TypeApproval, p)


@scoped(UnitChange)
def unit_change(p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.of_unit:
        terms.append(UnitChange.unit_id == p.unit_id)
    if p.of_institute and p.has(Role.REC, Role.IMG):
        terms.append(UnitChange.reviewer_institute_id == p.institute_id)
    if p.has(Role.ADM):
        terms.append(true())
    return or_(false(), *terms)


@scoped(RecoveryRequest)
def recovery_request(p: Principal) -> ColumnElement[bool]:
    return true() if p.has(Role.ADM) else false()


@scoped(ExternalIdentity)
def external_identity(p: Principal) -> ColumnElement[bool]:
    return ExternalIdentity.account_id == p.account_id if p.account_id is not None else false()


@scoped(Consent)
def consent(p: Principal) -> ColumnElement[bool]:
    return Consent.account_id == p.account_id if p.account_id is not None else false()


@scoped(DevelopmentMail)
def development_mail(p: Principal) -> ColumnElement[bool]:
    return true() if p.has(Role.ADM) else false()


@scoped(Outbox)
def outbox(p: Principal) -> ColumnElement[bool]:
    return false()


@scoped(WebSession)
def web_session(p: Principal) -> ColumnElement[bool]:
    if p.has(Role.SEC):
        return WebSession.account_id.is_not(None)
    return WebSession.account_id == p.account_id if p.account_id is not None else false()
