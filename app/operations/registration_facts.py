"""Where each answer of a registration is kept, and how an answer is read back, compared and shown.

A form names its fields (app.profiles.forms); this is the one place that knows which column a field's name means, so
that storing, correcting and showing a registration agree for every kind of account.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from app.access.validators import normal_code
from app.operations import places
from app.profiles.forms import FormField, RegistrationForm
from models.account import Account
from models.enums import AccountKind, Level
from models.organisation import Institute
from models.types import blind_index, mask_email, mask_id_number, mask_phone

Answers = Mapping[str, str]
_EVERY = {"phone": "account.phone", "email": "account.email", "institute_id": "account.reviewer_institute_id"}
FACTS: dict[AccountKind, dict[str, str]] = {
    AccountKind.ENTERPRISE: {
        **_EVERY,
        "unit_name": "unit.name",
        "code": "unit.code",
        "division_code": "unit.division_code",
        "address": "unit.address",
        "category": "unit.category",
        "key_energy_user": "unit.key_energy_user",
        "legal_person": "unit.legal_person",
        "legal_id": "unit.legal_id_number",
        "contact_name": "unit.contact_name",
        "contact_phone": "unit.contact_phone",
    },
    AccountKind.INDIVIDUAL: {
        **_EVERY,
        "person_name": "account.name",
        "id_number": "account.id_number",
        "gender": "account.gender",
        "ethnicity": "account.ethnicity",
        "division_code": "account.division_code",
        "address": "account.address",
    },
    AccountKind.INSTITUTE: {
        **_EVERY,
        "institute_name": "institute.name",
        "code": "institute.unified_code",
        "level": "institute.level",
        "certificate_no": "institute.authorisation_no",
        "valid_until": "institute.authorised_until",
        "division_code": "institute.division_code",
        "address": "institute.address",
        "manager": "institute.manager",
    },
}
NEVER_EMPTY = frozenset({"unit.address", "unit.contact_name", "institute.address"})
"""Columns without NULL that a form may leave out."""


def region_of(field: FormField, answers: Answers) -> str:
    """The code that was chosen: the place of use, or for an institute the place of its level."""
    level = answers.get(field.depth_by, "") if field.depth_by else ""
    name = {Level.PROVINCE: "province", Level.CITY: "city"}.get(Level(level)) if level in set(Level) else None
    return (answers.get(name or field.name) or "").strip()


def write(session: Session, account: Account, form: RegistrationForm, answers: Answers) -> None:
    """Put the answers where they are kept; a field that was not sent at all keeps what it had."""
    facts = FACTS[form.account]
    for field in form.fields:
        path = facts.get(field.name)
        if path is None or (field.name not in answers and field.kind != "region"):
            continue
        target, _, column = path.partition(".")
        value = _kept(field, region_of(field, answers) if field.kind == "region" else answers[field.name])
        if value is None and path in NEVER_EMPTY:
            value = ""
        if field.kind == "region" and value is None and field.name not in answers:
            continue
        setattr(account if target == "account" else getattr(account, target), column, value)
    _complete(session, account, form)


def _kept(field: FormField, answer: str) -> Any:
    text = (answer or "").strip()
    if not text:
        return None
    if field.kind == "code":
        return normal_code(text)
    if field.kind == "id_number":
        return text.upper()
    if field.kind == "date":
        return date.fromisoformat(text)
    if field.kind == "reviewer":
        return int(text)
    if field.name == "key_energy_user":
        return text == "1"
    return text


def _complete(session: Session, account: Account, form: RegistrationForm) -> None:
    """What follows from the answers: fingerprints, and what a shorter form does not ask for."""
    account.phone_index = blind_index(account.phone) if account.phone else None
    account.id_number_index = blind_index(account.id_number) if account.id_number else None
    unit, institute = account.unit, account.institute
    if form.account == AccountKind.ENTERPRISE and unit is not None:
        if form.field("contact_name") is None:
            unit.contact_name = unit.legal_person or unit.name[:40]
        if form.field("contact_phone") is None:
            unit.contact_phone = account.phone
        unit.email, account.name = account.email, unit.contact_name
    if form.account == AccountKind.INSTITUTE and institute is not None:
        institute.regions = places.place_name(session, institute.division_code)[:200]
        account.name = institute.manager or institute.name[:40]


def answers_of(session: Session, account: Account, form: RegistrationForm) -> dict[str, str]:
    """The registration as its form would be filled in; the region as its three selects."""
    facts, found = FACTS[form.account], {}
    for field in form.fields:
        path = facts.get(field.name)
        if path is None:
            continue
        target, _, column = path.partition(".")
        holder = account if target == "account" else getattr(account, target)
        value = getattr(holder, column) if holder is not None else None
        found[field.name] = _as_answer(value)
        if field.kind == "region":
            province, city, place = places.way_down(session, found[field.name])
            found |= {"province": province, "city": city, field.name: place or found[field.name]}
    return found


def _as_answer(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return value.isoformat() if isinstance(value, date) else str(value)


def words(session: Session, field: FormField, answer: str, *, masked: bool) -> str:
    """An answer as people read it. `masked` for everybody but the person: phones, ID numbers and e-mail addresses."""
    if not answer:
        return ""
    if field.kind == "region":
        return places.place_name(session, answer)
    if field.kind == "reviewer":
        institute = session.get(Institute, int(answer))
        return institute.name if institute else ""
    if field.kind == "id_number":
        return mask_id_number(answer)
    if masked and (field.kind == "phone" or field.name == "contact_phone"):
        return mask_phone(answer)
    if masked and field.kind == "email":
        return mask_email(answer)
    return field.word_of(answer)


def differences(session: Session, form: RegistrationForm, old: Answers, new: Answers) -> dict[str, list[str]]:
    """{label: [old, new]} of what differs, masked: it stands in the log, in clear."""
    found = {}
    for field in form.fields:
        before, after = old.get(field.name, ""), new.get(field.name, "")
        if before != after:
            pair = [words(session, field, before, masked=True), words(session, field, after, masked=True)]
            found[field.label] = pair if pair[0] != pair[1] else [pair[0], f"{pair[1]}（已更换）"]
    return found
