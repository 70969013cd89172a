"""未匹配检定记录处理: results of other systems, what the unit does with them and how the institute answers (UNM-01…04)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import flash, g, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy import or_, select
from sqlalchemy.orm import selectinload

from app.access.roles import INSTITUTE, RECEPTION, REGULATOR, UNIT
from app.errors import ConflictError, QuanhengError
from app.fab.crud import Buttons, DetailTabs
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab
from app.operations.unmatched import CORRECTABLE, correct_record, import_record, link_record
from app.operations.unmatched_hints import Hint, hints
from app.workflow import UNMATCHED
from app.workflow.engine import check_role, why_not
from app.workflow.unmatched import COUNTS, SENDERS, SOURCES
from models.base import db
from models.enums import Conclusion, UnmatchedState
from models.instrument import Instrument
from models.unmatched import UnmatchedRecord
from views.answers import whole
from views.edge import clean
from views.unmatched_form import RecordForm, cells_of, fill
from views.workflow_view import WorkflowView, me, put_on_form

S = UnmatchedState
EVERYONE = UNIT | INSTITUTE | REGULATOR
RESULTS = ((Conclusion.PASS, _("合格"), "ok"), (Conclusion.FAIL, _("不合格"), "danger"))
WAITING = (S.PENDING, S.CORRECTED, S.DISPUTED)
FOUND_MOST = 20


class UnmatchedView(WorkflowView):
    """A unit sees the records of its credit code, an institute those it sent, a regulator those of the area."""

    workflow = UNMATCHED
    datamodel = PGInterface(
        UnmatchedRecord, load=(selectinload(UnmatchedRecord.institute), selectinload(UnmatchedRecord.unit))
    )
    class_permission_name = "UnmatchedView"
    route_base = "/unmatched"
    noun, unit_word = _("未匹配检定记录"), _("条")
    list_title = _("未匹配检定记录处理")
    empty_text = _("技术机构报送的检定记录与台账核对不上时，会出现在这里。")
    list_columns = [
        "verified_on",
        "institute",
        "instrument_name",
        "model",
        "serial_no",
        "conclusion",
        "valid_until",
        "certificate_no",
        "hint",
        "state",
    ]
    show_columns = [
        "instrument_name",
        "model",
        "manufacturer",
        "serial_no",
        "conclusion",
        "verified_on",
        "valid_until",
        "certificate_no",
        "verifier_name",
        "institute",
        "unit_name",
        "unit_code",
        "source",
        "created_at",
        "reason",
        "instrument",
    ]
    search_columns = [
        "certificate_no",
        "serial_no",
        "instrument_name",
        "state",
        "institute",
        "unit_code",
        "conclusion",
        "verified_on",
    ]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["verified_on", "valid_until"]
    base_order = ("id", "desc")
    label_columns = {
        "institute": _("检定机构"),
        "hint": _("可能原因"),
        "instrument": _("关联的器具"),
        "created_at": _("收到时间"),
        "reason": _("原因"),
    }
    options_urls = {"institute": "/institutes/options"}
    choices = {"conclusion": RESULTS, "source": tuple(SOURCES.items())}
    tab_states = ("pending", "corrected", "disputed", "not_ours", "linked", "imported")
    base_permissions = ["can_list", "can_show", "can_step", "can_take", "can_correct"]
    grants = {
        "can_list": EVERYONE,
        "can_show": EVERYONE,
        "can_step": UNIT | RECEPTION | REGULATOR,
        "can_take": UNIT,
        "can_correct": SENDERS,
    }

    def row_label(self, item: Any) -> str:
        return str(item)

    # -- the list ------------------------------------------------------------------------------------------------

    @expose("/list/")
    @has_access
    def list(self) -> Any:
        """A unit begins with what it has to sort out; what is done is behind the tabs."""
        if not request.args and me().of_unit:
            return redirect(self.filter_url(state=[s.value for s in WAITING]))
        return super().list()

    def rows_of_page(self, items: Sequence[Any]) -> None:
        g.hints = hints(db.session(), [i for i in items if i.state in WAITING]) if knows_ledger() else {}

    def show_value(self, item: Any, column: str) -> Any:
        if column == "hint":
            found: Hint | None = g.get("hints", {}).get(item.id)
            return found.reason if found else "—"
        if column == "instrument":
            return str(item.instrument) if item.instrument is not None else "—"
        return super().show_value(item, column)

    def list_buttons(self) -> Buttons:
        if not me().has(*SENDERS):
            return []
        return [
            Button("send", gettext("报送检定记录"), "/verification-records/new", "get", icon="plus"),
            Button("upload", gettext("表格报送"), "/verification-records/upload", "get", icon="upload"),
        ]

    def row_buttons(self, item: Any) -> Buttons:
        return [b for b in self.extra_buttons(item) if b.name in {"import", "link"} and b.why_not is None]

    # -- one record ----------------------------------------------------------------------------------------------

    def extra_buttons(self, item: Any) -> Buttons:
        found: list[Button] = []
        if why := self._own_step(item, "import"):
            ask = gettext("将“%(row)s”加入台账并关联这条检定记录，确定吗？", row=str(item))
            hidden = {"seen_version": str(item.version)}
            address = self.url("take_in", pk=item.id)
            label = UNMATCHED.step("import").label
            found.append(Button("import", label, address, style="primary", why_not=why[0], confirm=ask, hidden=hidden))
        for name in ("link", "correct"):
            if why := self._own_step(item, name):
                address = self.url(name, pk=item.id)
                found.append(Button(name, UNMATCHED.step(name).label, address, "get", why_not=why[0]))
        if item.instrument_id and knows_ledger() and db.session.get(Instrument, item.instrument_id) is not None:
            found.append(Button("open", gettext("查看器具"), f"/instruments/show/{item.instrument_id}", "get"))
        return found

    def _own_step(self, item: Any, name: str) -> tuple[Any] | None:
        """(why it is not possible now, or None) for a person whose step it is; None for everybody else."""
        step, actor = UNMATCHED.step(name), me()
        if item.state not in step.source or not actor.has(*step.by):
            return None
        if step.relation is not None and not step.relation(item, actor):
            return None
        return (why_not(db.session(), UNMATCHED, item, step, actor),)

    def detail_tabs(self, item: Any) -> DetailTabs:
        tabs = super().detail_tabs(item)
        if item.state not in WAITING or not knows_ledger():
            return tabs
        hint = hints(db.session(), [item])[item.id]
        offer = bool(self._own_step(item, "link"))
        context = {"hint": hint, "record": item, "link": self.url("link", pk=item.id) if offer else ""}
        return [DetailTab("hint", gettext("可能原因"), "pages/unmatched_hint.html", context), *tabs]

    # -- steps with a page of their own --------------------------------------------------------------------------

    @expose("/import/<pk>", methods=["POST"])
    @has_access
    @permission_name("take")
    def take_in(self, pk: str) -> Any:
        """导入: the instrument enters the ledger as the record has it, and is completed there."""
        item, actor = self.load_item(pk), me()
        try:
            done = import_record(db.session(), actor, item.id, seen_version=whole(request.form.get("seen_version")))
        except ConflictError as error:
            db.session.rollback()
            flash(error.sentence, "warning")
            return redirect(self.url("link", pk=pk), 303)
        except QuanhengError as error:
            if error.status in {403, 404}:
                raise
            db.session.rollback()
            flash(error.sentence, "danger")
            return redirect(self.url("show", pk=pk), 303)
        flash(gettext("已导入台账并关联检定记录，请完善器具信息。"), "success")
        return redirect(f"/instruments/complete/{done.instrument_id}", 303)

    @expose("/link/<pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("take")
    def link(self, pk: str) -> Any:
        """关联: choose the instrument among those that come near, or look for it in the own ledger."""
        item, problem = self.load_item(pk), ""
        if request.method == "POST":
            try:
                return self._link(item)
            except QuanhengError as error:
                if error.status in {403, 404}:
                    raise
                db.session.rollback()
                item, problem = self.load_item(pk), error.sentence
        elif why := why_not(db.session(), UNMATCHED, item, UNMATCHED.step("link"), me()):
            flash(why, "warning")
            return redirect(self.url("show", pk=pk), 303)
        term = clean(request.values.get("q"), 50)
        page = self.render_template(
            "pages/unmatched_link.html",
            title=gettext("关联器具"),
            item=item,
            view=self,
            problem=problem,
            offered=offered_instruments(item, term),
            term=term,
            chosen=whole(request.values.get("instrument_id")),
            typed=request.form,
            fields=UNMATCHED.step("link").needs[1:],
            seen=request.form.get("seen_version", str(item.version)),
            cancel_url=self.url("show", pk=pk),
        )
        return page, 422 if problem else 200

    def _link(self, item: Any) -> Any:
        form = request.form
        done = link_record(
            db.session(),
            me(),
            item.id,
            whole(form.get("instrument_id")) or 0,
            older_ok=form.get("older_ok") == "1",
            differs_ok=form.get("differs_ok") == "1",
            take_serial=form.get("serial") == "record",
            seen_version=whole(form.get("seen_version")),
        )
        flash(gettext("已关联，器具的检定结果和有效期已更新。"), "success")
        return redirect(self.url("show", pk=done.id), 303)

    @expose("/correct/<pk>", methods=["GET", "POST"])
    @has_access
    def correct(self, pk: str) -> Any:
        """更正: the institute answers a unit's feedback with the right values."""
        item, step, problems = self.load_item(pk), UNMATCHED.step("correct"), []
        check_role(step, me())
        form, seen = RecordForm(), request.form.get("seen_version", str(item.version))
        if request.method == "GET":
            if why := why_not(db.session(), UNMATCHED, item, step, me()):
                flash(why, "warning")
                return redirect(self.url("show", pk=pk), 303)
            fill(form, item)
        else:
            try:
                done = correct_record(db.session(), me(), item.id, cells_of(form), seen_version=whole(seen))
                flash(gettext("已更正，并通知使用单位。"), "success")
                return redirect(self.url("show", pk=done.id), 303)
            except QuanhengError as error:
                if error.status in {403, 404}:
                    raise
                db.session.rollback()
                item, problems = self.load_item(pk), put_on_form(form, error)
        page = self.render_template(
            "pages/step.html",
            title=step.label,
            item=item,
            form=form,
            form_errors=problems,
            view=self,
            columns=list(CORRECTABLE),
            hidden={"seen_version": seen},
            submit_label=step.label,
            form_action=self.url("correct", pk=pk),
            cancel_url=self.url("show", pk=pk),
            intro=gettext("%(row)s；单位反馈：%(reason)s", row=str(item), reason=item.reason or "—"),
        )
        return page, 422 if request.method == "POST" else 200


def knows_ledger() -> bool:
    """Whether the person sees the ledger that a record would belong to: units and regulators, not the sender."""
    return me().of_unit or me().has(*REGULATOR)


def offered_instruments(item: UnmatchedRecord, term: str) -> Sequence[Instrument]:
    """Own instruments to choose from: those whose number comes near, then what the search finds."""
    found = hints(db.session(), [item])[item.id].near
    if not term:
        return found
    own = select(Instrument).where(
        Instrument.unit_id == me().unit_id,
        Instrument.state.in_(COUNTS),
        or_(
            Instrument.serial_no.contains(term, autoescape=True),
            Instrument.name.contains(term, autoescape=True),
            Instrument.own_no.contains(term, autoescape=True),
        ),
    )
    more = db.session.execute(own.order_by(Instrument.id.desc()).limit(FOUND_MOST)).unique().scalars()
    return [*found, *(row for row in more if row not in found)]
