"""Logging in by phone code, the second step with a dynamic code, and logging out. The log-in page itself is
app/access/login.py, because Flask-AppBuilder asks for it before there are views."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, flash, g, jsonify, redirect, render_template, request, session
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_login import current_user, logout_user
from flask_wtf import FlaskForm
from flask_wtf.csrf import generate_csrf
from wtforms import StringField
from wtforms.validators import InputRequired

from app import clock
from app.access.limits import by_address, hit
from app.access.login import HALF_LIFETIME, LoginForm, complete, enter, login_page, way_back
from app.access.validators import valid_phone
from app.errors import InvalidInputError, QuanhengError, SwitchedOffError, TooOftenError
from app.fab.errors import wants_json
from app.fab.urls import local_path
from app.operations.phone_login import half_logged_in, person_with_code, send_login_code, use_second_factor
from app.profiles import setting
from models.base import db
from views.edge import clean

ways_in = Blueprint("ways_in", __name__)
CODES, TRIES = "20 per day", "50 per hour"  # from one address


# -- phone and code -------------------------------------------------------------------------------------------------


def _offered() -> None:
    if "phone_code" not in setting("login", "methods"):
        raise SwitchedOffError


@ways_in.post("/login/phone/code")
def phone_code() -> Any:
    """Send a code: the same answer whoever the number belongs to."""
    _offered()
    phone = clean(request.form.get("phone"), 20)
    try:
        if not valid_phone(phone):
            raise InvalidInputError(gettext("手机号格式不正确，请填写11位手机号。"), field="phone")
        hit(by_address("login-code"), current_app.config.get("LOGIN_CODE_LIMIT", CODES))
        send_login_code(db.session(), phone)
    except QuanhengError as error:
        db.session.rollback()
        if wants_json():
            return jsonify(error=error.sentence, seconds=getattr(error, "seconds", 0)), error.status
        return _page({"phone": error.sentence}, phone), error.status
    said = gettext("该手机号已注册的，验证码已发送，请在10分钟内填写。没有收到的，请用密码登录。")
    if wants_json():
        return jsonify(message=said, seconds=60)
    flash(said, "success")
    return _page({}, phone)


@ways_in.route("/login/phone", methods=["GET", "POST"])
def phone_login() -> Any:
    """Phone number and the code just sent to it (LOG-10)."""
    _offered()
    target = way_back("/home/")
    if g.user is not None and g.user.is_authenticated:
        return redirect(target)
    if request.method == "GET":
        return _page({}, "")
    hit(by_address("login-phone"), current_app.config.get("AUTH_RATE_LIMIT", TRIES))
    phone = clean(request.form.get("phone"), 20)
    try:
        if not valid_phone(phone):
            raise InvalidInputError(gettext("手机号格式不正确，请填写11位手机号。"), field="phone")
        account = person_with_code(db.session(), phone, clean(request.form.get("phone_code"), 10))
        return enter(account, "phone_code", remember=bool(request.form.get("remember")), target=target)
    except InvalidInputError as error:
        # not rolled back: the count of wrong codes and the line of a refused log-in are committed already
        return _page(error.problems, phone), 422


def _page(errors: dict[str, str], phone: str) -> str:
    selector = bool(setting("login", "type_selector"))
    return login_page(gettext("登录"), LoginForm(formdata=None), errors=errors, selector=selector, phone=phone)


# -- the second step ------------------------------------------------------------------------------------------------


class CodeForm(FlaskForm):
    """Six digits from the app."""

    code = StringField(
        _("动态口令"),
        [InputRequired(_("请填写“动态口令”。"))],
        description=_("打开手机上的身份验证器，填写当前显示的6位数字。"),
        render_kw={"inputmode": "numeric", "autocomplete": "one-time-code", "maxlength": 8, "autofocus": True},
    )


@ways_in.route("/login/code", methods=["GET", "POST"])
def second_step() -> Any:
    """The dynamic code of somebody whose password or phone was right within the last five minutes."""
    half = session.get("half")
    if not isinstance(half, dict) or clock.now().timestamp() - half["at"] > HALF_LIFETIME:
        return _start_again(gettext("登录已超时，请重新登录。"))
    form = CodeForm()
    if request.method == "POST" and form.validate():
        account = half_logged_in(db.session(), half["account"], half["epoch"])
        if account is None:
            return _start_again(gettext("登录已超时，请重新登录。"))
        try:
            use_second_factor(db.session(), account, form.code.data)
        except TooOftenError as error:
            return _start_again(error.sentence)
        except InvalidInputError as error:
            form.code.errors = [error.sentence]
        else:
            target = local_path(half["target"], "/home/")
            more = {"remember": half["remember"], "confirmed": half["confirmed"]}
            return complete(account, f"{half['method']}+totp", target=target, **more)
    page = render_template("pages/login_code.html", title=gettext("动态口令"), form=form)
    return page, 422 if request.method == "POST" else 200


def _start_again(sentence: str) -> Any:
    session.pop("half", None)
    flash(sentence, "warning")
    return redirect("/login/", 303)


@ways_in.get("/login/alive")
def alive() -> Any:
    """Who is logged in, and a token for what this person's pages send: asked before a form is sent, so that nothing typed
    is lost when the log-in ended meanwhile."""
    if not current_user.is_authenticated:
        return jsonify(account=None)
    return jsonify(account=current_user.get_id(), csrf=generate_csrf())


# -- the end --------------------------------------------------------------------------------------------------------


@ways_in.post("/logout/")
def logout() -> Response:
    """End the session on the server, not only in the browser."""
    logout_user()
    session.clear()
    session.modified = True
    answer = redirect("/")
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer  # type: ignore[return-value]
