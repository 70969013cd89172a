"""Registration of a user unit (REG-06): its rules, its papers, and the correction of a returned one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flask_appbuilder.security.sqla.models import User
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, filestore
from app.access.audit import audit
from app.access.passwords import problem_with
from app.access.principal import ANONYMOUS, Principal, as_system
from app.access.validators import USERNAME, normal_code, valid_email, valid_phone, valid_uscc
from app.errors import InvalidInputError
from app.operations.codes import check_code, was_used
from app.operations.logins import email_taken, new_user, phone_taken, username_taken
from app.workflow import ACCOUNT, bear, fire
from models.account import Account, Consent
from models.attachment import Attachment
from models.enums import AccountKind, AccountState, Level, Role
from models.organisation import Institute, Unit
from models.reference import Division
from models.types import blind_index


@dataclass(frozen=True, slots=True)
class Paper:
    """An uploaded file: what it proves, its name and its bytes."""

    kind: str
    label: str
    filename: str
    data: bytes


REQUIRED = {
    "unit_name": "申请方名称",
    "code": "统一社会信用代码",
    "division_code": "所在地",
    "address": "详细地址",
    "contact_name": "联系人",
    "phone": "手机号",
    "email": "邮箱",
    "email_code": "邮箱验证码",
    "username": "账号",
    "password": "密码",
    "password_again": "确认密码",
    "institute_id": "审核机构",
}
PAPERS = {"licence": "统一社会信用代码证等证照", "authorisation": "法人授权书"}


def registration_problems(
    session: Session, form: Mapping[str, str], papers: Mapping[str, Paper], *, existing: Account | None = None
) -> dict[str, str]:
    """Everything that is wrong with a registration, by field; the e-mail code is checked last, by `register_unit`."""
    skip = {"username", "password", "password_again", "email_code", "email"} if existing else set()
    wanted = {key: label for key, label in REQUIRED.items() if key not in skip}
    found = {key: f"请填写“{label}”。" for key, label in wanted.items() if not str(form.get(key) or "").strip()}
    if "division_code" in found:
        found["division_code"] = "请选择“所在地”，须选择到区县。"
    if "institute_id" in found:
        found["institute_id"] = "请选择“审核机构”。"
    for key, sentence in _format_problems(session, form, existing).items():
        found.setdefault(key, sentence)
    for kind, label in PAPERS.items():
        paper = papers.get(kind)
        if paper is None and existing is None:
            found[kind] = f"请上传“{label}”。"
        elif paper is not None:
            try:
                filestore.check_paper(paper.data, label)
            except InvalidInputError as error:
                found[kind] = error.sentence
    if not existing and not form.get("agree"):
        found["agree"] = "请阅读并同意用户协议和隐私政策。"
    return found


def _format_problems(session: Session, form: Mapping[str, str], existing: Account | None) -> dict[str, str]:
    found: dict[str, str] = {}
    code = normal_code(form.get("code") or "")
    if code and not valid_uscc(code):
        found["code"] = "统一社会信用代码校验位不正确，请核对。"
    elif code and _code_taken(session, code, existing):
        found["code"] = "该统一社会信用代码已注册，请联系本单位管理员或使用“找回账号”。"
    phone = (form.get("phone") or "").strip()
    if phone and not valid_phone(phone):
        found["phone"] = "手机号格式不正确，请填写11位手机号。"
    elif phone and phone_taken(session, phone, existing.id if existing else None):
        found["phone"] = "该手机号已被使用，请更换或找回原账号。"
    email = (form.get("email") or "").strip()
    if email and not valid_email(email):
        found["email"] = "邮箱格式不正确，请核对，例如 name@example.com。"
    elif email and existing is None and email_taken(session, email):
        found["email"] = "该邮箱已被使用，请更换。"
    division = session.get(Division, (form.get("division_code") or "").strip())
    if form.get("division_code") and (division is None or not place_of_use(division)):
        found["division_code"] = "所在地须选择到区县，请重新选择。"
    number = (form.get("institute_id") or "").strip()
    known = number.isascii() and number.isdecimal() and len(number) <= 18
    institute = session.get(Institute, int(number)) if known else None
    if form.get("institute_id") and (institute is None or not _local(institute, form.get("division_code") or "")):
        found["institute_id"] = "审核机构须为所在地的法定计量检定机构，请重新选择。"
    if existing is None:
        found |= _login_problems(session, form)
    return found


def _login_problems(session: Session, form: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    username = (form.get("username") or "").strip()
    if username and not USERNAME.fullmatch(username):
        found["username"] = "账号须为4～20位字母或数字，不能包含汉字和符号。"
    elif username and username_taken(session, username):
        found["username"] = "该用户名已被使用，请更换。"
    password = form.get("password") or ""
    if password and (problem := problem_with(password, [username, form.get("unit_name") or ""])):
        found["password"] = problem
    if password and password != (form.get("password_again") or ""):
        found["password_again"] = "两次输入的密码不一致，请重新输入。"  # noqa: S105
    return found


def _code_taken(session: Session, code: str, existing: Account | None) -> bool:
    """Taken by an approved unit, or by another registration that is still open."""
    open_states = (AccountState.PENDING, AccountState.RETURNED, AccountState.ACTIVE)
    statement = (
        select(Account.id)
        .join(Unit, Unit.id == Account.unit_id)
        .where(Unit.code == code, Account.state.in_(open_states), Account.id != (existing.id if existing else 0))
    )
    return session.execute(statement.execution_options(unscoped=True)).first() is not None


def place_of_use(division: Division) -> bool:
    """A county, or a city that has none (441900, 442000, 460400)."""
    return division.level == "county" or (division.level == "city" and not division.has_children)


def _local(institute: Institute, division_code: str) -> bool:
    return institute.level != Level.PROVINCE and division_code.startswith(institute.area)


def institutes_for(
    session: Session, division_code: str, *, levels: Iterable[str] = ("city", "county")
) -> list[Institute]:
    """The institutes that serve a division, nearest first."""
    statement = select(Institute).where(
        Institute.level.in_(list(levels)), Institute.division_code.startswith(division_code[:2], autoescape=True)
    )
    found = [i for i in session.execute(statement).unique().scalars() if division_code.startswith(i.area)]
    return sorted(found, key=lambda i: (-len(i.area), i.name))


def register_unit(
    session: Session, form: Mapping[str, str], papers: Mapping[str, Paper], *, ip: str | None = None
) -> Account:
    """Register a user unit: unit, account, papers, consent; ends 待审核 with the chosen institute.

    Raises InvalidInputError with all problems by field. Must-never case 10: only the listed fields are read.
    """
    with as_system("a registration has no account yet; the e-mail code proves the applicant"):
        found = registration_problems(session, form, papers)
        if found:
            raise InvalidInputError("注册信息有误，请按提示修改。", problems=found)
        email = form["email"].strip()
        check_code(session, email=email, purpose="register", code=form["email_code"])
        unit = Unit(
            code=normal_code(form["code"]),
            name=form["unit_name"].strip()[:120],
            active=False,
            division_code=form["division_code"],
            address=form["address"].strip()[:200],
            contact_name=form["contact_name"].strip()[:40],
            contact_phone=form["phone"].strip(),
        )
        session.add(unit)
        session.flush()
        name = unit.contact_name
        account = Account(
            kind=AccountKind.ENTERPRISE,
            name=name,
            roles=[Role.ENT.value],
            unit_id=unit.id,
            email=email,
            phone=form["phone"].strip(),
            phone_index=blind_index(form["phone"]),
            email_verified_at=clock.now(),
            reviewer_institute_id=int(form["institute_id"]),
        )
        account.user_id = new_user(session, form["username"].strip(), name, email, form["password"]).id
        bear(session, account, "register", ANONYMOUS)
        store_papers(session, account, papers.values())
        version = "2026-01"
        for document in ("agreement", "privacy"):
            session.add(Consent(account_id=account.id, document=document, text_version=version, ip=ip))
        fire(session, ACCOUNT, account.id, "verify", ANONYMOUS)
        audit(session, "register", entity="account", entity_id=account.id, account=account)
    return account


def already_registered(session: Session, form: Mapping[str, str]) -> Account | None:
    """The registration that this very form made a moment ago: pressing twice is answered as pressing once.

    The code from the mail, just used up, proves that it is the same applicant.
    """
    email, code = (form.get("email") or "").strip(), form.get("email_code") or ""
    with as_system("the used code proves the applicant who pressed twice"):
        if not email or not was_used(session, email=email, purpose="register", code=code):
            return None
        statement = (
            select(Account)
            .join(User, User.id == Account.user_id)
            .join(Unit, Unit.id == Account.unit_id)
            .where(
                User.username == (form.get("username") or "").strip(),
                Account.email == email,
                Unit.code == normal_code(form.get("code") or ""),
                Account.state == AccountState.PENDING,
            )
        )
        return session.execute(statement).unique().scalar_one_or_none()


def store_papers(session: Session, account: Account, papers: Iterable[Paper]) -> None:
    """Keep the papers of a registration; a new one replaces the last of its kind."""
    for paper in papers:
        content_type = filestore.check_paper(paper.data, paper.label)
        old = select(Attachment).where(
            Attachment.owner_type == "account", Attachment.owner_id == account.id, Attachment.kind == paper.kind
        )
        for row in session.execute(old).scalars():
            session.delete(row)
        session.add(
            Attachment(
                owner_type="account",
                owner_id=account.id,
                kind=paper.kind,
                content_type=content_type,
                filename=filestore.clean_filename(paper.filename),
                sha256=filestore.put(paper.data),
                size=len(paper.data),
                unit_id=account.unit_id,
                account_id=account.id,
            )
        )


def resubmit_registration(
    session: Session, actor: Principal, form: Mapping[str, str], papers: Mapping[str, Paper], seen_version: int
) -> Account:
    """Correct a returned registration and hand it in again; what changed stays in the log."""
    account = session.get(Account, actor.account_id)
    if account is None or account.unit is None:
        raise InvalidInputError("没有可修改的注册申请。")
    found = registration_problems(session, form, papers, existing=account)
    if found:
        raise InvalidInputError("注册信息有误，请按提示修改。", problems=found)
    unit = account.unit
    before = {k: getattr(unit, k) for k in ("name", "code", "division_code", "address", "contact_name")}
    unit.name, unit.code = form["unit_name"].strip()[:120], normal_code(form["code"])
    unit.division_code, unit.address = form["division_code"], form["address"].strip()[:200]
    unit.contact_name, unit.contact_phone = form["contact_name"].strip()[:40], form["phone"].strip()
    account.phone, account.phone_index = unit.contact_phone, blind_index(unit.contact_phone)
    account.reviewer_institute_id = int(form["institute_id"])
    changed = {k: [v, getattr(unit, k)] for k, v in before.items() if v != getattr(unit, k)}
    store_papers(session, account, papers.values())
    data = {"changed": changed, "papers": sorted(papers)}
    session.flush()
    return fire(session, ACCOUNT, account.id, "resubmit", actor, data, seen_version=seen_version)
