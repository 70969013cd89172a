"""`/recover`: 1 验证身份, 2 设置新密码, 3 完成, as the profile's recovery.mode asks (LOG-12, LOG-13, LOG-14)."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, current_app, flash, jsonify, redirect, render_template, request, session
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import RadioField, StringField

from app import clock
from app.access import passwords
from app.access.limits import by_address, hit
from app.access.providers import offered
from app.errors import InvalidInputError, NotVisibleError, QuanhengError
from app.fab.errors import wants_json
from app.operations.recovery import (
    GOOD_FOR,
    LATE,
    Claim,
    ask_code,
    claimed,
    prove,
    proved_account,
    reset_password,
)
from app.operations.site import text_of
from app.profiles import setting
from models.account import Account
from models.base import db
from views.activation import PasswordForm
from views.captcha import check_captcha
from views.edge import clean
from views.workflow_view import put_on_form

recovery = Blueprint("recovery", __name__)
CODES, TRIES = "20 per day", "30 per hour"  # of one address
PAUSE, PER_DAY = "1 per minute", "5 per day"  # of the same words
LEVEL = 0.2  # seconds that an answer takes at least, so that its time tells nothing
FIELDS: dict[str, tuple[str, ...]] = {
    "username_and_phone": ("username", "phone"),
    "username": ("username",),
    "phone": ("phone",),
    "email": ("username", "email"),
}
WAYS = (("username", _("用户名")), ("phone", _("注册手机号(可找回用户名和密码)")))


class RecoveryForm(FlaskForm):
    """Every input of step 1; the page shows those that the mode asks for."""

    way = RadioField(_("密码找回方式"), choices=WAYS, default="username", validate_choice=False)
    username = StringField(_("用户名"), render_kw={"autocomplete": "username", "maxlength": 60})
    phone = StringField(_("手机号码"), render_kw={"autocomplete": "tel", "maxlength": 11, "inputmode": "tel"})
    email = StringField(_("电子邮箱"), render_kw={"autocomplete": "email", "maxlength": 120, "inputmode": "email"})
    phone_code = StringField(
        _("短信验证码"), render_kw={"maxlength": 6, "inputmode": "numeric", "autocomplete": "one-time-code"}
    )
    email_code = StringField(
        _("邮箱验证码"), render_kw={"maxlength": 6, "inputmode": "numeric", "autocomplete": "one-time-code"}
    )

    def fields(self) -> tuple[str, ...]:
        """The words that the chosen way asks for."""
        mode = _mode()
        if mode == "username_or_phone":
            return FIELDS["phone" if self.way.data == "phone" else "username"]
        return FIELDS[mode]

    def claim(self) -> Claim:
        """Who says to have lost the password; raises InvalidInputError by field."""
        return claimed({name: clean(self[name].data, 120) for name in self.fields()}, self.fields())

    def code_field(self) -> str:
        return "email_code" if "email" in self.fields() else "phone_code"


def _mode() -> str:
    return str(setting("recovery", "mode"))


def _on_line() -> None:
    """Where the government's log-in proves people, there is no form to post."""
    if _mode() == "sso":
        raise NotVisibleError


# -- step 1 -----------------------------------------------------------------------------------------------------------


@recovery.route("/recover", methods=["GET", "POST"])
def recover() -> Any:
    """Whose password: the form, and trying the code."""
    form = RecoveryForm()
    if request.method == "GET":
        return _first(form)
    _on_line()
    started = time.monotonic()
    hit(by_address("recover-try"), current_app.config.get("RECOVERY_TRY_LIMIT", TRIES))
    try:
        claim = form.claim()
        code = clean(form[form.code_field()].data, 6)
        if not code:
            word = gettext("请填写“%(field)s”。", field=form[form.code_field()].label.text)
            raise InvalidInputError(word, field=form.code_field())
        account = prove(db.session(), claim, code)
    except InvalidInputError as error:
        db.session.rollback()
        _level(started)
        return _first(form, error), 422
    session["recovery"] = {
        "account": account.id,
        "epoch": account.session_epoch,
        "until": (clock.now() + GOOD_FOR).timestamp(),
        "by_phone": not claim.username,
    }
    session["fresh"] = True  # a key that somebody planted before must not lead to step 2
    _level(started)
    return redirect("/recover/password", 303)


