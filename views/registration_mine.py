"""`/register/mine`: an applicant's own registration, why it was returned, and its correction."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request
from flask_babel import gettext
from sqlalchemy import select

from app.access.limits import hit
from app.errors import InvalidInputError, QuanhengError
from app.fab.parts import state_chip
from app.operations import places
from app.operations.history import entity_history
from app.operations.registration import PAPERS, Paper, resubmit_registration
from app.workflow import ACCOUNT
from models.account import Account
from models.attachment import Attachment
from models.base import db
from models.enums import AccountState, Role
from views.guards import roles
from views.kept_files import keep, received
from views.registration_form import ApplicantForm
from views.workflow_view import TONES, me, put_on_form

mine_pages = Blueprint("registration_mine", __name__)
CORRECTIONS = "30 per hour"


@mine_pages.route("/register/mine", methods=["GET", "POST"])
@roles(Role.APPLICANT)
def mine() -> Any:
    """Read it while it waits; correct it and hand it in again when it was returned."""
    account = db.session.get(Account, me().account_id)
    if account is None or account.unit is None:
        abort(404)
    form = ApplicantForm()
    if request.method == "GET":
        _fill(form, account)
        return _page(account, form, {}, [])
    if account.state != AccountState.RETURNED:
        flash(gettext("注册申请正在审核，暂不能修改。"), "warning")
        return redirect("/register/mine", 303)
    papers = received(PAPERS)
    if "load" in request.form:
        return _page(account, form, papers, [])
    return _take(account, form, papers)


def _take(account: Account, form: ApplicantForm, papers: dict[str, Paper]) -> Any:
    hit(f"resubmit:{account.id}", CORRECTIONS)
    seen = request.form.get("seen_version", "")
    version = int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 9 else 0
    try:
        resubmit_registration(db.session(), me(), form.typed(), papers, version)
    except QuanhengError as error:
        db.session.rollback()
        if not isinstance(error, InvalidInputError):
            flash(error.sentence, "danger")
            return redirect("/register/mine", 303)
        loose = put_on_form(form, error)
        account = db.session.get_one(Account, me().account_id)
        return _page(account, form, papers, loose), 422
    flash(gettext("已重新提交，请等待审核。"), "success")
    return redirect("/register/mine", 303)


def _fill(form: ApplicantForm, account: Account) -> None:
    unit = account.unit
    assert unit is not None
    form.unit_name.data, form.code.data, form.address.data = unit.name, unit.code, unit.address
    form.contact_name.data, form.phone.data = unit.contact_name, unit.contact_phone
    form.institute_id.data = str(account.reviewer_institute_id or "")
    form.start_at(unit.division_code)


def _page(account: Account, form: ApplicantForm, papers: dict[str, Paper], loose: list[str]) -> str:
    returned = account.state == AccountState.RETURNED
    if returned:
        form.offer_places()
    chip = state_chip(TONES[ACCOUNT.tone_of(account.state)], ACCOUNT.label_of(account.state))
    return render_template(
        "pages/register_mine.html",
        title=gettext("我的注册申请"),
        state=chip,
        account=account,
        returned=returned,
        sections=[("", _facts(account))],
        form=form,
        form_errors=loose,
        kept=keep(papers.values()),
        steps=_steps(account),
        seen=request.form.get("seen_version", account.version),
        waits=account.state == AccountState.PENDING,
    )


def _facts(account: Account) -> list[tuple[str, Any]]:
    unit, reviewer = account.unit, account.reviewer_institute
    assert unit is not None
    return [
        (gettext("申请方名称"), unit.name),
        (gettext("统一社会信用代码"), unit.code),
        (gettext("所在地"), places.place_name(db.session(), unit.division_code)),
        (gettext("详细地址"), unit.address),
        (gettext("联系人"), unit.contact_name),
        (gettext("手机号"), unit.contact_phone),
        (gettext("邮箱"), account.email or "—"),
        (gettext("账号"), account.user.username),
        (gettext("审核机构"), f"{reviewer.name}（{reviewer.phone}）" if reviewer else "—"),
        (gettext("已上传材料"), _papers(account)),
    ]


def _papers(account: Account) -> str:
    statement = select(Attachment.kind, Attachment.filename).where(
        Attachment.owner_type == "account", Attachment.owner_id == account.id
    )
    names = [f"{PAPERS.get(kind, kind)}：{name}" for kind, name in db.session.execute(statement).tuples()]
    return "\n".join(sorted(names)) or "—"


def _steps(account: Account) -> list[dict[str, Any]]:
    lines = entity_history(db.session(), me(), ACCOUNT.name, account.id)
    return [
        {
            "time": line.at,
            "who": "，".join(w for w in (line.who, line.body) if w),
            "what": line.step,
            "note": gettext("原因：%(reason)s", reason=line.reason) if line.reason else "",
            "kind": "info",
        }
        for line in reversed(lines)
    ]
