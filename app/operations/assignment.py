"""Which institute verifies an instrument: 使用地点行政区划, 器具项别 and 器具种别 decide (LED-25).

The nearest authorised institute is proposed: that of the county, else of the city, else of the province.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.workflow.authorisation import authorised
from models.enums import Level
from models.organisation import Institute

_NEAREST = {Level.COUNTY: 0, Level.CITY: 1, Level.PROVINCE: 2}


def proposed_institute(session: Session, category_id: int | None, use_division: str) -> Institute | None:
    """The nearest institute that is authorised for the catalogue entry at the place of use today, None when there is none."""
    code = (use_division or "")[:6]
    if category_id is None or len(code) != 6:
        return None
    places = {code, f"{code[:4]}00", f"{code[:2]}0000"}
    statement = select(Institute).where(Institute.active, Institute.division_code.in_(places))
    # who verifies is public; whether the unit has dealt with the institute before does not matter
    found = list(session.execute(statement).scalars())
    found.sort(key=lambda institute: (_NEAREST.get(Level(institute.level), 9), institute.id))
    day = clock.today()
    fitting = (i for i in found if code.startswith(i.area) and authorised(session, i.id, category_id, day))
    return next(fitting, None)
