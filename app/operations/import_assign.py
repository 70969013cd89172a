"""Which institute verifies the rows of an import: the rule of the form (LED-25), asked once for a whole file."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.intake.rules import CheckedRow
from app.operations.ledger_fields import ledger_fields
from app.profiles import switch_on
from models.enums import Level
from models.organisation import Institute, InstituteCapability

_NEAREST = {Level.COUNTY: 0, Level.CITY: 1, Level.PROVINCE: 2}


def assigns() -> bool:
    """Whether place and catalogue entry decide here: where nothing is filed and nobody types the institute."""
    return not switch_on("filing") and all(field.key != "institute" for field in ledger_fields())


class Assigner:
    """Every authorisation of the day by catalogue entry, the nearest institutes first; app/operations/assignment.py says the
    same of a single instrument."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._by_category: dict[int, list[tuple[int, int, str, str]]] | None = None
        self._known: dict[tuple[int, str], int | None] = {}

    def assign(self, row: CheckedRow) -> CheckedRow:
        """Put the institute into the values of a row that names none; returns the row."""
        values = row.values
        if values["category_id"] is not None and not values["institute_id"]:
            values["institute_id"] = self.institute_of(values["category_id"], values["use_division"] or "")
        return row

    def institute_of(self, category_id: int, use_division: str) -> int | None:
        """The nearest institute authorised for the entry at the place of use today, None when there is none."""
        code = use_division[:6]
        if len(code) != 6:
            return None
        mark = (category_id, code)
        if mark not in self._known:
            self._known[mark] = self._nearest(category_id, code)
        return self._known[mark]

    def _nearest(self, category_id: int, code: str) -> int | None:
        places = (code, f"{code[:4]}00", f"{code[:2]}0000")
        for _rank, pk, place, area in self._authorised().get(category_id, ()):
            if place in places and code.startswith(area):
                return pk
        return None

    def _authorised(self) -> dict[int, list[tuple[int, int, str, str]]]:
        if self._by_category is None:
            self._by_category, day = {}, clock.today()
            statement = (
                select(Institute, InstituteCapability.category_id)
                .join(InstituteCapability, InstituteCapability.institute_id == Institute.id)
                .where(
                    Institute.active,
                    Institute.authorised_until >= day,
                    InstituteCapability.valid_from <= day,
                    InstituteCapability.valid_until >= day,
                    InstituteCapability.standard_valid_until >= day,
                )
            )
            for institute, category_id in self._session.execute(statement).unique().tuples():
                rank = _NEAREST.get(Level(institute.level), 9)
                entry = (rank, institute.id, institute.division_code, institute.area)
                self._by_category.setdefault(category_id, []).append(entry)
            for entries in self._by_category.values():
                entries.sort()
        return self._by_category
