"""`/login/with/…` and `/login/back/…`: the way to an identity provider and back; `/login/bind` for a stranger's identity."""

from __future__ import annotations

import hashlib
import logging
from typing import Any
from urllib.parse import quote

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, session
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired

from app import clock
from app.access.limits import by_address, hit
from app.access.login import enter as let_in
from app.access.providers import Identity, IdentityRefusedError, label_of, provider, redirect_uri
from app.errors import InvalidInputError, QuanhengError, TooOftenError
from app.fab.urls import local_path
from app.operations.sso import Way, bind, enter
from app.profiles import forms
from models.account import Account
from models.base import db
from models.enums import AccountKind
from views.captcha import check_captcha
from views.edge import clean
from views.workflow_view import me, put_on_form

log = logging.getLogger(__name__)
sso = Blueprint("sso", __name__)
STARTS, BINDINGS = "60 per hour", "50 per hour"
ANSWER_WITHIN, BIND_WITHIN = 300, 600  # seconds


# -- there and back ---------------------------------------------------------------------------------------------------


@sso.get("/login/with/<key>")
def start(key: str) -> Any:
    """To the provider's page; what its answer must match stays in the session on the server."""
    return redirect(way_to(key, local_path(request.args.get("next"), "/home/")))


def way_to(key: str, target: str, account_id: int | None = None) -> str:
    """The provider's address; `account_id` when a person who is logged in wants to bind. 404 when not offered."""
    way = provider(key)
    hit(by_address("sso"), current_app.config.get("SSO_LIMIT", STARTS))
    address, kept = way.begin(redirect_uri(key))
    session["sso"] = {
        "kept": kept,
        "provider": key,
        "next": target,
        "at": clock.now().timestamp(),
        "account": account_id,
    }
    return address


@sso.get("/login/back/<key>")
def back(key: str) -> Any:
    """The provider's answer. A GET that writes: only after everything was checked, and once per state."""
    asked = session.pop("sso", None)
    session.modified = True
    try:
        identity = _checked(key, asked)
        if asked["account"] is not None:
            return _bound(identity, asked)
        return _entered(identity, asked["next"])
    except IdentityRefusedError as error:
        log.warning("log-in through %s refused: %s", key[:20], error.why)
        return refused(error)


def _checked(key: str, asked: Any) -> Identity:
    if not isinstance(asked, dict) or asked.get("provider") != key:
        raise IdentityRefusedError("nobody asked in this browser")
    if not 0 <= clock.now().timestamp() - asked["at"] <= ANSWER_WITHIN:
        raise IdentityRefusedError("answered too late")
    way = provider(key)
    try:
        # two copies of one answer at the same moment: both still see the session, one of them is first here
        hit(f"sso-state:{hashlib.sha256(asked['kept']['state'].encode()).hexdigest()}", "1 per 10 minutes")
    except TooOftenError:
        raise IdentityRefusedError("state used before") from None
    return way.finish(request.args, asked["kept"])


def _entered(identity: Identity, target: str) -> Any:
    entry = enter(db.session(), identity)
    if entry.way == Way.REGISTER:
        return redirect(f"{_registration()}?code={quote(entry.code)}")
    if entry.way == Way.BIND:
        session["unbound"] = {
            "provider": identity.provider,
            "issuer": identity.issuer,
            "subject": identity.subject,
            "next": target,
            "at": clock.now().timestamp(),
        }
        return redirect("/login/bind")
    assert entry.account is not None
    g.keep_writes = True
    return _begin(entry.account, identity.provider, target)


def _begin(account: Account, provider_key: str, target: str) -> Any:
    """A session as after a password; who has just proved the identity need not type a password for a while."""
    return let_in(account, provider_key, target=target, confirmed=True)


def _registration() -> str:
    """The form by which an enterprise registers here; it takes the code from the address (LOG-09)."""
    for form in forms.offered():
        for kind in (*(key for key, _word in form.identities), form.kind):
            found = forms.form_of(kind)
            if found is not None and found.account == AccountKind.ENTERPRISE and found.find("code") is not None:
                return f"/register/{kind}"
    return "/register"


def _bound(identity: Identity, asked: dict[str, Any]) -> Any:
    """The answer to binding another identity: only for the person who asked, still logged in."""
    account = db.session.get(Account, asked["account"]) if me().account_id == asked["account"] else None
    if account is None:
        raise IdentityRefusedError("asked by somebody else")
    try:
        bind(db.session(), account, identity)
    except InvalidInputError as error:
        raise IdentityRefusedError("cannot be bound", error.sentence) from None
    g.keep_writes = True
    flash(gettext("绑定成功，以后可以用该方式登录。"), "success")
    return redirect("/me/bindings", 303)


def refused(error: IdentityRefusedError) -> Any:
    """A page with the sentence and the ways on; it says the same whatever was wrong."""
    page = render_template(
        "pages/sso_refused.html",
        title=gettext("登录未成功"),
        kind="danger",
        answer=error.sentence,
        subject=gettext("为了账号安全，认证结果只能使用一次，并须在5分钟内完成。"),
    )
    return page, error.status


# -- an identity that opens nothing yet -----------------------------------------------------------------------------------


class BindForm(FlaskForm):
    """The account that the identity shall open from now on."""

    username = StringField(
        _("用户名或手机号"), [InputRequired()], render_kw={"autocomplete": "username", "maxlength": 100}
    )
    password = PasswordField(
        _("密码"), [InputRequired()], render_kw={"autocomplete": "current-password", "maxlength": 256}
    )


def _unbound() -> dict[str, Any] | None:
    found = session.get("unbound")
    if not isinstance(found, dict) or not 0 <= clock.now().timestamp() - found["at"] <= BIND_WITHIN:
        session.pop("unbound", None)
        return None
    return found


@sso.route("/login/bind", methods=["GET", "POST"])
def bind_account() -> Any:
    """Bind the identity that has just come back to an account, by its password; wrong ones count as at the log-in."""
    waiting = _unbound()
    if waiting is None:
        return refused(IdentityRefusedError("nothing to bind"))
    form = BindForm()
    loose: list[str] = []
    if request.method == "POST":
        try:
            return _bind_with_password(form, waiting)
        except QuanhengError as error:
            if error.status != InvalidInputError.status:
                raise
            db.session.rollback()
            loose = put_on_form(form, error)
    page = render_template(
        "pages/sso_bind.html",
        title=gettext("绑定账号"),
        form=form,
        form_errors=loose,
        provider=label_of(waiting["provider"]),
    )
    return page, 422 if request.method == "POST" else 200


def _bind_with_password(form: BindForm, waiting: dict[str, Any]) -> Any:
    check_captcha("login")
    hit(by_address("login-bind"), current_app.config.get("LOGIN_BIND_LIMIT", BINDINGS))
    manager = current_app.appbuilder.sm  # type: ignore[attr-defined]
    account = manager.prove(clean(form.username.data, 100), form.password.data or "").account
    if account is None:
        raise InvalidInputError(gettext("账号或密码错误，或账号已被锁定。连续5次错误将锁定15分钟。"))
    identity = Identity(waiting["provider"], waiting["issuer"], waiting["subject"])
    bind(db.session(), account, identity)
    return let_in(account, identity.provider, target=local_path(waiting["next"], "/home/"), confirmed=True)
