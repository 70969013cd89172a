"""Registration: from a form that was filled in to an account that waits for its review, or that is open at once.

    register(session, form_of("personal"), answers, papers)

What is asked and checked stands in the form's declaration (app.profiles.forms); who reviews is the profile's
registration.review. Correcting and cancelling are in app.operations.registration_review.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from flask_appbuilder.security.sqla.models import User
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.access.audit import audit
from app.access.principal import ANONYMOUS, as_system
from app.access.validators import normal_code
from app.errors import InvalidInputError
from app.operations import site
from app.operations.codes import check_code, was_used
from app.operations.logins import new_user
from app.operations.places import institutes_for, place_of_use
from app.operations.registration_facts import region_of, write
from app.operations.registration_papers import PAPERS, Paper, store_papers
from app.operations.registration_review import resubmit_registration
from app.operations.registration_rules import registration_problems
from app.profiles import setting
from app.profiles.forms import RegistrationForm, form_of
from app.workflow import ACCOUNT, bear, fire
from models.account import Account, Consent
from models.enums import AccountKind, AccountState, Role
from models.organisation import Institute, Unit

__all__ = [
    "PAPERS",
    "Paper",
    "already_registered",
    "institutes_for",
    "place_of_use",
    "register",
    "register_unit",
    "registration_problems",
    "resubmit_registration",
    "store_papers",
]

ROLE = {
    AccountKind.ENTERPRISE: Role.ENT,
    AccountKind.INDIVIDUAL: Role.IND,
    AccountKind.INSTITUTE: Role.IMG,
}
"""What each kind may act as once it is open."""
WRONG = "注册信息有误，请按提示修改。"


def register(
    session: Session,
    form: RegistrationForm,
    answers: Mapping[str, str],
    papers: Mapping[str, Paper],
    *,
    ip: str | None = None,
    review: str | None = None,
) -> Account:
    """Register by that form: body, account, papers, consents; ends 待审核, or 正常 where nobody reviews.

    `review` overrules the profile's policy. Raises InvalidInputError with all problems by field. Only the fields of
    the form are read (must-never case 10).
    """
    policy = review or str(setting("registration", "review")[form.account])
    with as_system("a registration has no account yet; the code that was sent proves the applicant"):
        found = registration_problems(session, form, answers, papers)
        if found:
            raise InvalidInputError(WRONG, problems=found)
        prove(session, form, answers)
        account = _account(session, form, answers, policy)
        bear(session, account, "register", ANONYMOUS, {"form": form.kind})
        store_papers(session, account, [papers[name] for name in form.files() if name in papers])
        for key in form.agreements:
            version = str(site.text_of(session, key).version)
            session.add(Consent(account_id=account.id, document=key, text_version=version, ip=ip))
        fire(session, ACCOUNT, account.id, "admit" if policy == "none" else "verify", ANONYMOUS)
        audit(session, "register", entity="account", entity_id=account.id, account=account)
    return account


def register_unit(
    session: Session, answers: Mapping[str, str], papers: Mapping[str, Paper], *, ip: str | None = None
) -> Account:
    """Register a unit by the full form with an e-mail code, reviewed by the chosen institute, in whatever profile: the
    way of the command line, the demonstration and the fixtures."""
    form = form_of("applicant", "all")
    assert form is not None
    return register(session, form, answers, papers, ip=ip, review="local_institute")


def prove(session: Session, form: RegistrationForm, answers: Mapping[str, str]) -> None:
    """Use up the codes of the form; raises InvalidInputError at the code's field."""
    for channel in channels(form):
        check_code(session, purpose="register", code=answers[f"{channel}_code"], **_address(form, channel, answers))


def channels(form: RegistrationForm) -> list[str]:
    """What the form proves: email, phone or both."""
    return [c for c in ("email", "phone") if form.find(f"{c}_code") is not None]


def _address(form: RegistrationForm, channel: str, answers: Mapping[str, str]) -> dict[str, str]:
    field = form.find(channel)
    return {channel: (answers.get(field.name) or "").strip() if field else ""}


def _account(session: Session, form: RegistrationForm, answers: Mapping[str, str], policy: str) -> Account:
    account = Account(kind=form.account, roles=[ROLE[form.account].value], name="")
    complete = {f.name: f.default for f in form.fields if f.default} | dict(answers)
    _body(session, account, form)
    with session.no_autoflush:
        write(session, account, form, complete)
        for body in (account.unit, account.institute):
            if body is not None:
                session.add(body)
                session.flush()
        account.unit_id = account.unit.id if account.unit else None
        account.institute_id = account.institute.id if account.institute else None
        account.reviewer_institute_id = _reviewer(session, form, complete) if policy == "local_institute" else None
        for channel in channels(form):
            setattr(account, f"{channel}_verified_at", clock.now())
        proved = account.email if "email" in channels(form) else None
        name = (complete.get("username") or "").strip()
        account.user_id = new_user(session, name, account.name, proved, complete["password"]).id
        account.password_changed_at = clock.now()
    return account


def _body(session: Session, account: Account, form: RegistrationForm) -> None:
    """The unit or institute that the account is of; it counts for nothing until the account is open."""
    if form.account == AccountKind.ENTERPRISE:
        account.unit = Unit(active=False, address="", contact_name="")
    elif form.account == AccountKind.INSTITUTE:
        account.institute = Institute(active=False, code=_free_code(session), phone="", address="")


def _free_code(session: Session) -> str:
    """A provisional 机构代号; the administrator gives the one that is printed on certificates."""
    while True:
        code = f"N{secrets.randbelow(10**7):07d}"
        if session.execute(select(Institute.id).where(Institute.code == code)).first() is None:
            return code


def _reviewer(session: Session, form: RegistrationForm, answers: Mapping[str, str]) -> int | None:
    """The institute that was chosen, else the nearest; None (the administrator) where there is none."""
    if form.find("reviewer") is not None:
        return int(answers["institute_id"])
    region = form.find("region")
    near = institutes_for(session, region_of(region, answers)) if region else []
    return near[0].id if near else None


def already_registered(session: Session, form: RegistrationForm, answers: Mapping[str, str]) -> Account | None:
    """The registration that this very form made a moment ago: pressing twice is answered as pressing once.

    The code that was sent, just used up, proves that it is the same applicant.
    """
    with as_system("the used code proves the applicant who pressed twice"):
        for channel in channels(form):
            address, code = _address(form, channel, answers), answers.get(f"{channel}_code") or ""
            if not all(address.values()) or not was_used(session, purpose="register", code=code, **address):
                return None
        statement = (
            select(Account)
            .join(User, User.id == Account.user_id)
            .where(
                User.username == (answers.get("username") or "").strip(),
                Account.kind == form.account,
                Account.state.in_((AccountState.PENDING, AccountState.ACTIVE)),
            )
        )
        found = session.execute(statement).unique().scalar_one_or_none()
        return found if found is not None and _same_person(found, answers) else None


def _same_person(account: Account, answers: Mapping[str, str]) -> bool:
    code = account.unit.code if account.unit is not None else None
    typed = normal_code(answers.get("code") or "")
    return account.phone == (answers.get("phone") or "").strip() and (not typed or code is None or code == typed)
