"""变更备案信息: the requests of units (/filing-amendments), and asking for one (/filing-change/<instrument>); FIL-15."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from sqlalchemy.orm import selectinload
from wtforms import TextAreaField
from wtforms.validators import InputRequired

from app.access.roles import RECEPTION, REGULATOR, UNIT
from app.errors import QuanhengError
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab
from app.operations.amendment import amendable, ask_amendment, changes_in_words, why_not_amend
from app.workflow import AMENDMENT
from models.base import db
from models.filing import FilingAmendment
from models.instrument import Instrument
from views.edge import clean
from views.guards import roles
from views.instrument_form import checked, form_keys, make_form, values_of
from views.workflow_view import WorkflowView, me, put_on_form

READERS = UNIT | RECEPTION | REGULATOR
FIELD_OF = {"category_id": "category"}


class AmendmentView(WorkflowView):
    """变更备案信息. The unit reads its requests, the institute of the filing decides, regulators of the place read."""

    workflow = AMENDMENT
    datamodel = PGInterface(
        FilingAmendment,
        load=(
            selectinload(FilingAmendment.instrument),
            selectinload(FilingAmendment.unit),
            selectinload(FilingAmendment.institute),
        ),
    )
    class_permission_name = "AmendmentView"
    route_base = "/filing-amendments"
    noun, unit_word = _("备案变更"), _("项")
    list_title = _("备案变更")
    list_columns = ["instrument.name", "instrument.serial_no", "unit.name", "institute.name", "created_at", "state"]
    show_columns = ["instrument.name", "unit.name", "institute.name", "why", "created_at", "decided_at", "reason"]
    search_columns = ["state", "created_at"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["created_at"]
    base_order = ("id", "desc")
    tab_states = ("pending", "approved", "refused", "withdrawn")
    label_columns = {
        "instrument.name": _("器具名称"),
        "instrument.serial_no": _("出厂编号"),
        "unit.name": _("使用单位"),
        "institute.name": _("备案机构"),
        "created_at": _("申请时间"),
        "reason": _("审核意见"),
    }
    empty_text = _("备案通过的器具要更改核心信息时，在器具页面点“变更备案信息”。")
    base_permissions = ["can_list", "can_show", "can_step"]
    grants = {"can_list": READERS, "can_show": READERS, "can_step": UNIT | RECEPTION}

    def row_label(self, item: Any) -> str:
        row = item.instrument
        return f"{row.name} {row.serial_no}" if row is not None else str(item)

    def extra_buttons(self, item: Any) -> list[Button]:
        """To the filing that it changes."""
        return [Button("filing", gettext("查看备案"), f"/filings/show/{item.filing_id}", "get")]

    def _facts(self, item: Any) -> list[tuple[Any, list[tuple[Any, Any]]]]:
        """What becomes what stands first: it is what the institute decides on."""
        rows = changes_in_words(db.session(), item)
        told = [(label, gettext("%(old)s → %(new)s", old=old, new=new)) for label, old, new in rows]
        return [(gettext("变更内容"), told), *super()._facts(item)]

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        """The same as a table, to copy from, before the history."""
        rows = changes_in_words(db.session(), item)
        heads = [gettext("内容"), gettext("备案时"), gettext("变更为")]
        context = {"heads": heads, "rows": [list(row) for row in rows], "nothing": gettext("没有变更内容")}
        told = DetailTab("changes", gettext("变更对照"), "pages/instrument_rows.html", context, count=len(rows))
        return [told, *super().detail_tabs(item)]


amendment_pages = Blueprint("amendment", __name__, url_prefix="/filing-change")


class WhyForm(FlaskForm):
    """Why it shall be changed."""

    why = TextAreaField(
        _("变更原因"), [InputRequired()], description=_("5～500字。"), render_kw={"rows": 3, "maxlength": 500}
    )


@amendment_pages.route("/<int:pk>", methods=["GET", "POST"])
@roles(*UNIT)
def ask(pk: int) -> Any:
    """The locked fields with what they hold now, to be changed with the institute's consent."""
    item = db.session.get(Instrument, pk)
    if item is None:
        abort(404)
    if request.method == "GET" and (why := why_not_amend(db.session(), me(), item)):
        flash(why, "warning")
        return redirect(f"/instruments/show/{pk}", 303)
    form, reason, loose = _form(item), WhyForm(), list[str]()
    if request.method == "POST":
        try:
            values = dict(checked(form, values=values_of(item)).values)
            made = ask_amendment(db.session(), me(), pk, values, clean(request.form.get("why")))
            flash(gettext("变更申请已提交，备案机构同意后生效；在此之前仍以原备案信息为准。"), "success")
            return redirect(f"/filing-amendments/show/{made.id}", 303)
        except QuanhengError as error:
            if error.status in {403, 404}:
                raise
            db.session.rollback()
            loose = _put(form, reason, error)
    page = render_template(
        "pages/amendment_ask.html",
        base_template="layout.html",
        title=gettext("变更备案信息"),
        pk=pk,
        form=form,
        reason=reason,
        loose=loose,
    )
    return page, 422 if request.method == "POST" else 200


def _form(item: Instrument) -> FlaskForm:
    """The form of the ledger with the locked fields only."""
    names = {FIELD_OF.get(key, key) for key in amendable(item)}
    return make_form(values_of(item), only=frozenset(names & {*form_keys(), "category"}))


def _put(form: FlaskForm, reason: FlaskForm, error: QuanhengError) -> list[str]:
    """Each sentence on its field; gives those that belong to none."""
    if error.field == "why":
        reason.why.errors = [error.sentence]
        return []
    return put_on_form(form, error)


def amendment_button(item: Any) -> list[Button]:
    """变更备案信息 on an instrument's page, where its filing fixes anything."""
    if not me().of_unit or item.state != "in_use" or not amendable(item):
        return []
    why = why_not_amend(db.session(), me(), item)
    return [Button("amend", gettext("变更备案信息"), f"/filing-change/{item.id}", "get", why_not=why)]
