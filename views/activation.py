"""`/activate/<token>`: a person chooses the first password by a one-time link. The token is never logged or passed on."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms.validators import InputRequired

from app.access import passwords
from app.access.limits import by_address, hit
from app.errors import InvalidInputError
from app.operations.account import account_of_link, activate
from app.profiles import profile
from models.base import db
from views.workflow_view import put_on_form

activation = Blueprint("activation", __name__)
OPENINGS = "60 per hour"  # a guess has 2^-256 of a chance; this keeps the page cheap


def new_password(label: Any, hint: Any = "") -> PasswordField:
    """An input for a password that is being chosen."""
    attributes = {"autocomplete": "new-password", "maxlength": 128}
    return PasswordField(label, [InputRequired()], description=hint, render_kw=attributes)


class PasswordForm(FlaskForm):
    """The new password, twice."""

    password = new_password(_("密码"))
    password_again = new_password(_("确认密码"))

    def problems(self) -> dict[str, str]:
        """What is missing or differs; the rules of a good password stand in the operation."""
        found = {f.name: gettext("请填写“%(field)s”。", field=f.label.text) for f in self._inputs() if not f.data}
        if not found and self.password.data != self.password_again.data:
            found["password_again"] = gettext("两次输入的密码不一致，请重新输入。")
        return found

    def _inputs(self) -> list[Any]:
        return [f for f in self if isinstance(f, PasswordField)]


@activation.route("/activate/<token>", methods=["GET", "POST"])
def activate_account(token: str) -> Response:
    """Show the form of a living link, or set the password."""
    hit(by_address("activate"), OPENINGS)
    account = account_of_link(db.session(), token[:100])
    if account is None:
        return _quiet(_dead(), 410)
    form, username = PasswordForm(), account.user.username
    form.password.description = passwords.hint(account.kind, privileged=passwords.is_privileged(account.roles))
    loose: list[str] = []
    if request.method == "POST":
        try:
            if problems := form.problems():
                raise InvalidInputError(gettext("请按提示修改。"), problems=problems)
            activate(db.session(), token[:100], form.password.data)
            flash(gettext("账号已激活，请用新密码登录。"), "success")
            return _quiet(redirect("/login/", 303))
        except InvalidInputError as error:
            db.session.rollback()
            loose = put_on_form(form, error)
    page = render_template(
        "pages/activate.html", title=gettext("激活账号"), form=form, form_errors=loose, username=username
    )
    return _quiet(page, 422 if request.method == "POST" else 200)


def _dead() -> str:
    hotline = profile().get("hotline", "")
    cure = gettext("链接只能使用一次，72小时内有效。请联系派发账号的管理员重新发送。")
    return render_template(
        "kinds/result.html",
        title=gettext("激活链接已失效"),
        kind="warn",
        answer=gettext("链接已失效"),
        means=cure,
        calls=gettext("已设置过密码的，请直接登录。")
        + (gettext("服务热线 %(phone)s。", phone=hotline) if hotline else ""),
    )


def _quiet(body: Any, status: int | None = None) -> Response:
    """The address is a secret: no page learns it as a referrer and no cache keeps it."""
    answer = make_response(body, status) if status else make_response(body)
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer
