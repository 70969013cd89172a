"""`/me` and `/password`: one's own account."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, session
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import PasswordField
from wtforms.validators import InputRequired

from app.access.limits import check, hit
from app.access.roles import LABELS
from app.errors import InvalidInputError
from app.fab.formats import plain
from app.fab.parts import Button, state_chip
from app.operations import places
from app.operations.account import change_password
from app.workflow import ACCOUNT
from models.account import Account
from models.base import db
from models.enums import AccountKind, Role
from models.types import mask_phone
from views.activation import PASSWORD_HINT, PasswordForm, new_password
from views.guards import roles
from views.workflow_view import TONES, me, put_on_form

own_pages = Blueprint("me", __name__)
WRONG_PASSWORDS = "10 per hour"
KINDS = {
    AccountKind.ENTERPRISE: _("使用单位"),
    AccountKind.INSTITUTE: _("技术机构"),
    AccountKind.REGULATOR: _("监管部门"),
    AccountKind.AUDITOR: _("审计"),
    AccountKind.ADMIN: _("系统管理"),
    AccountKind.SECURITY: _("安全管理"),
}


class ChangeForm(PasswordForm):
    """The old password and the new one twice."""

    old = PasswordField(
        _("原密码"), [InputRequired()], render_kw={"autocomplete": "current-password", "maxlength": 128}
    )
    password = new_password(_("新密码"), PASSWORD_HINT)
    password_again = new_password(_("再次输入新密码"))


def _own() -> Account:
    account = db.session.get(Account, me().account_id)
    if account is None:
        abort(404)
    return account


@own_pages.get("/me")
@roles()
def own() -> str:
    """What the platform keeps about the person who looks, the phone number masked."""
    account = _own()
    chip = state_chip(TONES[ACCOUNT.tone_of(account.state)], ACCOUNT.label_of(account.state))
    buttons = [Button("password", gettext("修改密码"), "/password", "get", style="primary", icon="lock")]
    if me().has(Role.APPLICANT):
        buttons.append(Button("mine", gettext("我的注册申请"), "/register/mine", "get"))
    return render_template(
        "kinds/detail.html", title=gettext("我的账号"), state=chip, buttons=buttons, sections=[("", _facts(account))]
    )


def _facts(account: Account) -> list[tuple[str, Any]]:
    facts = [
        (gettext("账号"), account.user.username),
        (gettext("姓名"), account.name),
        (gettext("类型"), KINDS[AccountKind(account.kind)]),
        (gettext("角色"), "、".join(LABELS[r] for r in sorted(me().roles)) or "—"),
        (gettext("手机号"), mask_phone(account.phone) or "—"),
        (gettext("邮箱"), account.email or "—"),
    ]
    if account.unit is not None:
        facts.append((gettext("使用单位"), account.unit.name))
    if account.institute is not None:
        facts.append((gettext("技术机构"), account.institute.name))
    if account.area:
        facts.append((gettext("辖区"), places.place_name(db.session(), account.area.ljust(6, "0"))))
    if account.user.last_login is not None:
        facts.append((gettext("本次登录"), plain(account.user.last_login.astimezone())))  # FAB keeps server time, naive
    return facts


@own_pages.route("/password", methods=["GET", "POST"])
@roles()
def password() -> Any:
    """Change one's own password: this browser goes on, every other one is logged out."""
    form = ChangeForm()
    loose: list[str] = []
    if request.method == "POST":
        try:
            _change(form)
            flash(gettext("密码已修改，其他设备上的登录已全部退出。"), "success")
            return redirect("/me", 303)
        except InvalidInputError as error:
            db.session.rollback()
            loose = put_on_form(form, error)
    page = render_template(
        "kinds/form.html",
        title=gettext("修改密码"),
        form=form,
        columns=["old", "password", "password_again"],
        form_errors=loose,
        submit_label=gettext("修改密码"),
        cancel_url="/me",
        intro=gettext("修改后，其他设备上的登录会全部退出。"),
    )
    return page, 422 if request.method == "POST" else 200


def _change(form: ChangeForm) -> None:
    wrong = f"old-password:{me().account_id}"
    check(wrong, WRONG_PASSWORDS)
    if problems := form.problems():
        raise InvalidInputError(gettext("请按提示修改。"), problems=problems)
    try:
        change_password(db.session(), me(), form.old.data, form.password.data)
    except InvalidInputError as error:
        if error.field == "old":
            hit(wrong, WRONG_PASSWORDS)
        raise
    session["epoch"] = _own().session_epoch
    session["fresh"] = True  # a new key as well: a copied cookie ends with the old password
