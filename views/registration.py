"""Registration of a user unit (申请方) and the correction of a returned one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, flash, jsonify, redirect, render_template, request, session
from flask_babel import gettext
from sqlalchemy.exc import IntegrityError

from app.access.limits import by_address, check, hit
from app.access.principal import current_principal
from app.access.validators import valid_email
from app.documents.authorisation_form import blank_authorisation
from app.errors import InvalidInputError, QuanhengError
from app.fab.dberrors import explain
from app.fab.errors import wants_json
from app.operations import places
from app.operations.codes import send_code
from app.operations.registration import PAPERS, Paper, already_registered, register_unit
from app.profiles import profile
from models.account import Account
from models.base import db
from views.edge import clean
from views.kept_files import keep, received
from views.registration_form import RegistrationForm
from views.workflow_view import put_on_form

registration = Blueprint("registration", __name__)
REGISTRATIONS, ATTEMPTS, CODES = "5 per hour", "40 per hour", "10 per hour"


# -- what the form asks for while it is filled in ------------------------------------------------------------------------


@registration.get("/divisions")
def divisions() -> Response:
    """The places below `parent` (provinces without it): {"results": [{"id": code, "text": name}]}."""
    return _results(places.children(db.session(), clean(request.args.get("parent"), 9)))


@registration.get("/divisions/institutes")
def institutes() -> Response:
    """The institutes that may review an applicant of that place, the nearest first."""
    return _results(places.reviewers(db.session(), clean(request.args.get("division"), 9)))


def _results(pairs: list[places.Pair]) -> Response:
    return jsonify(results=[{"id": key, "text": name} for key, name in pairs])


@registration.get("/register/authorisation.pdf")
def authorisation() -> Response:
    """The blank letter of authorisation to print, sign and stamp."""
    answer = Response(blank_authorisation(profile()["name"]), mimetype="application/pdf")
    answer.headers["Content-Disposition"] = (
        "attachment; filename*=UTF-8''%E6%B3%95%E4%BA%BA%E6%8E%88%E6%9D%83%E4%B9%A6.pdf"
    )
    return answer


@registration.post("/register/code")
def code() -> Any:
    """Mail a code to the address; the same answer whoever the address belongs to."""
    email = clean(request.form.get("email"), 121)
    try:
        if not valid_email(email):
            raise InvalidInputError(gettext("邮箱格式不正确，请核对，例如 name@example.com。"), field="email")
        hit(by_address("register-code"), current_app.config.get("CODE_LIMIT", CODES))
        send_code(db.session(), email=email, purpose="register")
    except QuanhengError as error:
        db.session.rollback()
        return _code_refused(error)
    said = gettext("验证码已发送到 %(email)s，请在10分钟内填写。没有收到的，请查看垃圾邮件。", email=email)
    if wants_json():
        return jsonify(message=said, seconds=60)
    flash(said, "success")
    return _page(RegistrationForm(), received(PAPERS))


def _code_refused(error: QuanhengError) -> Any:
    if wants_json():
        seconds = getattr(error, "seconds", 0)
        return jsonify(error=error.sentence, seconds=seconds), error.status
    form = RegistrationForm()
    form.email.errors = [error.sentence]
    return _page(form, received(PAPERS)), error.status


# -- the form -----------------------------------------------------------------------------------------------------------


@registration.route("/register", methods=["GET", "POST"])
def register() -> Any:
    """The registration form; every refusal gives it back as it was filled in, files included."""
    principal = current_principal()
    if principal is not None and principal.account_id is not None:
        return redirect("/home/")
    form = RegistrationForm()
    if request.method == "GET":
        return _page(form, {})
    papers = received(PAPERS)
    if "load" in request.form:  # without a script: the next level of places
        return _page(form, papers)
    return _take(form, papers)


def _take(form: RegistrationForm, papers: dict[str, Paper]) -> Any:
    typed = form.typed()
    problems = _wrong_kind()
    limit = current_app.config.get("REGISTER_LIMIT", REGISTRATIONS)
    hit(by_address("register-try"), current_app.config.get("REGISTER_TRY_LIMIT", ATTEMPTS))
    check(by_address("register"), limit)
    try:
        if problems:
            raise InvalidInputError(problems[0])
        made = register_unit(db.session(), typed, papers, ip=request.remote_addr)
        hit(by_address("register"), limit)
        return _done(made)
    except (InvalidInputError, IntegrityError) as error:
        db.session.rollback()
        twin = already_registered(db.session(), typed)
        if twin is not None:
            return _done(twin)
        loose = put_on_form(form, error) if isinstance(error, InvalidInputError) else [explain(error)]
        return _page(form, papers, loose), 422


def _wrong_kind() -> list[str]:
    """Only an enterprise registers here; everybody else gets an account from somebody (REG-06, REG-21)."""
    if request.form.get("user_type", "applicant") != "applicant" or request.form.get("identity", "unit") != "unit":
        return [gettext("此处只办理申请方以企业/单位身份注册，其他人员的账号由管理员派发。")]
    return []


def _page(form: RegistrationForm, papers: dict[str, Paper], loose: list[str] | None = None) -> str:
    form.offer_places()
    return render_template(
        "pages/register.html",
        title=gettext("使用单位注册"),
        form=form,
        form_errors=loose or [],
        kept=keep(papers.values()),
    )


def _done(account: Account) -> Any:
    institute = account.reviewer_institute
    session["registered"] = {
        "institute": institute.name if institute else "",
        "phone": institute.phone if institute else "",
        "username": account.user.username,
    }
    return redirect("/register/done", 303)


@registration.get("/register/done")
def done() -> Any:
    """What was handed in, who reviews it, what comes next."""
    made = session.get("registered")
    if not isinstance(made, dict):
        return redirect("/register")
    return render_template("pages/register_done.html", title=gettext("注册申请已提交"), made=made)
