"""`/me/second-factor`: dynamic codes of one's own account: set up, switch off; and the gate for those who must."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from markupsafe import Markup
from wtforms import StringField
from wtforms.validators import InputRequired

from app.access import second_factor
from app.documents.qr import qr_svg
from app.errors import InvalidInputError, NotAllowedError, SwitchedOffError
from models.account import Account
from models.base import db
from models.types import seal, unseal
from views.gates import gate
from views.guards import confirmed_recently, roles
from views.password import own_account

factor_pages = Blueprint("second_factor", __name__)
PAGE = "/me/second-factor"


class EnrolForm(FlaskForm):
    """The first code."""

    code = StringField(
        _("动态口令"),
        [InputRequired(_("请填写“动态口令”。"))],
        description=_("填写身份验证器当前显示的6位数字。"),
        render_kw={"inputmode": "numeric", "autocomplete": "one-time-code", "maxlength": 8},
    )


@gate
def enrolment(account: Account) -> str | None:
    """Administrators, security, audit, regulators and approvers set it up first, where the deployment asks for it."""
    return PAGE if second_factor.must_enrol(account) else None


def _unconfirmed() -> Any:
    """Where to go first: off means not there; else the password typed again."""
    if second_factor.mode() == "off":
        raise SwitchedOffError
    return None if confirmed_recently() else redirect(f"/me/confirm?next={PAGE}", 303)


@factor_pages.route(PAGE, methods=["GET", "POST"])
@roles()
def own_factor() -> Any:
    """How it stands; to set it up, the secret as a QR code and as text, and the first code."""
    account = own_account()
    if answer := _unconfirmed():
        return answer
    if account.totp_confirmed_at is not None:
        return _page(account, None, "")
    form = EnrolForm()
    if request.method == "POST" and form.validate():
        try:
            second_factor.enrol(db.session(), account, _waiting_secret(), form.code.data)
            session.pop("totp_new", None)
            flash(gettext("动态口令已启用，下次登录时使用。"), "success")
            return redirect(PAGE, 303)
        except InvalidInputError as error:
            db.session.rollback()
            form.code.errors = [error.sentence]
    return _page(account, form, _waiting_secret()), 422 if request.method == "POST" else 200


def _waiting_secret() -> str:
    """The secret offered to this browser until the first code proves it; sealed, as everything of that kind."""
    if "totp_new" not in session:
        session["totp_new"] = seal(second_factor.new_secret())
    return unseal(session["totp_new"])


def _page(account: Account, form: EnrolForm | None, secret: str) -> str:
    address = second_factor.address(secret, account) if form is not None else ""
    return render_template(
        "pages/second_factor.html",
        title=gettext("动态口令"),
        account=account,
        form=form,
        # the SVG is our own drawing of modules; the only text in it is escaped by qr_svg
        qr=Markup(qr_svg(address, title=gettext("动态口令二维码"))) if form is not None else "",  # noqa: S704
        secret=" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
        must=second_factor.mode() == "required",
        off_address=f"{PAGE}/off",
    )


@factor_pages.post(f"{PAGE}/off")
@roles()
def switch_off() -> Any:
    """Switch it off, after the password; who must have it keeps it."""
    if answer := _unconfirmed():
        return answer
    try:
        second_factor.switch_off(db.session(), own_account())
        flash(gettext("动态口令已停用。"), "success")
    except NotAllowedError as error:
        flash(error.sentence, "warning")
    return redirect(PAGE, 303)
