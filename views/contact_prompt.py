"""完善联络人员信息 (ORG-07) after log-in until it is filled in, and 修改联系方式 (ORG-08) from the account menu."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired

from app.errors import QuanhengError
from app.operations.unit_profile import contact_missing, own_unit, save_contact
from app.profiles import setting
from models.account import Account
from models.base import db
from models.enums import AccountState, Role
from views.edge import clean
from views.gates import gate
from views.guards import roles
from views.workflow_view import me, put_on_form

contact_pages = Blueprint("contact", __name__)
WRITERS = (Role.ENT, Role.SUB)
LATER = "contact_later"


class ContactForm(FlaskForm):
    """Whom the institute calls."""

    contact_name = StringField(_("联系人"), [InputRequired()], render_kw={"maxlength": 40, "autocomplete": "name"})
    contact_phone = StringField(
        _("联系方式"),
        [InputRequired()],
        description=_("手机号或带区号的座机号。"),
        render_kw={"maxlength": 20, "inputmode": "tel", "autocomplete": "tel"},
    )


@gate
def contact_first(account: Account) -> str | None:
    """The prompt, once after each log-in, while the unit has no contact."""
    if request.path.startswith("/api/") or not setting("organisation", "contact_prompt"):
        return None
    acting = account.state == AccountState.ACTIVE and not {r.value for r in WRITERS}.isdisjoint(account.roles)
    if not acting or not contact_missing(account.unit):
        return None
    return None if session.get(LATER) == _login_of(account) else "/me/contact-prompt"


def _login_of(account: Account) -> str:
    """Which log-in this is: whoever logs in again is asked again."""
    return f"{account.id}:{account.user.login_count or 0}"


@contact_pages.route("/me/contact-prompt", methods=["GET", "POST"])
@roles(*WRITERS)
def prompt() -> Any:
    """取消 goes on without, 确定 stores both fields."""
    if request.method == "POST" and "later" in request.form:
        account = db.session.get_one(Account, me().account_id)
        session[LATER] = _login_of(account)
        return redirect("/home/", 303)
    return _page(
        gettext("完善联络人员信息"),
        gettext("检定机构会按这里的联系方式与您联系。暂不填写的请按“取消”，下次登录会再次提示。"),
        "/home/",
    )


@contact_pages.route("/me/contact", methods=["GET", "POST"])
@roles(*WRITERS)
def contact() -> Any:
    """Change whom the institute calls."""
    return _page(
        gettext("修改联系方式"), gettext("联络人员有变动时请及时修改，今后的预约使用新的联系方式。"), "/me/contact"
    )


def _page(title: str, intro: str, after: str) -> Any:
    form, loose, status = ContactForm(), [], 200
    if request.method == "POST":
        try:
            name, phone = clean(form.contact_name.data, 60), clean(form.contact_phone.data, 40)
            save_contact(db.session(), me(), name, phone)
            flash(gettext("已保存。"), "success")
            return redirect(after, 303)
        except QuanhengError as error:
            db.session.rollback()
            loose, status = put_on_form(form, error), error.status
            _rename(form, error)
    else:
        unit = own_unit(db.session(), me())
        form.contact_name.data, form.contact_phone.data = unit.contact_name, unit.contact_phone
    page = render_template(
        "pages/contact.html",
        title=title,
        intro=intro,
        form=form,
        form_errors=[s for s in loose if s not in _on_fields(form)],
        columns=["contact_name", "contact_phone"],
        asks=after == "/home/",
    )
    return page, status


def _rename(form: FlaskForm, error: QuanhengError) -> None:
    """The operation speaks of name and phone."""
    for name, sentence in getattr(error, "problems", {}).items():
        if f"contact_{name}" in form:
            field = form[f"contact_{name}"]
            field.errors = [*field.errors, sentence]


def _on_fields(form: FlaskForm) -> set[str]:
    return {str(sentence) for field in form for sentence in field.errors}
