"""What the warning page lists (WRN-05): the rows of the bands that follow from a date, by the ledger's own conditions."""

from __future__ import annotations

from typing import Any

from flask_appbuilder.models.filters import BaseFilter
from sqlalchemy.orm import Query

from app import clock
from app.operations.band import band_condition, warns


class Warns(BaseFilter):
    """The rows of one band, or of every band that warns for ""."""

    name = "预警提示"
    arg_name = "warns"

    def apply(self, query: Query[Any], value: Any) -> Query[Any]:
        today = clock.today()
        return query.filter(band_condition(value, today) if value else warns(today))
