"""Registration at the portal: the kinds of users, the form of each from its declaration, and what comes after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, abort, current_app, flash, redirect, render_template, request, session
from flask_babel import gettext
from sqlalchemy.exc import IntegrityError

from app.access.limits import by_address, check, hit
from app.access.principal import current_principal
from app.errors import InvalidInputError, QuanhengError
from app.fab.dberrors import explain
from app.operations import site
from app.operations.registration import Paper, already_registered, register
from app.operations.registration_papers import accepts
from app.profiles import setting
from app.profiles.forms import RegistrationForm, offered, reachable
from models.account import Account
from models.base import db
from models.enums import AccountState
from views.captcha import check_captcha
from views.edge import clean
from views.kept_files import keep, received
from views.registration_code import code_refused, send_to
from views.registration_form import build
from views.workflow_view import put_on_form

registration = Blueprint("registration", __name__)
REGISTRATIONS, ATTEMPTS = "5 per hour", "40 per hour"


# -- which form ---------------------------------------------------------------------------------------------------------


@registration.route("/register", methods=["GET", "POST"])
def first() -> Any:
    """The form of the first kind; where an identity comes before it, that choice; where nobody registers, the way out."""
    if _logged_in():
        return redirect("/home/")
    forms = offered()
    if not forms:
        return _elsewhere()
    if request.method == "GET" and forms[0].identities:
        return _identities(forms[0])
    return _register(forms[0])


@registration.route("/register/<kind>", methods=["GET", "POST"])
def of_kind(kind: str) -> Any:
    """The form of one kind; kinds that the deployment does not offer are not there."""
    form = reachable(kind)
    if form is None:
        abort(404)
    return redirect("/home/") if _logged_in() else _register(form)


@registration.get("/register/choose")
def choose() -> Any:
    """From 用户类型 and 身份 to the form (manual 004 §一.1)."""
    kind = clean(request.args.get("identity"), 40)
    known = {k for form in offered() for k, _word in form.identities}
    return redirect(f"/register/{kind}" if kind in known else "/register")


def _logged_in() -> bool:
    principal = current_principal()
    return principal is not None and principal.account_id is not None


def _elsewhere() -> Any:
    """Accounts come from another service (REG-08): the button to it and its guide, no form."""
    if request.method == "POST":
        abort(404)
    url = str(setting("registration", "external_url"))
    if not url:
        abort(404)
    guide = site.file_of(db.session(), "external_guide")
    return render_template("pages/register_elsewhere.html", title=gettext("注册"), url=url, guide=guide)


def _identities(form: RegistrationForm) -> str:
    return render_template(
        "pages/register_identity.html", title=form.title, form=form, notice=setting("registration", "notice")
    )


# -- the form -----------------------------------------------------------------------------------------------------------


def _register(declared: RegistrationForm) -> Any:
    """Show the form or take it; every refusal gives it back as it was filled in, files included."""
    form = build(declared)
    if request.method == "GET":
        if "code" in form and request.args.get("code"):
            form.code.data = clean(request.args.get("code"), 24)
        return _page(declared, form, {})
    papers = received(declared.files(), accepts(declared, form.typed()))
    if "load" in request.form:  # without a script: the next level of places
        return _page(declared, form, papers)
    return _take(declared, form, papers)


def _take(declared: RegistrationForm, form: Any, papers: dict[str, Paper]) -> Any:
    answers = form.typed()
    limit = current_app.config.get("REGISTER_LIMIT", REGISTRATIONS)
    hit(by_address("register-try"), current_app.config.get("REGISTER_TRY_LIMIT", ATTEMPTS))
    check(by_address("register"), limit)
    try:
        twin = already_registered(db.session(), declared, answers)
        if twin is not None:
            return _done(twin)
        check_captcha("register")
        made = register(db.session(), declared, answers, papers, ip=request.remote_addr)
        hit(by_address("register"), limit)
        return _done(made)
    except (InvalidInputError, IntegrityError) as error:
        db.session.rollback()
        twin = already_registered(db.session(), declared, answers)
        if twin is not None:
            return _done(twin)
        loose = put_on_form(form, error) if isinstance(error, InvalidInputError) else [explain(error)]
        return _page(declared, form, papers, loose), 422


def _page(declared: RegistrationForm, form: Any, papers: Mapping[str, Paper], loose: list[str] | None = None) -> str:
    form.offer_places()
    return render_template(
        "pages/register.html",
        title=declared.title,
        declared=declared,
        tabs=[(f"/register/{f.kind}", f.tab, f.kind == declared.kind) for f in offered()],
        sections=declared.sections(),
        form=form,
        form_errors=loose or [],
        kept=keep(papers.values()),
        consents=[(site.text_of(db.session(), k).title, f"/register/agreement/{k}") for k in declared.agreements],
        # the notice speaks to applicants (S4 §一.2); a person or an institute would be told things that are not theirs
        notice=setting("registration", "notice") if declared.kind.startswith("applicant") else [],
    )


@registration.get("/register/agreement/<key>")
def agreement(key: str) -> Any:
    """A text in the wording that a registration of this moment agrees to."""
    if key not in site.text_keys():
        abort(404)
    return redirect(f"/texts/{key}")


# -- codes --------------------------------------------------------------------------------------------------------------


@registration.post("/register/code", defaults={"kind": None})
@registration.post("/register/<kind>/code")
def code(kind: str | None) -> Any:
    """Send a code to the address or phone of the form; the same answer whoever it belongs to."""
    declared = reachable(kind) if kind else next(iter(offered()), None)
    if declared is None:
        abort(404)
    try:
        said = send_to(declared)
    except QuanhengError as error:
        db.session.rollback()
        return code_refused(error) or _code_page(declared, error)
    return said if isinstance(said, Response) else _code_page(declared, None, str(said))


def _code_page(declared: RegistrationForm, error: QuanhengError | None, said: str = "") -> Any:
    """Without a script: the form again as it was, with the answer on it."""
    form = build(declared)
    loose = put_on_form(form, error) if error else []
    if said:
        flash(said, "success")
    papers = received(declared.files(), accepts(declared, form.typed()))
    page = _page(declared, form, papers, loose)
    return (page, error.status) if error else page


# -- afterwards ---------------------------------------------------------------------------------------------------------


def _done(account: Account) -> Any:
    institute = account.reviewer_institute
    session["registered"] = {
        "institute": institute.name if institute else "",
        "phone": institute.phone if institute else "",
        "username": account.user.username,
        "open": account.state == AccountState.ACTIVE,
    }
    return redirect("/register/done", 303)


@registration.get("/register/done")
def done() -> Any:
    """What was handed in, who reviews it, what comes next."""
    made = session.get("registered")
    if not isinstance(made, dict):
        return redirect("/register")
    title = gettext("注册成功") if made.get("open") else gettext("注册申请已提交")
    contact = setting("registration", "review_contact")
    return render_template("pages/register_done.html", title=title, made=made, contact=contact)
