"""The mark 必填 on a form field whose operation says what is missing."""

from __future__ import annotations

from typing import Any


class Marked:
    """A validator that refuses nothing: it only shows that the field must be filled. The operation says so when it is not,
    to every caller alike."""

    field_flags = {"required": True}

    def __call__(self, form: Any, field: Any) -> None:
        """Nothing to refuse."""
