"""`/me/confirm`: the password typed again before a sensitive change (ASVS 7.5.1). Good for ten minutes."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, session
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from werkzeug.security import check_password_hash
from wtforms import PasswordField
from wtforms.validators import InputRequired

from app import clock
from app.access.audit import audit
from app.access.limits import check, hit
from app.fab.urls import local_path
from models.base import db
from views.guards import roles
from views.password import WRONG_PASSWORDS, own_account, wrong_password_key

confirm_pages = Blueprint("confirm", __name__)


class ConfirmForm(FlaskForm):
    """The own password."""

    password = PasswordField(
        _("密码"),
        [InputRequired(_("请填写“密码”。"))],
        render_kw={"autocomplete": "current-password", "maxlength": 256, "autofocus": True},
    )


@confirm_pages.route("/me/confirm", methods=["GET", "POST"])
@roles()
def confirm() -> Any:
    """Ask for the password and lead back to what was wanted; wrong ones count together with those at /password."""
    target = local_path(request.args.get("next"), "/me")
    form = ConfirmForm()
    if request.method == "POST" and form.validate():
        account = own_account()
        key = wrong_password_key(account.id)
        check(key, WRONG_PASSWORDS)
        if account.user.password and check_password_hash(account.user.password, form.password.data):
            session["confirmed_at"] = clock.now().timestamp()
            return redirect(target, 303)
        hit(key, WRONG_PASSWORDS)
        audit(db.session(), "confirm_password", outcome="refused", entity="account", entity_id=account.id)
        db.session.commit()  # the answer is a refusal, which the edge rolls back
        form.password.errors = [gettext("密码不正确，请重新输入。")]
    page = render_template(
        "kinds/form.html",
        title=gettext("请再次输入密码"),
        form=form,
        columns=["password"],
        form_errors=[],
        submit_label=gettext("确认"),
        cancel_url="/me",
        intro=_intro(),
    )
    return page, 422 if request.method == "POST" else 200


def _intro() -> str:
    """Why it is asked; who has no password proves it by logging in again the other way, which counts for ten minutes."""
    if own_account().user.password:
        return gettext("为确认是您本人操作，请再输入一次登录密码，10分钟内有效。")
    return gettext(
        "您的账号还没有密码：请退出后重新用原来的方式登录，登录后10分钟内即可办理，也可以在“修改密码”设置密码。"
    )
