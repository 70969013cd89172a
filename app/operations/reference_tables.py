"""The code tables in the form the intake rules want, built once per change of the tables."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.intake.reference import CategoryRef, DivisionRef, ReferenceTables
from app.reference import STREET
from models.reference import Category, Division

_cached: tuple[object, ReferenceTables] | None = None


def reference_tables(session: Session) -> ReferenceTables:
    """Catalogue and divisions; read again only when a category or division was added, removed or retired."""
    global _cached
    mark = (
        session.execute(select(func.count(), func.count().filter(Category.valid))).one()._tuple(),
        session.scalar(select(func.count()).select_from(Division).where(Division.level != STREET)),
        session.get_bind().url.database,  # type: ignore[union-attr]
    )
    if _cached is None or _cached[0] != mark:
        _cached = (mark, _read(session))
    return _cached[1]


def _read(session: Session) -> ReferenceTables:
    categories = {
        (c.level1, c.level2): CategoryRef(c.id, c.level1, c.level2, c.code, c.valid and c.mandatory, c.nozzle)
        for c in session.execute(select(Category)).scalars()
    }
    divisions = {
        d.code: DivisionRef(d.code, d.name, d.level, d.has_children)
        for d in session.execute(select(Division).where(Division.level != STREET)).scalars()
    }
    return ReferenceTables(categories, divisions)