def _first(form: RecoveryForm, error: InvalidInputError | None = None) -> str:
    mode = _mode()
    return render_template(
        "pages/recover.html",
        title=gettext("找回密码"),
        form=form,
        form_errors=put_on_form(form, error) if error is not None else [],
        captcha_errors=[error.sentence] if error is not None and error.field == "captcha" else [],
        mode=mode,
        names=[] if mode == "sso" else form.fields(),
        code_field="" if mode == "sso" else form.code_field(),
        providers=offered(),
        offline=_offline(),
    )


def _offline() -> list[str]:
    """The paragraphs on recovering by mail (LOG-14); none where the deployment names no address."""
    mail = str(setting("recovery", "offline_mail") or "")
    return text_of(db.session(), "offline_recovery").body.replace("%(mail)s", mail).split("\n") if mail else []


@recovery.post("/recover/code")
def code() -> Any:
    """Ask for a code: the same answer after the same time, whoever is meant."""
    _on_line()
    started = time.monotonic()
    form = RecoveryForm()
    try:
        check_captcha("recover")
        claim = form.claim()
        hit(by_address("recover-code"), current_app.config.get("RECOVERY_CODE_LIMIT", CODES))
        hit(f"recover-pause:{claim.index}", PAUSE)
        hit(f"recover-day:{claim.index}", PER_DAY)
        ask_code(db.session(), claim)
    except QuanhengError as error:
        db.session.rollback()
        return _code_refused(form, error)
    _level(started)
    where = gettext("邮箱") if claim.email else gettext("手机")
    said = gettext("如信息正确，验证码将发送至预留%(where)s。", where=where)
    if wants_json():
        return jsonify(message=said, seconds=60)
    flash(said, "info")
    return _first(form)


def _code_refused(form: RecoveryForm, error: QuanhengError) -> Any:
    if wants_json():
        return jsonify(error=error.sentence, seconds=getattr(error, "seconds", 0)), error.status
    if not isinstance(error, InvalidInputError):
        raise error
    return _first(form, error), error.status


def _level(started: float) -> None:
    """Wait until the answer has taken as long as every other (must-never case 8)."""
    rest = float(current_app.config.get("RECOVERY_LEVEL", LEVEL)) - (time.monotonic() - started)
    if rest > 0:
        time.sleep(rest)


# -- steps 2 and 3 ----------------------------------------------------------------------------------------------------


def _proof() -> tuple[dict[str, Any], Account]:
    """The proof of step 1 and its account; raises NotVisibleError when it is missing, spent or too old."""
    found = session.get("recovery")
    if not isinstance(found, dict) or clock.now().timestamp() > found["until"]:
        raise NotVisibleError
    return found, proved_account(db.session(), found["account"], found["epoch"])


def _from_the_start() -> Any:
    session.pop("recovery", None)
    flash(gettext(LATE), "warning")
    return redirect("/recover", 303)


@recovery.route("/recover/password", methods=["GET", "POST"])
def new_password() -> Any:
    """Choose the new password, within ten minutes and once."""
    try:
        proof, account = _proof()
    except NotVisibleError:
        return _from_the_start()
    form, loose = PasswordForm(), []
    form.password.description = passwords.hint(account.kind, privileged=passwords.is_privileged(account.roles))
    username = account.user.username
    if request.method == "POST":
        try:
            if problems := form.problems():
                raise InvalidInputError(gettext("请按提示修改。"), problems=problems)
            reset_password(db.session(), proof["account"], proof["epoch"], form.password.data)
            session.pop("recovery", None)
            session["recovered"] = username if proof["by_phone"] else ""
            return redirect("/recover/done", 303)
        except InvalidInputError as error:
            db.session.rollback()
            loose = put_on_form(form, error)
        except QuanhengError:
            db.session.rollback()
            return _from_the_start()
    page = render_template(
        "pages/recover_password.html",
        title=gettext("找回密码"),
        form=form,
        form_errors=loose,
        username=username,
        by_phone=proof["by_phone"],
    )
    return page, 422 if request.method == "POST" else 200


@recovery.get("/recover/done")
def done() -> Any:
    """Step 3: the way to log in."""
    if "recovered" not in session:
        return redirect("/recover")
    return render_template("pages/recover_done.html", title=gettext("找回密码"), username=session["recovered"])
