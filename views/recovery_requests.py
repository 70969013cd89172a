"""线下找回: the queue of letters for the administrators; one verifies, another one answers (LOG-15)."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from markupsafe import Markup
from sqlalchemy.orm import selectinload
from wtforms import FileField, SelectField, StringField
from wtforms.validators import InputRequired

from app.errors import QuanhengError
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab
from app.operations.recovery_requests import (
    BODY,
    PERSON,
    PROOF,
    answer_request,
    enter_request,
    is_overdue,
    proofs,
)
from app.workflow import ACCOUNT, RECOVERY
from app.workflow.engine import why_not
from models.account import Account, RecoveryRequest
from models.base import db
from models.enums import RecoveryState, Role
from models.types import mask_id_number, mask_phone
from views.answers import whole
from views.edge import clean
from views.kept_files import received
from views.workflow_view import WorkflowView, me, put_on_form

ADM = frozenset({Role.ADM})
MUST = [InputRequired()]
KINDS = ((BODY, _("企业或机构")), (PERSON, _("个人")))


class RequestForm(FlaskForm):
    """What the letter says, and its proof."""

    kind = SelectField(_("类型"), MUST, choices=[("", _("请选择")), *KINDS], validate_choice=False)
    unit_code = StringField(
        _("统一社会信用代码"), description=_("类型为企业或机构时填写。"), render_kw={"maxlength": 24}
    )
    id_number = StringField(
        _("身份证号"), description=_("类型为个人时填写。"), render_kw={"maxlength": 18, "autocomplete": "off"}
    )
    name = StringField(_("名称或姓名"), MUST, render_kw={"maxlength": 120})
    phone = StringField(
        _("查询人手机号"),
        MUST,
        description=_("核验通过后，用户名和新密码以短信发送到该号码。"),
        render_kw={"maxlength": 11, "inputmode": "tel", "autocomplete": "off"},
    )
    email = StringField(
        _("查询人邮箱"), MUST, description=_("来信的邮箱，不能办理的以邮件答复。"), render_kw={"maxlength": 120}
    )
    proof = FileField(
        PROOF,
        MUST,
        description=_("代码证明文件或身份证复印件，jpg、png 图片或 PDF，不超过10MB。"),
        render_kw={"accept": "image/jpeg,image/png,application/pdf"},
    )


class RecoveryRequestView(WorkflowView):
    """Requests, those that wait first to see by their day; personal data masked."""

    workflow = RECOVERY
    datamodel = PGInterface(RecoveryRequest, load=(selectinload(RecoveryRequest.account),))
    class_permission_name = "RecoveryRequestView"
    route_base = "/recovery-requests"
    noun, unit_word = _("线下找回"), _("条")
    list_columns = ["name", "kind", "requested_at", "due_at", "state"]
    show_columns = [
        "name",
        "kind",
        "unit_code",
        "id_number",
        "phone",
        "email",
        "account",
        "requested_at",
        "due_at",
        "answered_at",
        "reason",
    ]
    search_columns = ["state", "kind", "requested_at"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["requested_at", "due_at"]
    base_order = ("id", "desc")
    label_columns = {"account": _("对应账号")}
    choices = {"kind": KINDS}
    tab_states = ("waiting", "verified", "texted", "mailed")
    base_permissions = ["can_list", "can_show", "can_step", "can_enter", "can_answer"]
    grants = {"*": ADM}

    def row_class(self, item: Any) -> str:
        return "row-danger" if is_overdue(item) else ""

    def show_value(self, item: Any, column: str) -> Any:
        if column == "phone":
            return mask_phone(item.phone)
        if column == "id_number":
            return mask_id_number(item.id_number) or "—"
        if column == "account":
            return _account(item.account)
        if column == "due_at" and is_overdue(item):
            shown = super().show_value(item, column)
            return Markup('<span class="nowrap num">{}</span> <span class="chip chip-danger">{}</span>').format(
                shown, gettext("已超期")
            )
        return super().show_value(item, column)

    def list_buttons(self) -> list[Button]:
        return [Button("enter", gettext("登记找回申请"), self.url("enter"), "get", style="primary", icon="plus")]

    def extra_buttons(self, item: Any) -> list[Button]:
        if item.state != RecoveryState.VERIFIED:
            return []
        step = RECOVERY.step("answer")
        why = why_not(db.session(), RECOVERY, item, step, me())
        ask = gettext("将更换手机号、重置密码，并把用户名和新密码以短信发送给查询人，确定吗？")
        hidden = {"seen_version": str(item.version)}
        address = self.url("answer", pk=item.id)
        return [Button("answer", step.label, address, style="primary", why_not=why, confirm=ask, hidden=hidden)]

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        rows = [(url_for("files.download", pk=row.id), row.filename) for row in proofs(db.session(), item.id)]
        lines = Markup("").join(Markup('<p><a href="{}">{}</a></p>').format(*row) for row in rows)
        return [DetailTab("proof", PROOF, html=lines, count=len(rows)), *super().detail_tabs(item)]

    @expose("/enter", methods=["GET", "POST"])
    @has_access
    def enter(self) -> Any:
        """A letter that came by mail, typed by whoever opened it."""
        form, problems = RequestForm(), []
        if request.method == "POST":
            try:
                typed = {f.name: clean(f.data, 120) for f in form if isinstance(f, (StringField, SelectField))}
                made = enter_request(db.session(), me(), typed, received({"proof": PROOF}).get("proof"))
                flash(gettext("已登记，请核验证明材料。"), "success")
                return redirect(self.url("show", pk=made.id), 303)
            except QuanhengError as error:
                db.session.rollback()
                problems = put_on_form(form, error)
        page = self.render_template(
            "pages/account_issue.html",
            title=gettext("登记找回申请"),
            form=form,
            form_errors=problems,
            view=self,
            columns=["kind", "unit_code", "id_number", "name", "phone", "email", "proof"],
            submit_label=gettext("登记"),
            cancel_url=self.url("list"),
            hints={},
            hidden={},
        )
        return page, 422 if request.method == "POST" else 200

    @expose("/answer/<pk>", methods=["POST"])
    @has_access
    def answer(self, pk: str) -> Any:
        """The other administrator's press of the button."""
        item = self.load_item(pk)
        try:
            answer_request(db.session(), me(), item.id, seen_version=whole(request.form.get("seen_version")))
            flash(gettext("已办理，用户名和新密码将以短信发送。"), "success")
        except QuanhengError as error:
            db.session.rollback()
            flash(error.sentence, "danger")
        return redirect(self.url("show", pk=pk), 303)


def _account(account: Account | None) -> str:
    if account is None:
        return gettext("没有找到对应的账号")
    return f"{account.user.username}（{account.name}，{ACCOUNT.label_of(account.state)}）"
