"""The ledger's columns have one word each: the model's comment; settings, forms and imports say the same."""

from __future__ import annotations

import re

import pytest

from app import profiles
from app.intake.fields import FIELD_BY_KEY
from app.profiles.column_words import OTHERS, words
from app.profiles.ledger_settings import COMPUTED, FINDING, LEDGER_FIELDS
from app.profiles.list_choices import LIST_COLUMNS, LIST_SEARCH
from models import Instrument

WORD = {column.key: column.comment for column in Instrument.__table__.columns}


@pytest.mark.parametrize("key", sorted(FIELD_BY_KEY))
def test_imports_and_forms_call_a_field_what_its_column_is_called(key):
    said = FINDING if key == "last_result" else dict(words(key))[key]
    assert FIELD_BY_KEY[key].label == said


@pytest.mark.parametrize("choices", [LEDGER_FIELDS, COMPUTED, LIST_COLUMNS, LIST_SEARCH])
def test_settings_offer_columns_under_their_own_words(choices):
    meant_otherwise = {"last_result", "name", "valid_until", "use_division"}
    for key, word in choices:
        assert key in meant_otherwise or word == OTHERS.get(key, WORD.get(key)), key


def test_no_word_of_a_column_is_written_a_second_time():
    for name in ("ledger_settings.py", "list_choices.py", "column_words.py"):
        source = (profiles.FOLDER / name).read_text(encoding="utf-8")
        written = set(re.findall(r'"([^"\n]+)"', source))
        again = {word for key, word in WORD.items() if key not in {"state", "last_result"}} & written
        assert again == set(), name


def test_an_unknown_column_is_a_mistake_in_the_program():
    with pytest.raises(KeyError):
        words("no_such_column")
