"""Which institute the ledger proposes for an instrument: 使用地点行政区划, 器具项别 and 器具种别 decide (LED-25)."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app import clock
from app.workflow.assigning import nearest_institute
from models.organisation import Institute


def proposed_institute(session: Session, category_id: int | None, use_division: str) -> Institute | None:
    """The nearest institute that is authorised for the catalogue entry at the place of use today, None when there is none."""
    return nearest_institute(session, category_id, use_division, clock.today())
