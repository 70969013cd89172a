"""The applications of a unit, or those handed in at an institute, as one list by time (ORG-13)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, cast, desc, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.fab.paging import CappedInt
from models.appointment import Appointment
from models.filing import Filing

CAP = 10_000


@dataclass(frozen=True, slots=True)
class Line:
    """One application: its machine (appointment or filing), row, flow number, when it was made and how it stands."""

    entity: str
    id: int
    number: str
    at: datetime
    state: str


def my_business(session: Session, p: Principal, page: int, size: int) -> tuple[list[Line], int]:
    """(lines of the page counted from 0, how many there are, counted to 10,000). The scope holds besides the body."""
    booked, filed = _own(p)
    parts = [
        select(
            literal("appointment").label("entity"),
            Appointment.id.label("id"),
            Appointment.number.label("number"),
            func.coalesce(Appointment.submitted_at, Appointment.created_at).label("at"),
            Appointment.state.label("state"),
        ).where(booked),
        select(
            literal("filing").label("entity"),
            Filing.id.label("id"),
            cast(Filing.id, String).label("number"),
            func.coalesce(Filing.submitted_at, Filing.created_at).label("at"),
            Filing.state.label("state"),
        ).where(filed, Filing.submitted_at.is_not(None)),
    ]
    both = union_all(*(select(part.subquery()) for part in parts)).subquery()
    statement = select(both).order_by(desc(both.c.at), desc(both.c.id)).limit(size).offset(page * size)
    rows = [_line(row) for row in session.execute(statement)]
    inner = select(both.c.id).limit(CAP + 1).subquery()
    count = session.scalar(select(func.count()).select_from(inner)) or 0
    return rows, CappedInt(CAP) if count > CAP else count


def _own(p: Principal) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    if p.unit_id is not None:
        return Appointment.unit_id == p.unit_id, Filing.unit_id == p.unit_id
    booked = (Appointment.institute_id == p.institute_id) & (Appointment.state != "draft")
    held = or_(
        Filing.holder_institute_id == p.institute_id,
        Filing.target_institute_id == p.institute_id,
        Filing.final_institute_id == p.institute_id,
    )
    return booked, held


def _line(row: Any) -> Line:
    number = row.number or "—"
    return Line(row.entity, row.id, f"BA{row.id:08d}" if row.entity == "filing" else number, row.at, row.state)
