"""`/password`: change one's own password; and the gate that leads there when it must be changed first (LOG-16)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import PasswordField
from wtforms.validators import InputRequired

from app.access import passwords
from app.access.limits import check, hit
from app.errors import InvalidInputError
from app.operations.account import change_password
from models.account import Account
from models.base import db
from models.enums import Role
from views.activation import PasswordForm, new_password
from views.gates import gate
from views.guards import confirmed_recently, roles
from views.workflow_view import me, put_on_form

password_pages = Blueprint("password", __name__)
WRONG_PASSWORDS = "10 per hour"
PAGE = "/password"


class ChangeForm(PasswordForm):
    """The old password and the new one twice, in the words of S0 (基本设置, 密码)."""

    old = PasswordField(
        _("旧密码"), [InputRequired()], render_kw={"autocomplete": "current-password", "maxlength": 128}
    )
    password = new_password(_("新密码"))
    password_again = new_password(_("确认密码"))


@gate
def renewal(account: Account) -> str | None:
    """A first password from somebody else, or one too old where the deployment renews them: nothing else until then."""
    return PAGE if passwords.renewal_due(account) else None


def wrong_password_key(account_id: int | None) -> str:
    """One count for every place where the own password is typed again."""
    return f"old-password:{account_id}"


def own_account() -> Account:
    """The account of the one who looks."""
    return db.session.get_one(Account, me().account_id)


@password_pages.route(PAGE, methods=["GET", "POST"])
@roles()
def password() -> Any:
    """Change one's own password: this browser goes on, every other one is logged out."""
    form, account = ChangeForm(), own_account()
    first = not account.user.password
    if first and not confirmed_recently():
        return redirect(f"/me/confirm?next={PAGE}", 303)  # the provider that let the person in says so once more
    if first:
        del form.old
    form.password.description = passwords.hint(account.kind, privileged=passwords.is_privileged(account.roles))
    loose: list[str] = []
    due = passwords.renewal_due(account)
    if request.method == "POST":
        try:
            _change(form)
            flash(gettext("密码已修改，其他设备上的登录已全部退出。"), "success")
            return redirect("/home/" if me().has(Role.EXP) else "/me", 303)
        except InvalidInputError as error:
            db.session.rollback()
            loose = put_on_form(form, error)
    intro = gettext("您的密码由他人设置或已超过使用期限，请先修改密码。") if due else ""
    page = render_template(
        "kinds/form.html",
        title=gettext("修改密码"),
        form=form,
        columns=[f.name for f in (form.old, form.password, form.password_again) if f is not None],
        form_errors=loose,
        submit_label=gettext("确认修改"),
        cancel_url="" if due else "/home/" if me().has(Role.EXP) else "/me",
        intro=intro + gettext("修改后，其他设备上的登录会全部退出。"),
    )
    return page, 422 if request.method == "POST" else 200


def _change(form: ChangeForm) -> None:
    wrong = wrong_password_key(me().account_id)
    check(wrong, WRONG_PASSWORDS)
    if problems := form.problems():
        raise InvalidInputError(gettext("请按提示修改。"), problems=problems)
    try:
        old = form.old.data if form.old is not None else ""
        change_password(db.session(), me(), old, form.password.data)
    except InvalidInputError as error:
        if error.field == "old":
            hit(wrong, WRONG_PASSWORDS)
        raise
    session["epoch"] = own_account().session_epoch
    session["fresh"] = True  # a new key as well: a copied cookie ends with the old password
