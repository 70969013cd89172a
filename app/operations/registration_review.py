"""After the registration: what the reviewer sees, the correction of a returned one, and giving it up (REG-18 to REG-20)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash

from app import clock
from app.access.audit import audit
from app.access.principal import Principal, as_system
from app.errors import InvalidInputError
from app.operations.codes import check_code
from app.operations.registration_facts import answers_of, differences, words, write
from app.operations.registration_papers import Paper, paper_names, store_papers
from app.operations.registration_rules import address_changed, registration_problems
from app.profiles import profile
from app.profiles.forms import RegistrationForm, form_of
from app.workflow import ACCOUNT, fire
from models.account import Account
from models.enums import AccountKind
from models.log import TransitionLog

FORMS = {
    AccountKind.ENTERPRISE: ("enterprise", "applicant"),
    AccountKind.INDIVIDUAL: ("personal", "applicant_person"),
    AccountKind.INSTITUTE: ("institute",),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One correction: when it was handed in, and label, old and new of all that differs (masked)."""

    at: datetime
    rows: list[tuple[str, str, str]]


def form_for(session: Session, account: Account) -> RegistrationForm | None:
    """The form an account registered by: the log names it; older rows get the first that makes such an account."""
    statement = select(TransitionLog.input).where(
        TransitionLog.entity == ACCOUNT.name,
        TransitionLog.entity_id == account.id,
        TransitionLog.step == "register",
    )
    with as_system("the form of an account that was already found"):
        said = session.execute(statement).scalar_one_or_none() or {}
    kinds = [str(said["form"])] if said.get("form") else []
    kinds += [k for k in profile()["registration"]["kinds"] if k in FORMS.get(AccountKind(account.kind), ())]
    kinds += FORMS.get(AccountKind(account.kind), ())
    for kind in kinds:
        form = form_of(kind)
        if form is not None and form.account == account.kind and _fits(account, form):
            return form
    return form_of("applicant", "all") if account.kind == AccountKind.ENTERPRISE else None


def _fits(account: Account, form: RegistrationForm) -> bool:
    """An account whose e-mail address was proved keeps to the form that proves it."""
    return form.find("email_code") is None or account.email is not None


def field_labels(session: Session, account: Account) -> list[str]:
    """The labels of what may be corrected: the reviewer ticks them when returning (需要修改的内容)."""
    form = form_for(session, account)
    return [f.label for f in form.correctable() if not f.kind.endswith("_code")] if form else []


def registered_facts(session: Session, account: Account, *, masked: bool = True) -> list[tuple[str, str]]:
    """(label, words) of everything that was filled in, in the order of the form."""
    form = form_for(session, account)
    if form is None:
        return []
    answers, facts = answers_of(session, account, form), []
    for field in form.fields:
        if field.name in answers:
            shown = words(session, field, answers[field.name], masked=masked)
            facts.append((field.label, shown or "—"))
        elif field.kind == "username":
            facts.append((field.label, account.user.username))
    return facts


def changes_of(session: Session, account_id: int) -> list[Change]:
    """The corrections of a registration, the newest first. Ask only for an account that the person may see."""
    statement = (
        select(TransitionLog.at, TransitionLog.input)
        .where(
            TransitionLog.entity == ACCOUNT.name,
            TransitionLog.entity_id == account_id,
            TransitionLog.step == "resubmit",
        )
        .order_by(TransitionLog.id.desc())
    )
    with as_system("the history of an account that was already found"):
        lines = session.execute(statement).tuples().all()
    return [Change(at, _rows(said.get("changed"))) for at, said in lines]


def _rows(changed: object) -> list[tuple[str, str, str]]:
    if not isinstance(changed, dict):
        return []
    return [(str(label), str(pair[0] or ""), str(pair[1] or "")) for label, pair in changed.items() if len(pair) == 2]


def resubmit_registration(
    session: Session,
    actor: Principal,
    answers: Mapping[str, str],
    papers: Mapping[str, Paper],
    seen_version: int,
) -> Account:
    """Correct a returned registration and hand it in again; what changed stays in the log."""
    account = session.get(Account, actor.account_id)
    form = form_for(session, account) if account is not None else None
    if account is None or form is None:
        raise InvalidInputError("没有可修改的注册申请。")
    with as_system("codes, names and numbers are unique over all accounts"):
        found = registration_problems(session, form, answers, papers, existing=account)
        if found:
            raise InvalidInputError("注册信息有误，请按提示修改。", problems=found)
        _prove_anew(session, form, account, answers)
        before, files = answers_of(session, account, form), paper_names(session, account.id)
        write(session, account, form, answers)
        changed = differences(session, form, before, answers_of(session, account, form))
        store_papers(session, account, [papers[name] for name in form.files() if name in papers])
        session.flush()
        after = paper_names(session, account.id)
    for name, label in form.files().items():
        if name in papers:
            changed[label] = [files.get(name, ""), after.get(name, "")]
    data = {"changed": changed, "papers": sorted(n for n in papers if n in form.files())}
    return fire(session, ACCOUNT, account.id, "resubmit", actor, data, seen_version=seen_version)


def _prove_anew(session: Session, form: RegistrationForm, account: Account, answers: Mapping[str, str]) -> None:
    """Another phone or address than the proved one is proved first."""
    for channel in ("email", "phone"):
        if form.find(f"{channel}_code") is None or not address_changed(account, answers, channel):
            continue
        address = {channel: answers[channel].strip()}
        check_code(session, purpose="register", code=answers.get(f"{channel}_code") or "", **address)
        setattr(account, f"{channel}_verified_at", clock.now())
        if channel == "email":
            account.user.email = address["email"]


def cancel_registration(session: Session, actor: Principal, password: str) -> Account:
    """自行注销: give up one's own returned registration; name, phone and code are free at once (REG-20).

    The password is asked again; raises InvalidInputError at `password` when it is wrong.
    """
    account = session.get(Account, actor.account_id)
    if account is None or not account.user.password or not check_password_hash(account.user.password, password or ""):
        raise InvalidInputError("密码不正确，请重新输入。", field="password")
    fire(session, ACCOUNT, account.id, "close", actor)
    with as_system("names of institutes are unique: the next registration may use this one again"):
        if account.institute is not None and not account.institute.active:
            account.institute.name = f"{account.institute.name[:100]}（已注销{account.institute.id}）"
            session.flush()
    audit(session, "cancel_registration", entity="account", entity_id=account.id, account=account)
    return account
