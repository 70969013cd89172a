"""The predicates of the institute's working day: counter, tasks, results of other systems, calendars (ROLES section 2)."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, false, or_, true

from app.access.predicates import within
from app.access.principal import Principal
from app.access.scope import scoped
from models import (
    AppointmentMessage,
    AssignmentRule,
    BasketItem,
    CalendarFeed,
    Commission,
    FilingAmendment,
    IdempotencyKey,
    SlotPattern,
    Task,
    UnmatchedRecord,
    VerifierProject,
)
from models.enums import Role


@scoped(SlotPattern)
def slot_pattern(p: Principal) -> ColumnElement[bool]:
    return SlotPattern.institute_id == p.institute_id if p.of_institute else false()


@scoped(AssignmentRule)
def assignment_rule(p: Principal) -> ColumnElement[bool]:
    """Administrators write them, regulators read them all, an institute reads what is sent to it."""
    if p.has(Role.ADM, Role.REG):
        return true()
    return AssignmentRule.institute_id == p.institute_id if p.of_institute else false()


@scoped(AppointmentMessage)
def appointment_message(p: Principal) -> ColumnElement[bool]:
    """Between the unit and the institute of an order; nobody else reads along."""
    terms: list[ColumnElement[bool]] = []
    if p.of_unit:
        terms.append(AppointmentMessage.unit_id == p.unit_id)
    if p.of_institute:
        terms.append(AppointmentMessage.institute_id == p.institute_id)
    return or_(false(), *terms)


@scoped(BasketItem)
def basket_item(p: Principal) -> ColumnElement[bool]:
    return BasketItem.account_id == p.account_id if p.account_id is not None else false()


@scoped(IdempotencyKey)
def idempotency_key(p: Principal) -> ColumnElement[bool]:
    return IdempotencyKey.account_id == p.account_id if p.account_id is not None else false()


@scoped(CalendarFeed)
def calendar_feed(p: Principal) -> ColumnElement[bool]:
    return CalendarFeed.account_id == p.account_id if p.account_id is not None else false()


def _three_sides(model: type[FilingAmendment | Task | UnmatchedRecord], p: Principal) -> ColumnElement[bool]:
    """The unit, the institute that works on it, and the regulators of the place of use. Of a task the pages and the API
    leave the readings out for everybody but the institute."""
    terms: list[ColumnElement[bool]] = []
    if p.of_unit:
        terms.append(model.unit_id == p.unit_id)
    if p.of_institute:
        terms.append(model.institute_id == p.institute_id)
    if p.has(Role.REG):
        terms.append(within(model.use_division, p.area))
    return or_(false(), *terms)


@scoped(FilingAmendment)
def filing_amendment(p: Principal) -> ColumnElement[bool]:
    return _three_sides(FilingAmendment, p)


@scoped(Task)
def task(p: Principal) -> ColumnElement[bool]:
    return _three_sides(Task, p)


@scoped(UnmatchedRecord)
def unmatched_record(p: Principal) -> ColumnElement[bool]:
    return _three_sides(UnmatchedRecord, p)


@scoped(Commission)
def commission(p: Principal) -> ColumnElement[bool]:
    """While the counter still compares, a commission is the institute's own affair."""
    terms: list[ColumnElement[bool]] = []
    told = Commission.state != "checking"
    if p.of_unit:
        terms.append(and_(Commission.unit_id == p.unit_id, told))
    if p.of_institute:
        terms.append(Commission.institute_id == p.institute_id)
    if p.has(Role.REG):
        terms.append(and_(within(Commission.use_division, p.area), told))
    return or_(false(), *terms)


@scoped(VerifierProject)
def verifier_project(p: Principal) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = []
    if p.of_institute:
        terms.append(VerifierProject.institute_id == p.institute_id)
    if p.has(Role.ADM):
        terms.append(true())
    return or_(false(), *terms)
