"""What is wrong with a registration: one path for every form, driven by the form's own declaration.

Each sentence names the field as the person reads it and says the cure. Codes sent by mail or text are proved last, by
the operation, because a wrong try counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, filestore
from app.access.passwords import problem_with
from app.access.validators import (
    USERNAME,
    normal_code,
    valid_email,
    valid_id_number,
    valid_org_code,
    valid_phone,
    valid_uscc,
)
from app.errors import InvalidInputError
from app.operations import places
from app.operations.logins import email_taken, phone_taken, username_taken
from app.operations.registration_facts import region_of
from app.operations.registration_papers import Paper, accept_of
from app.profiles import setting
from app.profiles.forms import FormField, RegistrationForm
from models.account import Account
from models.enums import AccountKind, AccountState, Level
from models.organisation import Institute, Unit
from models.reference import Division
from models.types import blind_index

AGREE = "请阅读并同意用户协议和隐私政策。"
TAKEN_CODE = "该统一社会信用代码已注册，请联系本单位管理员或使用“找回账号”。"
OPEN = (AccountState.PENDING, AccountState.RETURNED, AccountState.ACTIVE, AccountState.LOCKED, AccountState.DISABLED)
"""States in which a registration holds its code and ID number."""


@dataclass(frozen=True, slots=True)
class Case:
    """One form as it was filled in. `existing` is set when a returned registration is corrected."""

    session: Session
    form: RegistrationForm
    answers: Mapping[str, str]
    existing: Account | None = None

    def answer(self, field: FormField) -> str:
        """The trimmed answer; what was not sent at all is what the declaration presets."""
        if field.kind == "region":
            return region_of(field, self.answers)
        value = self.answers.get(field.name)
        if value is None:
            return field.default
        return value if field.secret else value.strip()

    def named(self, kind: str) -> str:
        field = self.form.find(kind)
        return self.answer(field) if field else ""

    @property
    def own_id(self) -> int | None:
        return self.existing.id if self.existing else None


Check = Callable[[Case, FormField, str], str | None]


def registration_problems(
    session: Session,
    form: RegistrationForm,
    answers: Mapping[str, str],
    papers: Mapping[str, Paper],
    *,
    existing: Account | None = None,
) -> dict[str, str]:
    """Everything that is wrong, by field name; empty when the registration can be taken."""
    case, found = Case(session, form, answers, existing), {}
    for field in form.fields if existing is None else form.correctable():
        sentence = _file(case, field, papers) if field.kind == "file" else _answer(case, field)
        if sentence:
            found[field.name] = sentence
    if existing is None and not answers.get("agree"):
        found["agree"] = AGREE
    return found


def _answer(case: Case, field: FormField) -> str | None:
    answer = case.answer(field)
    if not answer:
        return missing(field) if _needed(case, field) else None
    if len(answer) > field.limit and field.kind == "text":
        return f"“{field.label}”最多{field.limit}个字，请缩短。"
    check = CHECKS.get(field.kind)
    return check(case, field, answer) if check else None


def _needed(case: Case, field: FormField) -> bool:
    if case.existing is None or field.kind not in {"phone_code", "email_code"}:
        return field.required
    return address_changed(case.existing, case.answers, field.kind.removesuffix("_code"))


def address_changed(account: Account, answers: Mapping[str, str], channel: str) -> bool:
    """Whether a correction names another phone or e-mail address than the one that was proved."""
    typed = answers.get(channel)
    return typed is not None and typed.strip() != (getattr(account, channel) or "")


def missing(field: FormField) -> str:
    """What to say of a field left empty."""
    if field.kind == "region" and not field.depth_by:
        return f"请选择“{field.label}”，须选择到区县。"
    if field.kind in {"select", "radio", "region", "reviewer", "upload_type"}:
        return f"请选择“{field.label}”。"
    return f"请上传“{field.label}”。" if field.kind == "file" else f"请填写“{field.label}”。"


def _file(case: Case, field: FormField, papers: Mapping[str, Paper]) -> str | None:
    paper = papers.get(field.name)
    if paper is None:
        return missing(field) if field.required and case.existing is None else None
    try:
        filestore.check_paper(paper.data, field.label, accept_of(field, case.answers, case.form))
    except InvalidInputError as error:
        return error.sentence
    return None


# -- logging in ---------------------------------------------------------------------------------------------------------


def _username(case: Case, field: FormField, answer: str) -> str | None:
    if not USERNAME.fullmatch(answer):
        return f"{field.label}须为4～20位字母或数字，不能包含汉字和符号。"
    if valid_phone(answer):
        # one may log in by phone: nobody's name may look like another one's number
        return f"{field.label}不能是手机号，请更换。"
    return "该用户名已被使用，请更换。" if username_taken(case.session, answer) else None


def _password(case: Case, field: FormField, answer: str) -> str | None:
    names = [case.answers.get(k) or "" for k in ("unit_name", "institute_name", "person_name")]
    return problem_with(answer, [case.named("username"), *names], kind=case.form.account)


def _password_again(case: Case, field: FormField, answer: str) -> str | None:
    return None if answer == case.named("password") else "两次输入的密码不一致，请重新输入。"


# -- numbers and addresses ------------------------------------------------------------------------------------------------


def _code(case: Case, field: FormField, answer: str) -> str | None:
    code, checked = normal_code(answer), bool(setting("validate", "uscc_checksum"))
    lengths = "或".join(f"{n}位" for n in field.lengths)
    if len(code) not in field.lengths or not (code.isascii() and code.isalnum()):
        wrong = "校验位不正确，" if checked and field.lengths == (18,) else ""
        return f"{field.label}{wrong}须为{lengths}字母和数字，请核对。"
    if checked and not (valid_uscc(code) if len(code) == 18 else valid_org_code(code)):
        return f"{field.label}校验位不正确，请核对。"
    return TAKEN_CODE if _code_taken(case, code) else None


def _code_taken(case: Case, code: str) -> bool:
    """Taken by an approved body, or by another registration that is still open."""
    if case.form.account == AccountKind.INSTITUTE:
        body = Institute.unified_code
        statement = select(Account.id).join(Institute, Institute.id == Account.institute_id)
        admitted = select(Institute.id).where(body == code, Institute.active)
        if case.session.execute(admitted).first() is not None:
            return True
    else:
        body = Unit.code
        statement = select(Account.id).join(Unit, Unit.id == Account.unit_id)
    statement = statement.where(body == code, Account.state.in_(OPEN), Account.id != (case.own_id or 0))
    return case.session.execute(statement.execution_options(unscoped=True)).first() is not None


def _id_number(case: Case, field: FormField, answer: str) -> str | None:
    number = answer.upper()
    if len(number) != 18 or not number[:17].isdecimal() or not number.isascii():
        return f"“{field.label}”须为18位身份证号码，请核对。"
    if setting("validate", "id_checksum") and not valid_id_number(number):
        return f"“{field.label}”不正确：身份证号码校验不正确，请核对。"
    if field.unique and _id_taken(case, number):
        return "该身份证号码已注册，请使用“找回账号”。"
    return None


def _id_taken(case: Case, number: str) -> bool:
    statement = select(Account.id).where(
        Account.id_number_index == blind_index(number),
        Account.kind == AccountKind.INDIVIDUAL,
        Account.state != AccountState.CLOSED,
        Account.id != (case.own_id or 0),
    )
    return case.session.execute(statement.execution_options(unscoped=True)).first() is not None


def _phone(case: Case, field: FormField, answer: str) -> str | None:
    if not valid_phone(answer):
        return f"{field.label}格式不正确，请填写11位手机号。"
    return "该手机号已被使用，请更换或找回原账号。" if phone_taken(case.session, answer, case.own_id) else None


def _email(case: Case, field: FormField, answer: str) -> str | None:
    if not valid_email(answer):
        return f"{field.label}格式不正确，请核对，例如 name@example.com。"
    own = case.existing is not None and answer == case.existing.email
    return "该邮箱已被使用，请更换。" if field.unique and not own and email_taken(case.session, answer) else None


# -- choices --------------------------------------------------------------------------------------------------------------


def _choice(case: Case, field: FormField, answer: str) -> str | None:
    if answer in dict(field.options):
        return None
    return field.wrong or f"“{field.label}”的值不在可选范围内，请重新选择。"


def _region(case: Case, field: FormField, answer: str) -> str | None:
    root, place = str(setting("region", "root")), case.session.get(Division, answer)
    if place is not None and not places.inside(place.code, root):
        return f"{field.label}须在{places.place_name(case.session, root)}内，请重新选择。"
    if field.depth_by:
        level = (case.answers.get(field.depth_by) or "").strip()
        fits = place is not None and (place.level == level or level not in set(Level))
        return None if fits else f"{field.label}须与机构等级相同，请重新选择。"
    return None if place is not None and places.place_of_use(place) else f"{field.label}须选择到区县，请重新选择。"


def _reviewer(case: Case, field: FormField, answer: str) -> str | None:
    known = answer.isascii() and answer.isdecimal() and len(answer) <= 18
    institute = case.session.get(Institute, int(answer)) if known else None
    region = case.form.find("region")
    division = case.answer(region) if region else ""
    if not division:
        return None  # the region says its own sentence; the institute follows from it
    if institute is None or not institute.active or institute.level == Level.PROVINCE:
        return f"{field.label}须为所在地的法定计量检定机构，请重新选择。"
    if not division.startswith(institute.area):
        return f"{field.label}须为所在地的法定计量检定机构，请重新选择。"
    return None


def _date(case: Case, field: FormField, answer: str) -> str | None:
    try:
        day = date.fromisoformat(answer)
    except ValueError:
        return f"“{field.label}”格式不正确，请按 2026-12-31 的样式填写。"
    return f"“{field.label}”已过，请核对。" if day < clock.today() else None


def _institute_name(case: Case, field: FormField, answer: str) -> str | None:
    """Names of institutes are unique; every other text is free."""
    if field.name != "institute_name":
        return None
    own = case.existing.institute_id if case.existing else None
    statement = select(Institute.id).where(Institute.name == answer, Institute.id != (own or 0))
    taken = case.session.execute(statement).first() is not None
    return "已有同名的技术机构，请更换名称。" if taken else None


CHECKS: dict[str, Check] = {
    "username": _username,
    "password": _password,
    "password_again": _password_again,
    "text": _institute_name,
    "code": _code,
    "id_number": _id_number,
    "phone": _phone,
    "email": _email,
    "select": _choice,
    "radio": _choice,
    "upload_type": _choice,
    "region": _region,
    "reviewer": _reviewer,
    "date": _date,
}
