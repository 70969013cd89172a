"""批量修改 (LED-15): which fields may be set on many instruments at once, and what was typed through the ledger's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.errors import InvalidInputError
from app.intake.fields import Field
from app.intake.rules import ERROR
from app.operations.bulk_acts import EDITABLE, plain
from app.operations.instrument import check_cells, row_policy
from app.operations.ledger_fields import ledger_fields

TOO_LONG = "“{label}”不能超过{most}个字。"


def common_fields() -> tuple[Field, ...]:
    """The fields of this deployment that can be equal on many instruments."""
    return tuple(field for field in ledger_fields() if field.key in EDITABLE)


def checked_fields(session: Session, filled: Mapping[str, str]) -> dict[str, Any]:
    """Values of the fields that were filled in, as a bulk act keeps them; blank ones stay as they are on each row.

    Raises InvalidInputError with a sentence per field; the rules are those of the form and of an import.
    """
    fields = {field.key: field for field in common_fields()}
    typed = {key: text.strip() for key, text in filled.items() if key in fields and text.strip()}
    if not typed:
        raise InvalidInputError("请至少填写一项要修改的内容，不填的保持原样。")
    coded = row_policy(session=session).coded_fields
    cells = {key: _cell(fields[key], text, coded) for key, text in typed.items()}
    found = check_cells(session, cells)
    problems = {p.column: p.message for p in reversed(found.problems) if p.severity == ERROR and p.column in typed}
    if problems:
        raise InvalidInputError("批量修改的内容有误，请按提示修改。", problems=problems)
    return {key: plain(found.values[key]) for key in typed}


def _cell(field: Field, text: str, coded: bool) -> str:
    """A choice comes from a select as its value; the rules read its word or code."""
    choice = next((c for c in field.choices if c.value == text), None)
    if choice is None:
        return text
    return str(choice.code if coded else choice.label)
