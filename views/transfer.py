"""变更使用单位: the requests of both sides (/transfers), and asking for one (/transfer/<instrument>)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import StringField, TextAreaField
from wtforms.validators import InputRequired

from app.access.roles import UNIT
from app.errors import QuanhengError
from app.fab.interface import PGInterface
from app.fab.parts import Button
from app.operations.transfer import ask_transfer, own_place, why_not_ask
from app.profiles import switch_on
from app.workflow import TRANSFER
from app.workflow.engine import Field, Step
from app.workflow.transfer import subject_of, units_of
from models.base import db
from models.enums import Role
from models.instrument import Instrument
from models.ledger import InstrumentTransfer
from views.bulk import counties
from views.edge import clean
from views.guards import roles
from views.workflow_view import WorkflowView, me, put_on_form

READERS = UNIT | frozenset({Role.REG})


class TransferView(WorkflowView):
    """变更使用单位. Giver and receiver see the same row; afterwards it is all that the giver keeps."""

    workflow = TRANSFER
    datamodel = PGInterface(InstrumentTransfer)
    class_permission_name = "TransferView"
    route_base = "/transfers"
    noun, unit_word = _("变更使用单位"), _("项")
    list_columns = ["subject", "giver", "receiver", "created_at", "expires_on", "state"]
    show_columns = [
        "subject",
        "maker",
        "verified",
        "giver",
        "receiver",
        "reason",
        "created_at",
        "expires_on",
        "decided_at",
        "place",
    ]
    search_columns = ["state", "created_at"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["created_at", "expires_on"]
    base_order = ("id", "desc")
    tab_states = ("asked", "accepted", "refused")
    label_columns = {
        "subject": _("器具"),
        "maker": _("型号规格、生产厂家"),
        "verified": _("检定结果、有效期至"),
        "giver": _("转出单位"),
        "receiver": _("接收单位"),
        "created_at": _("申请时间"),
        "reason": _("原因"),
    }
    empty_text = _("在器具详情页点“变更使用单位”，可以把器具转给其他使用单位。")
    base_permissions = ["can_list", "can_show", "can_step"]
    grants = {"can_list": READERS, "can_show": READERS, "can_step": frozenset({Role.ENT})}

    def row_label(self, item: Any) -> str:
        subject = subject_of(db.session(), item)
        return f"{subject.name} {subject.serial_no}" if subject is not None else gettext("器具")

    def show_value(self, item: Any, column: str) -> Any:
        if column == "subject":
            return self.row_label(item)
        if column in {"giver", "receiver"}:
            return units_of(db.session(), item)[column == "receiver"]
        if column in {"maker", "verified"}:
            return self._facts_of(item, column)
        return super().show_value(item, column)

    def _facts_of(self, item: Any, column: str) -> str:
        """What the receiver wants to know before taking it."""
        row = subject_of(db.session(), item)
        if row is None:
            return "—"
        if column == "maker":
            return "，".join(part for part in (row.model, row.manufacturer) if part) or "—"
        words = {"pass": gettext("合格"), "fail": gettext("不合格")}
        result = words.get(row.last_result or "", gettext("无检定记录"))
        return f"{result}，{row.valid_until}" if row.valid_until else result

    def extra_buttons(self, item: Any) -> list[Button]:
        """To the instrument, for whoever has it."""
        if item.state != "accepted" or item.receiver_unit_id != me().unit_id:
            return []
        return [Button("open", gettext("查看器具"), f"/instruments/show/{item.instrument_id}", "get")]

    def step_choices(self, step: Step, need: Field, item: Any) -> list[tuple[str, str]]:
        return list(counties()) if need.name == "use_division" else []

    def step_value(self, step: Step, need: Field, item: Any) -> Any:
        return own_place(db.session(), me()).get(need.name)


transfer_pages = Blueprint("transfer", __name__, url_prefix="/transfer")


class AskForm(FlaskForm):
    """Who shall have it, and why."""

    code = StringField(
        _("接收单位的统一社会信用代码"),
        [InputRequired()],
        description=_("对方须已在本平台注册；由对方确认接收后，器具转入对方台账。"),
        render_kw={"maxlength": 18, "autocomplete": "off"},
    )
    reason = TextAreaField(_("原因"), [InputRequired()], description=_("5～500字。"), render_kw={"maxlength": 500})


@transfer_pages.route("/<int:pk>", methods=["GET", "POST"])
@roles(Role.ENT)
def ask(pk: int) -> Any:
    """Ask another unit to take the instrument over."""
    item = db.session.get(Instrument, pk)
    if item is None:
        abort(404)
    form, loose = AskForm(), []
    if request.method == "POST":
        try:
            code, reason = clean(request.form.get("code"), 40), clean(request.form.get("reason"))
            made = ask_transfer(db.session(), me(), pk, code, reason)
            flash(gettext("已提交，请等待接收单位确认。"), "success")
            return redirect(f"/transfers/show/{made.id}", 303)
        except QuanhengError as error:
            if error.status in {403, 404}:
                raise
            db.session.rollback()
            loose, item = put_on_form(form, error), db.session.get(Instrument, pk)
    elif why := why_not_ask(db.session(), me(), item):
        flash(why, "warning")
        return redirect(f"/instruments/show/{pk}", 303)
    page = render_template(
        "pages/bulk_edit.html",
        base_template="layout.html",
        title=gettext("变更使用单位"),
        intro=f"{item.name} {item.serial_no}" if item is not None else "",
        form=form,
        form_errors=loose,
        submit_label=gettext("提交申请"),
        cancel_url=f"/instruments/show/{pk}",
        form_action=f"/transfer/{pk}",
    )
    return page, 422 if request.method == "POST" else 200


def transfer_button(item: Any) -> list[Button]:
    """The button of the instrument's page, for the main account of a unit where the deployment offers it."""
    if not switch_on("transfer_unit") or not me().has(Role.ENT) or item.state not in {"in_use", "suspended"}:
        return []
    why = why_not_ask(db.session(), me(), item)
    return [Button("transfer", gettext("变更使用单位"), f"/transfer/{item.id}", "get", why_not=why)]
