"""The fields of an instrument as this deployment shows them (LED-03): which, under what word, which are required.

All of it comes from the profile: `ledger.fields`, `ledger.required`, `ledger.noun`, the table [ledger.words] and
[category] level_labels and show_code. Forms, template, import, export and interface all ask here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from app.intake.fields import ALL_FIELDS, AUTO_FIELDS, EXTRA_FIELDS, Field, field_set
from app.profiles import profile

Words = tuple[tuple[str, str], ...]


def ledger_fields() -> tuple[Field, ...]:
    """What a person types of an instrument, in the order of form and template; the objects stay the same between calls
    as long as the profile does."""
    ledger = profile()["ledger"]
    return _typed(tuple(ledger["fields"]), tuple(ledger["required"]), _words())


def shown_fields() -> tuple[Field, ...]:
    """What the form shows without asking: numbers that the platform gives and the catalogue's 监管方式."""
    return _named((*AUTO_FIELDS, *_computed()))


def extra_fields() -> tuple[Field, ...]:
    """What the form keeps in tables of its own: 加油枪 and 相关资料, where the deployment has them."""
    return _named(EXTRA_FIELDS)


def ledger_noun() -> str:
    """器具, 计量器具 or 仪器: what the deployment calls an instrument."""
    return str(profile()["ledger"]["noun"])


def label_of(key: str) -> str:
    """The deployment's word for a field, whether it shows the field or not."""
    return dict(_words()).get(key) or _DEFAULT[key]


def required_keys() -> tuple[str, ...]:
    """What a complete record has in this deployment (信息完善, LED-16)."""
    return tuple(field.key for field in ledger_fields() if field.required or field.wanted)


_DEFAULT = {field.key: field.label for field in (*ALL_FIELDS, *AUTO_FIELDS, *EXTRA_FIELDS)}


def _words() -> Words:
    words: Mapping[str, str] = profile()["ledger"]["words"]
    level1, level2 = profile()["category"]["level_labels"]
    return (("level1", level1), ("level2", level2), *words.items())


def _computed() -> tuple[Field, ...]:
    """Fields that other deployments type and this one only shows."""
    typed = {field.key for field in ledger_fields()}
    shown = set(profile()["ledger"]["computed"]) - typed
    return tuple(field for field in ALL_FIELDS if field.key in shown)


def _named(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    ledger = profile()["ledger"]
    keys = {*ledger["fields"], *ledger["computed"]}
    return tuple(Field(f.key, label_of(f.key), f.kind, choices=f.choices, hint=f.hint) for f in fields if f.key in keys)


@lru_cache(maxsize=32)
def _typed(keys: tuple[str, ...], required: tuple[str, ...], words: Words) -> tuple[Field, ...]:
    return field_set(keys, required, dict(words))
