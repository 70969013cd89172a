"""`/me/data` and `/me/close`: a person's own data to take along, and the end of the account (PIPL 45, 47)."""

from __future__ import annotations

import io
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, send_file, session
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_login import logout_user
from flask_wtf import FlaskForm
from wtforms import BooleanField
from wtforms.validators import DataRequired

from app import clock
from app.access.limits import hit
from app.errors import InvalidInputError
from app.operations.personal import export_person
from app.profiles import setting
from app.workflow import ACCOUNT, fire
from app.workflow.engine import why_not
from models.account import Account
from models.base import db
from models.enums import Role
from models.types import mask_id_number, mask_phone
from views.guards import confirmed, roles
from views.workflow_view import me, put_on_form

personal_pages = Blueprint("personal", __name__, url_prefix="/me")
EXPORTS = "10 per day"


def _own() -> Account:
    account = db.session.get(Account, me().account_id)
    return account or abort(404)


@personal_pages.get("/data")
@roles()
@confirmed
def data() -> Any:
    """What is kept, why and how long, and the button that hands it out."""
    account = _own()
    facts = [
        (gettext("姓名"), account.name),
        (gettext("手机号"), mask_phone(account.phone) or "—"),
        (gettext("身份证号"), mask_id_number(account.id_number) or "—"),
        (gettext("邮箱"), account.email or "—"),
        (gettext("登录记录"), gettext("登录时间、来源地址和浏览器，用于保护账号安全")),
        (
            gettext("上传的证照"),
            gettext("加密保存；身份证明材料在审核后%(n)s天删除", n=setting("retention", "papers_days")),
        ),
        (gettext("操作记录"), gettext("依法留存，不含完整的手机号和身份证号")),
        (gettext("保存期限"), gettext("注销%(n)s天后清除个人信息", n=setting("retention", "closed_days"))),
    ]
    return render_template(
        "pages/my_data.html", title=gettext("个人信息与注销"), sections=[("", facts)], closes=may_close(account)
    )


@personal_pages.post("/data/export")
@roles()
@confirmed
def export() -> Any:
    """Everything kept about the person, as a zip with JSON and the papers; nothing stays behind on the server."""
    hit(f"personal-export:{me().account_id}", EXPORTS)
    content = export_person(db.session(), _own())
    answer = send_file(
        io.BytesIO(content),
        mimetype="application/zip",
        as_attachment=True,
        download_name=gettext("个人信息_%(day)s.zip", day=f"{clock.today():%Y%m%d}"),
        max_age=0,
    )
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


class CloseForm(FlaskForm):
    """Nobody closes an account by one wrong press."""

    sure = BooleanField(_("我已了解注销后不能恢复，确认注销账号。"), [DataRequired(_("请勾选确认后再注销。"))])


def may_close(account: Account) -> bool:
    """Accounts that people registered themselves; issued ones are disabled by whoever issued them."""
    step = ACCOUNT.step("close")
    return me().has(*step.by) and ACCOUNT.states(account.state) in step.source and not me().has(Role.SUB)


@personal_pages.route("/close", methods=["GET", "POST"])
@roles(Role.ENT, Role.IND, Role.APPLICANT)
@confirmed
def close() -> Any:
    """注销账号: says what goes and what stays; while business is open it says how much instead."""
    from flask import request

    account, form, problems = _own(), CloseForm(), []
    why = why_not(db.session(), ACCOUNT, account, ACCOUNT.step("close"), me())
    if request.method == "POST":
        try:
            if not form.validate():
                raise InvalidInputError(gettext("请按提示修改。"), problems={"sure": gettext("请勾选确认后再注销。")})
            fire(db.session(), ACCOUNT, account.id, "close", me())
            db.session.flush()
            return _left()
        except InvalidInputError as error:
            db.session.rollback()
            form.sure.errors = []
            problems = put_on_form(form, error)
            account = _own()
    page = render_template(
        "pages/close_account.html",
        title=gettext("注销账号"),
        form=form,
        form_errors=problems,
        columns=["sure"],
        why=why,
        days=setting("retention", "closed_days"),
        submit_label=gettext("注销账号"),
        cancel_url="/me",
        unit=account.unit,
    )
    return page, 422 if request.method == "POST" else 200


def _left() -> Any:
    """Out at once, here and in every other browser."""
    logout_user()
    session.clear()
    session.modified = True
    flash(gettext("账号已注销。"), "success")
    return redirect("/", 303)
