"""待完善 (LED-16): what a record lacks of what this deployment requires. One list of fields, read as Python for a row and
as SQL for lists."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, false, func, literal_column, or_, select
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.errors import InvalidInputError
from app.intake.rulebook import UNCLASSIFIED
from app.operations.instrument import edit_instrument
from app.operations.ledger_fields import ledger_fields, required_keys
from app.profiles import switch_on
from app.workflow import INSTRUMENT
from models.instrument import Instrument
from models.reference import Category

MARK = "待完善"
_CATEGORY = frozenset({"level1", "level2", "category_code"})


def asked_for() -> tuple[list[str], bool]:
    """(columns that must not be blank, whether the catalogue entry must be known)."""
    keys = ["institute_id" if key == "institute" else key for key in required_keys() if key not in _CATEGORY]
    # an appointment finds its institute by the entry, even where the form leaves it to the name
    asked = switch_on("appointment") or any(field.key == "level2" for field in ledger_fields())
    return [key for key in keys if key != "quantity"], asked


def missing_of(instrument: Instrument, wanted: tuple[list[str], bool] | None = None) -> list[str]:
    """Fields that the record lacks, as keys of the form ("category" for the catalogue entry); `wanted` is what asked_for
    said, where many rows are looked at."""
    columns, asked = wanted or asked_for()
    found = ["category"] if asked and instrument.category.code == UNCLASSIFIED else []
    found += ["institute" if key == "institute_id" else key for key in columns if not getattr(instrument, key)]
    return found


def incomplete() -> ColumnElement[bool]:
    """The same as a condition on `Instrument`, for lists and counts."""
    columns, asked = asked_for()
    tests: list[ColumnElement[bool]] = []
    for key in columns:
        column: Any = getattr(Instrument, key)
        if column.property.columns[0].nullable:
            tests.append(column.is_(None))
        elif column.type.python_type is str:
            tests.append(column == literal_column("''"))  # in the statement itself: the partial indexes hold these rows
    if asked:
        # one value that is never NULL, so that an index answers and the condition can be turned round
        unclassified = select(Category.id).where(Category.code == UNCLASSIFIED).scalar_subquery()
        tests.append(Instrument.category_id == func.coalesce(unclassified, 0))
    return or_(false(), *tests)


def complete_info(
    session: Session, actor: Principal, instrument: Instrument, values: dict[str, Any], *, seen_version: int | None
) -> Instrument:
    """Fill in what a record lacks; nothing else of it changes. Raises as edit_instrument does."""
    missing = missing_of(instrument)
    if not missing:
        raise InvalidInputError("该器具的信息已经完整，如需更改请用“修改”。")
    wanted: set[str] = set()
    for key in missing:
        if key == "category":
            wanted |= {"category_id", "declared_category_id", "compulsory"}
        else:
            wanted.add("institute_id" if key == "institute" else key)
    step = "complete_info" if instrument.state in set(INSTRUMENT.step("complete_info").source) else "edit"
    only = {key: value for key, value in values.items() if key in wanted}
    return edit_instrument(session, actor, instrument.id, only, seen_version=seen_version, step=step, filling=True)
