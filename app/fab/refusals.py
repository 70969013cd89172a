"""What a person did wrong, told from what the program did wrong.

A refusal carries a sentence and goes back to the person with what they typed; anything else is logged and answered
with a sentence that gives nothing away.
"""

from __future__ import annotations

from flask import g
from flask_appbuilder.exceptions import DatabaseException
from flask_babel import gettext
from sqlalchemy.exc import SQLAlchemyError
from wtforms import ValidationError

from app.fab.dberrors import explain

_user_errors: list[type[BaseException]] = []


class FormRefused(ValueError):
    """A rule refused the form; `field` names the column it belongs to, "" for the form as a whole."""

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.sentence, self.field = sentence, field


def register_user_errors(*kinds: type[BaseException]) -> None:
    """Exceptions whose text is a sentence for the person (the platform's own refusals)."""
    _user_errors.extend(kinds)


def is_refusal(error: BaseException) -> bool:
    """Whether the error's text was written for the person."""
    known = (FormRefused, DatabaseException, ValidationError, SQLAlchemyError, *_user_errors)
    return isinstance(error, known) or isinstance(getattr(error, "sentence", None), str)


def sentence_of(error: BaseException) -> str:
    """The sentence to show; for an unforeseen error one that names the request, never the error's own text."""
    if isinstance(error, SQLAlchemyError):
        return explain(error)
    if sentence := getattr(error, "sentence", None):
        return str(sentence)
    if is_refusal(error):
        return str(error)
    number = getattr(g, "request_id", "")
    return gettext("保存时出现意外，没有保存任何内容。请稍后再试；联系管理员时请报编号 %(number)s。", number=number)
