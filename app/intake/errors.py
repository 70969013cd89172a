"""The one exception of the intake: a whole workbook that cannot be taken in."""

from __future__ import annotations

from app.errors import InvalidInputError


class WorkbookRefused(InvalidInputError):
    """The uploaded file is refused as a whole; ``sentence`` is Chinese, shown to the user, and says the cure."""
