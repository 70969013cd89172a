"""委托单: list, detail with the progress of its instruments, the sheet, a new customer password, collection."""

from __future__ import annotations

import io
from typing import Any

from flask import current_app, flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import selectinload

from app import clock
from app.access.roles import INSTITUTE, RECEPTION, REGULATOR, UNIT
from app.documents.commission_sheet import CommissionFacts, CommissionItem, render_commission_sheet
from app.errors import InvalidInputError
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab, state_chip
from app.operations.commission import late_days, opened, progress_of, received_of, reset_secret
from app.operations.commission_download import proved
from app.workflow import COMMISSION
from app.workflow.subjects import fill_subjects
from models.base import db
from models.commission import Commission
from models.enums import CommissionState
from models.types import mask_name, mask_phone
from views.answers import pdf
from views.appointment import MODES, mode_word
from views.counter import secret_page
from views.edge import clean
from views.workflow_view import WorkflowView, me

S = CommissionState
EVERYONE = UNIT | INSTITUTE | REGULATOR


class CommissionView(WorkflowView):
    """Every 委托单 the principal may see; while the counter still compares, the institute's own alone."""

    workflow = COMMISSION
    datamodel = PGInterface(
        Commission,
        load=(
            selectinload(Commission.unit),
            selectinload(Commission.institute),
            selectinload(Commission.appointment),
        ),
    )
    class_permission_name = "CommissionView"
    route_base = "/commissions"
    noun, unit_word = _("委托单"), _("张")
    empty_text = _("前台收样核对后开具的委托单会出现在这里。")
    list_columns = ["number", "unit", "institute", "mode", "opened_at", "promised_on", "state"]
    show_columns = [
        "number",
        "appointment.number",
        "unit",
        "institute",
        "mode",
        "bringer_name",
        "bringer_phone",
        "opened_at",
        "promised_on",
        "ready_at",
        "collector_name",
        "closed_at",
        "reason",
    ]
    search_columns = ["number", "state", "unit", "mode", "opened_at", "promised_on"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["opened_at", "promised_on"]
    base_order = ("id", "desc")
    label_columns = {"unit": _("委托单位"), "institute": _("检定机构"), "appointment.number": _("预约单号")}
    options_urls = {"unit": "/units/options"}
    choices = {"mode": MODES}
    tab_states = ("checking", "open", "working", "ready", "closed")
    base_permissions = ["can_list", "can_show", "can_step", "can_reset", "can_sheet"]
    grants = {
        "can_list": EVERYONE,
        "can_show": EVERYONE,
        "can_step": RECEPTION,
        "can_reset": UNIT | RECEPTION,
        "can_sheet": UNIT | INSTITUTE,
    }

    def row_label(self, item: Any) -> str:
        return gettext("委托单 %(number)s", number=str(item))

    def row_class(self, item: Any) -> str:
        return "row-danger" if late_days(item) else ""

    def show_value(self, item: Any, column: str) -> Any:
        if column == "number":
            return str(item)
        if column in {"bringer_name", "collector_name"}:
            name = getattr(item, column) or ""
            return (name if me().of_institute or me().of_unit else mask_name(name)) or "—"
        if column == "bringer_phone":
            return mask_phone(item.bringer_phone) or "—"
        if column == "promised_on" and (days := late_days(item)):
            return state_chip("danger", gettext("%(day)s 已超期%(n)s天", day=item.promised_on, n=days))
        return super().show_value(item, column)

    def list_buttons(self) -> list[Button]:
        if not me().of_institute:
            return []
        return [Button("counter", gettext("前台受理"), "/counter/", "get", style="primary", icon="check")]

    def extra_buttons(self, item: Any) -> list[Button]:
        found = []
        if item.state == S.CHECKING:
            return [Button("visit", gettext("继续核对"), f"/counter/visit/{item.id}", "get", style="primary")]
        if item.number is None:
            return []
        if self.may("sheet"):
            found.append(
                Button("sheet", gettext("打印委托单"), self.url("sheet", pk=item.id, inline=1), "get", icon="print")
            )
        step = COMMISSION.step("reset_secret")
        if self.may("reset") and item.state in step.source:
            ask = gettext("重置后原客户密码立即失效，新密码只显示一次。确定重置吗？")
            found.append(Button("reset", step.label, self.url("reset", pk=item.id), confirm=ask))
        return found

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        rows = progress_of(db.session(), item)
        inside = me().of_institute
        context = {"rows": rows, "tasks": inside, "running": item.state in {S.OPEN, S.WORKING}, "today": clock.today()}
        shown = DetailTab("items", gettext("器具"), "pages/commission_items.html", context, count=len(rows))
        return [shown, *super().detail_tabs(item)]

    # -- pages of its own ----------------------------------------------------------------------------------------

    @expose("/reset/<pk>", methods=["POST"])
    @has_access
    def reset(self, pk: str) -> Any:
        """A new password, shown by this answer alone."""
        item = self.load_item(pk)
        row, secret = reset_secret(db.session(), me(), item.id)
        db.session.flush()
        return secret_page(row, secret, gettext("客户密码已重置"))

    @expose("/sheet/<pk>", methods=["GET", "POST"])
    @has_access
    def sheet(self, pk: str) -> Any:
        """The printed sheet. With the password only when it is sent along, from the page that shows it once."""
        item = self.load_item(pk)
        opened(db.session(), item.id)
        secret = clean(request.form.get("secret"), 20).upper() if request.method == "POST" else ""
        if secret:
            try:
                proved(item, secret)
            except InvalidInputError as error:
                flash(error.sentence, "danger")
                return redirect(self.url("show", pk=pk), 303)
        buffer = io.BytesIO()
        render_commission_sheet(sheet_facts(item, secret), buffer)
        return pdf(buffer.getvalue(), gettext("委托单_%(number)s.pdf", number=str(item)))


NOTES = (
    _("凭委托单号和客户密码可以查询进度、下载电子证书；二维码打开下载页面。"),
    _("领取器具时请出示本单，并在领取人处签名。"),
    _("客户密码遗失的，由委托单位登录平台或联系检定机构重置，原密码随即失效。"),
)


def sheet_facts(item: Commission, secret: str) -> CommissionFacts:
    """What the sheet says; phones on paper are masked whoever prints it."""
    items = received_of(db.session(), item)
    fill_subjects(db.session(), items)
    return CommissionFacts(
        number=item.number or "",
        secret=secret,
        unit_name=item.unit.name,
        bringer=item.bringer_name,
        phone_masked=mask_phone(item.bringer_phone),
        institute_name=item.institute.name,
        institute_address=item.institute.address,
        institute_phone=item.institute.phone,
        mode_label=mode_word(item.mode),
        order_number=str(item.appointment),
        opened_on=item.opened_at.astimezone(clock.ZONE).date() if item.opened_at else None,
        promised_on=item.promised_on,
        printed_at=clock.now().astimezone(clock.ZONE),
        items=tuple(
            CommissionItem(
                i.instrument.name,
                i.instrument.model,
                i.instrument.serial_no,
                str(i.checks.get("accessories") or ""),
                str(i.checks.get("condition") or ""),
            )
            for i in items
        ),
        notes=tuple(str(note) for note in NOTES),
        url=f"{current_app.config['BASE_URL']}/d/?number={item.number}",
    )
