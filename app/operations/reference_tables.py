"""The code tables in the form the intake rules want, built once per change of the tables."""

from __future__ import annotations

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from app.intake.reference import CategoryRef, DivisionRef, ReferenceTables
from app.intake.rulebook import PSEUDO_CODES
from app.intake.text import fold
from app.reference import STREET
from models.organisation import Institute
from models.reference import Category, Division

_cached: tuple[object, ReferenceTables] | None = None


def reference_tables(session: Session) -> ReferenceTables:
    """Catalogue, divisions and institutes; read again only when one of them was added, removed, renamed or retired."""
    global _cached
    line = func.concat_ws("|", Category.code, Category.level1, Category.level2, Category.supervision, Category.valid)
    names = select(
        func.count(), func.md5(func.string_agg(Institute.name, aggregate_order_by(literal("|"), Institute.id)))
    )
    mark = (
        session.scalar(select(func.md5(func.string_agg(line, aggregate_order_by(literal("|"), Category.id))))),
        session.scalar(select(func.count()).select_from(Division).where(Division.level != STREET)),
        # names of institutes are public; whose instruments they verify is not asked here
        session.execute(names.where(Institute.active)).one()._tuple(),
        session.get_bind().url.database,  # type: ignore[union-attr]
    )
    if _cached is None or _cached[0] != mark:
        _cached = (mark, _read(session))
    return _cached[1]


def _read(session: Session) -> ReferenceTables:
    categories = {
        (c.level1, c.level2): CategoryRef(c.id, c.level1, c.level2, c.code, _offered(c), c.nozzle, c.typical_use)
        for c in session.execute(select(Category).order_by(Category.id)).scalars()
    }
    divisions = {
        d.code: DivisionRef(d.code, d.name, d.level, d.has_children)
        for d in session.execute(select(Division).where(Division.level != STREET)).scalars()
    }
    known = select(Institute.name, Institute.id).where(Institute.active)
    institutes = {fold(name): pk for name, pk in session.execute(known).tuples()}
    return ReferenceTables(categories, divisions, institutes)


def _offered(category: Category) -> bool:
    """Entries a row may name; 未分类 and 非强检 too, for an export of them comes back as an import."""
    return category.code in PSEUDO_CODES or (category.valid and category.mandatory)
