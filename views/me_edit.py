"""`/me/edit`, `/me/phone`, `/me/email`: changing one's own data; a new phone or address is proved by a code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import RadioField, StringField
from wtforms.validators import InputRequired, Optional

from app.errors import QuanhengError
from app.fab.parts import Button
from app.operations.own_profile import (
    GENDERS,
    ask_email_code,
    ask_phone_code,
    change_email,
    change_phone,
    editable,
    update_profile,
)
from models.account import Account
from models.base import db
from models.types import mask_email, mask_id_number, mask_phone
from views.edge import clean
from views.guards import confirmed, roles
from views.me import own_row
from views.place_fields import place_at, read_place
from views.workflow_view import me, put_on_form

edit_pages = Blueprint("me_edit", __name__)


class ProfileForm(FlaskForm):
    """What a natural person may change, and the name that a company's account goes by."""

    name = StringField(_("真实姓名"), [InputRequired()], render_kw={"maxlength": 40, "autocomplete": "name"})
    gender = RadioField(_("性别"), choices=[(g, g) for g in GENDERS], validate_choice=False)
    ethnicity = StringField(_("民族"), [Optional()], render_kw={"maxlength": 20})
    address = StringField(_("详细地址"), [Optional()], render_kw={"maxlength": 200, "autocomplete": "street-address"})
    employer = StringField(_("工作单位"), [Optional()], render_kw={"maxlength": 120, "autocomplete": "organization"})


@edit_pages.route("/me/edit", methods=["GET", "POST"])
@roles()
def edit() -> Any:
    """我的资料: 用户名称 and 公民身份证号码 are shown, the rest can be changed."""
    account = own_row()
    fields = editable(account)
    form, loose, place = ProfileForm(), [], None
    if request.method == "POST":
        place = read_place(request.form, streets=False)
        if "load" not in request.form:
            typed = {name: clean(form[name].data, 300) for name in fields if name in form}
            try:
                update_profile(db.session(), me(), {**typed, "division_code": place.code})
                flash(gettext("已保存。"), "success")
                return redirect("/me", 303)
            except QuanhengError as error:
                db.session.rollback()
                loose = put_on_form(form, error)
                account = own_row()
    else:
        for name in fields:
            if name in form:
                form[name].data = getattr(account, name)
    status = 422 if request.method == "POST" and "load" not in request.form else 200
    page = render_template(
        "pages/me_edit.html",
        title=gettext("我的资料"),
        sections=[("", _fixed(account))],
        form=form,
        form_errors=loose,
        columns=[name for name in fields if name in form],
        with_place="division_code" in fields,
        place=place or place_at(account.division_code, streets=False),
        buttons=[
            Button("phone", gettext("修改手机号码"), "/me/phone", "get"),
            Button("email", gettext("修改电子邮箱"), "/me/email", "get"),
        ],
    )
    return page, status


def _fixed(account: Account) -> list[tuple[str, Any]]:
    facts = [(gettext("用户名称"), account.user.username)]
    if "name" not in editable(account):
        facts.append((gettext("真实姓名"), account.name))
    if account.id_number:
        facts.append((gettext("公民身份证号码"), mask_id_number(account.id_number)))
    return [
        *facts,
        (gettext("手机号码"), mask_phone(account.phone) or "—"),
        (gettext("电子邮箱"), account.email or "—"),
    ]


class PhoneForm(FlaskForm):
    """The new number and the code sent to it."""

    phone = StringField(
        _("新手机号码"), [InputRequired()], render_kw={"maxlength": 11, "inputmode": "tel", "autocomplete": "tel"}
    )
    phone_code = StringField(
        _("短信验证码"),
        [Optional()],
        description=_("先获取验证码，再填写收到的6位数字，10分钟内有效。"),
        render_kw={"maxlength": 6, "inputmode": "numeric", "autocomplete": "one-time-code"},
    )


class EmailForm(FlaskForm):
    """The new address and the code sent to it."""

    email = StringField(
        _("新电子邮箱"), [InputRequired()], render_kw={"maxlength": 120, "type": "email", "autocomplete": "email"}
    )
    email_code = StringField(
        _("邮箱验证码"),
        [Optional()],
        description=_("先获取验证码，再填写收到的6位数字，10分钟内有效。"),
        render_kw={"maxlength": 6, "inputmode": "numeric", "autocomplete": "one-time-code"},
    )


@edit_pages.route("/me/phone", methods=["GET", "POST"])
@roles()
@confirmed
def phone() -> Any:
    """Change the phone number."""
    account = own_row()
    title, now = gettext("修改手机号码"), mask_phone(account.phone)
    return _change_page(PhoneForm(), "phone", title, now, ask_phone_code, change_phone)


@edit_pages.route("/me/email", methods=["GET", "POST"])
@roles()
@confirmed
def email() -> Any:
    """Change the mail address."""
    account = own_row()
    title, now = gettext("修改电子邮箱"), mask_email(account.email)
    return _change_page(EmailForm(), "email", title, now, ask_email_code, change_email)


def _change_page(
    form: FlaskForm,
    name: str,
    title: str,
    now: str,
    ask: Callable[..., None],
    change: Callable[..., None],
) -> Any:
    """One page for both: 获取验证码 sends the code and keeps the form, 保存 takes it."""
    loose, status = [], 200
    if request.method == "POST":
        address = clean(form[name].data, 121)
        try:
            if "send" in request.form:
                ask(db.session(), me(), address)
                flash(gettext("验证码已发送，请在10分钟内填写。"), "success")
            else:
                change(db.session(), me(), address, clean(form[f"{name}_code"].data, 10))
                flash(gettext("已保存，今后的通知发送到新的号码或邮箱。"), "success")
                return redirect("/me", 303)
        except QuanhengError as error:
            db.session.rollback()
            loose, status = put_on_form(form, error), error.status
    page = render_template(
        "pages/me_change.html",
        title=title,
        intro=gettext("当前：%(now)s", now=now or gettext("未填写")),
        form=form,
        columns=[name, f"{name}_code"],
        form_errors=loose,
        submit_label=gettext("保存"),
        cancel_url="/me",
    )
    return page, status
