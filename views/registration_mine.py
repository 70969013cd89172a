"""`/register/mine`: an applicant's own registration, why it was returned, its correction, and giving it up."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, session
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_login import logout_user
from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms.validators import InputRequired

from app.access.limits import check, hit
from app.errors import InvalidInputError, QuanhengError
from app.fab.parts import state_chip
from app.operations.history import entity_history
from app.operations.registration import Paper, resubmit_registration
from app.operations.registration_facts import answers_of
from app.operations.registration_papers import accepts, paper_names
from app.operations.registration_review import cancel_registration, form_for, registered_facts
from app.profiles import setting
from app.profiles.forms import RegistrationForm
from app.workflow import ACCOUNT
from models.account import Account
from models.base import db
from models.enums import AccountState, Role
from views.guards import roles
from views.kept_files import keep, received
from views.registration_code import code_refused, send_to
from views.registration_form import build
from views.workflow_view import TONES, me, put_on_form

mine_pages = Blueprint("registration_mine", __name__)
CORRECTIONS, WRONG_PASSWORDS = "30 per hour", "10 per hour"


class CancelForm(FlaskForm):
    """The password, once more."""

    current_password = PasswordField(
        _("密码"),
        [InputRequired()],
        description=_("为确认是您本人，请再次输入登录密码。"),
        render_kw={"autocomplete": "current-password", "maxlength": 128},
    )


def _own() -> tuple[Account, RegistrationForm]:
    account = db.session.get(Account, me().account_id)
    declared = form_for(db.session(), account) if account is not None else None
    if account is None or declared is None:
        abort(404)
    return account, declared


@mine_pages.route("/register/mine", methods=["GET", "POST"])
@roles(Role.APPLICANT)
def mine() -> Any:
    """Read it while it waits; correct it and hand it in again when it was returned."""
    account, declared = _own()
    form = build(declared, correcting=True)
    if request.method == "GET":
        form.fill(answers_of(db.session(), account, declared))
        return _page(account, declared, form)
    if account.state != AccountState.RETURNED:
        flash(gettext("注册申请正在审核，暂不能修改。"), "warning")
        return redirect("/register/mine", 303)
    papers = received(declared.files(), accepts(declared, form.typed()))
    if "load" in request.form:
        return _page(account, declared, form, papers)
    return _take(account, declared, form, papers)


def _take(account: Account, declared: RegistrationForm, form: Any, papers: dict[str, Paper]) -> Any:
    hit(f"resubmit:{account.id}", CORRECTIONS)
    seen = request.form.get("seen_version", "")
    version = int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 9 else 0
    answers = {**answers_of(db.session(), account, declared), **form.typed()}
    try:
        resubmit_registration(db.session(), me(), answers, papers, version)
    except QuanhengError as error:
        db.session.rollback()
        if not isinstance(error, InvalidInputError):
            flash(error.sentence, "danger")
            return redirect("/register/mine", 303)
        loose = put_on_form(form, error)
        account, declared = _own()
        return _page(account, declared, form, papers, loose), 422
    flash(gettext("已重新提交，请等待审核。"), "success")
    return redirect("/register/mine", 303)


@mine_pages.post("/register/mine/code")
@roles(Role.APPLICANT)
def code() -> Any:
    """A code for the phone or address that the correction changes to."""
    account, declared = _own()
    try:
        said = send_to(declared)
    except QuanhengError as error:
        db.session.rollback()
        answer = code_refused(error)
        if answer is not None:
            return answer
        account, declared = _own()
        form = build(declared, correcting=True)
        return _page(account, declared, form, loose=put_on_form(form, error)), error.status
    if isinstance(said, Response):
        return said
    flash(said, "success")
    form = build(declared, correcting=True)
    return _page(account, declared, form, received(declared.files(), accepts(declared, form.typed())))


@mine_pages.post("/register/mine/cancel")
@roles(Role.APPLICANT)
def cancel() -> Any:
    """Give the registration up, the password typed again; the log-in ends with it."""
    account, declared = _own()
    form, wrong = CancelForm(), f"cancel-password:{account.id}"
    check(wrong, WRONG_PASSWORDS)
    try:
        cancel_registration(db.session(), me(), form.current_password.data or "")
    except QuanhengError as error:
        db.session.rollback()
        if error.field != "password":
            flash(error.sentence, "danger")
            return redirect("/register/mine", 303)
        hit(wrong, WRONG_PASSWORDS)
        form.current_password.errors = [error.sentence]
        account, declared = _own()
        shown = build(declared, correcting=True)
        shown.fill(answers_of(db.session(), account, declared))
        return _page(account, declared, shown, giving_up=form), 422
    logout_user()
    session.clear()
    flash(gettext("账号已注销，用户名、手机号和代码可以重新注册。"), "success")
    return redirect("/login/", 303)


# -- the page ------------------------------------------------------------------------------------------------------------


def _page(
    account: Account,
    declared: RegistrationForm,
    form: Any,
    papers: dict[str, Paper] | None = None,
    loose: list[str] | None = None,
    giving_up: CancelForm | None = None,
) -> str:
    returned = account.state == AccountState.RETURNED
    if returned:
        form.offer_places()
    return render_template(
        "pages/register_mine.html",
        title=gettext("我的注册申请"),
        state=state_chip(TONES[ACCOUNT.tone_of(account.state)], ACCOUNT.label_of(account.state)),
        account=account,
        returned=returned,
        sections=[("", _facts(account, declared))],
        fields=declared.correctable(),
        form=form,
        form_errors=loose or [],
        kept=keep((papers or {}).values()),
        steps=_steps(account),
        seen=request.form.get("seen_version", account.version),
        waits=account.state == AccountState.PENDING,
        contact=setting("registration", "review_contact"),
        may_cancel=returned and setting("registration", "self_cancel"),
        cancel=giving_up or CancelForm(),
    )


def _facts(account: Account, declared: RegistrationForm) -> list[tuple[str, Any]]:
    facts: list[tuple[str, Any]] = list(registered_facts(db.session(), account, masked=False))
    reviewer, labels = account.reviewer_institute, declared.files()
    if reviewer is not None:
        facts = [f for f in facts if f[1] != reviewer.name]
        facts.append((gettext("审核机构"), f"{reviewer.name}（{reviewer.phone}）"))
    names = [f"{labels.get(kind, kind)}：{name}" for kind, name in paper_names(db.session(), account.id).items()]
    return [*facts, (gettext("已上传材料"), "\n".join(sorted(names)) or "—")]


def _steps(account: Account) -> list[dict[str, Any]]:
    lines = entity_history(db.session(), me(), ACCOUNT.name, account.id)
    return [
        {
            "time": line.at,
            "who": "，".join(w for w in (line.who, line.body) if w),
            "what": line.step,
            "note": gettext("原因：%(reason)s", reason=line.reason) if line.reason else "",
            "kind": "info",
        }
        for line in reversed(lines)
    ]
