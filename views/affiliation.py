"""关联企业信息 of a person (/me/affiliation), and the body's side: 企业授权, 我的机构授权 (/affiliations)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request
from flask_appbuilder.models.filters import BaseFilter
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_babel.speaklater import LazyString
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired

from app.access.principal import current_principal
from app.errors import QuanhengError
from app.fab.interface import PGInterface
from app.fab.parts import Button
from app.operations.affiliation import code_of, current_link, request_link
from app.workflow import AFFILIATION, fire
from models.affiliation import Affiliation
from models.base import db
from models.enums import AffiliationState, Role
from models.types import mask_id_number, mask_phone
from views.edge import clean
from views.guards import roles
from views.workflow_view import WorkflowView, chip, me, put_on_form

affiliation_pages = Blueprint("affiliation", __name__)
DECIDES = frozenset({Role.ENT, Role.IMG})
SHOWN = (AffiliationState.REQUESTED, AffiliationState.LINKED, AffiliationState.REFUSED)


class LinkForm(FlaskForm):
    """The code of the body; its name is filled in by the platform."""

    code = StringField(
        _("统一社会信用代码/组织机构代码"),
        [InputRequired()],
        render_kw={"maxlength": 24, "autocomplete": "off", "spellcheck": "false"},
    )


@affiliation_pages.route("/me/affiliation", methods=["GET", "POST"])
@roles(Role.IND)
def own_link() -> Any:
    """The panel 关联企业信息: how the person stands, and asking by a code."""
    form, loose, status = LinkForm(), [], 200
    if request.method == "POST":
        try:
            asked = request_link(db.session(), me(), clean(form.code.data, 40))
            flash(gettext("已向%(body)s提交关联申请，请等待对方处理。", body=asked.body_name), "success")
            return redirect("/me/affiliation", 303)
        except QuanhengError as error:
            db.session.rollback()
            loose, status = put_on_form(form, error), error.status
    link = current_link(db.session(), me())
    live = link is not None and link.state in {AffiliationState.REQUESTED, AffiliationState.LINKED}
    for sentence in loose if live else ():
        flash(sentence, "danger")  # there is no form to put it on
    page = render_template(
        "pages/affiliation.html",
        title=gettext("关联企业信息"),
        sections=[("", link_facts(link))],
        form=form,
        form_errors=loose,
        live=live,
        buttons=_buttons(link),
        columns=["code"],
        submit_label=gettext("申请关联"),
    )
    return page, status


def link_facts(link: Affiliation | None) -> list[tuple[str, Any]]:
    """状态, 代码 and 企业名称 of the person's link; a withdrawn or removed one is none."""
    none = link is None or link.state in {AffiliationState.NONE, AffiliationState.REMOVED}
    if link is None or none:
        word = chip(AFFILIATION, AffiliationState.NONE)
        return [(gettext("状态"), word), (gettext("统一社会信用代码/组织机构代码"), "—"), (gettext("企业名称"), "—")]
    facts = [
        (gettext("状态"), chip(AFFILIATION, link.state)),
        (gettext("统一社会信用代码/组织机构代码"), code_of(db.session(), link)),
        (gettext("企业名称"), link.body_name),
    ]
    if link.state == AffiliationState.REFUSED and link.reason:
        facts.append((gettext("原因"), link.reason))
    return facts


def _buttons(link: Affiliation | None) -> list[Button]:
    """撤回申请 while it waits, 删除关联 when linked."""
    if link is None:
        return []
    hidden = {"seen_version": str(link.version)}
    if link.state == AffiliationState.REQUESTED:
        return [Button("cancel", gettext("撤回申请"), "/me/affiliation/cancel", hidden=hidden)]
    if link.state == AffiliationState.LINKED:
        ask = gettext("删除关联后，不再拥有该企业的相关权限。确定删除吗？")
        return [
            Button("remove", gettext("删除关联"), "/me/affiliation/remove", style="danger", confirm=ask, hidden=hidden)
        ]
    return []


@affiliation_pages.post("/me/affiliation/cancel")
@roles(Role.IND)
def cancel_link() -> Any:
    """Withdraw what waits."""
    return _end("cancel")


@affiliation_pages.post("/me/affiliation/remove")
@roles(Role.IND)
def remove_link() -> Any:
    """End the link."""
    return _end("remove")


def _end(step: str) -> Any:
    """The row is the person's own: no id is taken from the address."""
    link = current_link(db.session(), me())
    if link is None:
        abort(404)
    seen = request.form.get("seen_version", "")
    version = int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 9 else None
    try:
        fire(db.session(), AFFILIATION, link.id, step, me(), seen_version=version)
        said = gettext("申请已撤回。") if step == "cancel" else gettext("关联已删除。")
        flash(said, "success")
    except QuanhengError as error:
        db.session.rollback()
        flash(error.sentence, "danger")
    return redirect("/me/affiliation", 303)


class Shown(BaseFilter):
    """Requests, links and refusals; what the person withdrew or somebody removed is over."""

    name = "shown"
    arg_name = "shown"

    def apply(self, query: Any, _value: Any) -> Any:
        return query.filter(Affiliation.state.in_(SHOWN))


def _title() -> str:
    principal = current_principal()
    of_institute = principal is not None and principal.has(Role.IMG)
    return gettext("我的机构授权") if of_institute else gettext("企业授权")


class AffiliationView(WorkflowView):
    """People who ask to act for the own body; approving, refusing and removing are the machine's steps."""

    workflow = AFFILIATION
    datamodel = PGInterface(Affiliation)
    class_permission_name = "AffiliationView"
    route_base = "/affiliations"
    noun, unit_word = _("授权"), _("人")
    list_title = LazyString(_title)
    empty_text = _("个人用户申请关联后，会显示在这里。")
    list_columns = ["account.name", "account.id_number", "account.phone", "requested_at", "state"]
    show_columns = ["account.name", "account.id_number", "account.phone", "requested_at", "decided_at", "reason"]
    search_columns = ["state", "requested_at"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["requested_at"]
    base_order = ("id", "desc")
    base_filters = [["state", Shown, None]]
    tab_states = ("requested", "linked", "refused")
    label_columns = {
        "account.name": _("姓名"),
        "account.id_number": _("身份证号"),
        "account.phone": _("手机号"),
    }
    base_permissions = ["can_list", "can_show", "can_step"]
    grants = {"*": DECIDES}

    def row_label(self, item: Any) -> str:
        return str(item.account.name) if item.account is not None else gettext("关联")

    def show_value(self, item: Any, column: str) -> Any:
        person = item.account
        if column == "account.id_number":
            return (mask_id_number(person.id_number) if person else "") or "—"
        if column == "account.phone":
            return (mask_phone(person.phone) if person else "") or "—"
        return super().show_value(item, column)

    def row_buttons(self, item: Any) -> list[Button]:
        """操作: 通过 and 拒绝 while it waits, 删除 when linked."""
        return self.head_buttons(item)

    def sees(self, pk: Any) -> bool:
        """A removed link is not shown any more, although the row stays in scope."""
        row = db.session.get(Affiliation, pk)
        return row is not None and row.state in SHOWN
