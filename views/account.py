"""账号: the review queue of institutes, all accounts for the administrator, and accounts that he issues."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.access.principal import Principal
from app.access.roles import KIND_ROLES, LABELS, RECEPTION
from app.errors import QuanhengError
from app.fab.formats import plain
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab, state_chip
from app.operations import places
from app.operations.account import area_of, countersign, issue_account
from app.operations.history import entity_history
from app.operations.own_sessions import entries
from app.operations.registration_papers import WORDS as PAPER_WORDS
from app.operations.registration_review import changes_of, field_labels, registered_facts
from app.profiles import setting
from app.workflow import ACCOUNT
from app.workflow.engine import Field, Step, offered
from models.account import Account
from models.attachment import Attachment
from models.base import db
from models.enums import AccountKind, AccountState, Role
from models.organisation import Institute
from models.reference import Division
from models.types import mask_phone
from views.account_form import ISSUE_COLUMNS, KINDS, IssueForm
from views.activation_link import LinkView
from views.answers import whole
from views.edge import clean
from views.unmask import shown_facts, shown_name, unmask_button
from views.workflow_view import _state_argument, me, put_on_form

ADM = frozenset({Role.ADM})
SEC = frozenset({Role.SEC})
REVIEW = ["applicant", "unified_code", "kind", "place", "applied_at", "state"]
"""The columns of the review queue (REG-18)."""
WAITING = {AccountState.PENDING.value, AccountState.RETURNED.value}
READERS = ADM | RECEPTION | frozenset({Role.REG, Role.ENT, Role.AUD, Role.SEC})


class AccountView(LinkView):
    """Accounts within the principal's scope; phones are always masked here."""

    workflow = ACCOUNT
    datamodel = PGInterface(
        Account,
        load=(selectinload(Account.unit), selectinload(Account.institute), selectinload(Account.reviewer_institute)),
    )
    class_permission_name = "AccountView"
    route_base = "/accounts"
    noun, unit_word = _("账号"), _("个")
    list_columns = ["name", "user.username", "kind", "roles", "unit", "institute", "area", "created_at", "state"]
    show_columns = [
        "name",
        "user.username",
        "kind",
        "roles",
        "unit",
        "institute",
        "area",
        "employer",
        "specialty",
        "phone",
        "email",
        "email_verified_at",
        "valid_until",
        "reviewer_institute",
        "created_at",
        "reason",
    ]
    search_columns = ["name", "state", "kind", "created_at", "unit", "institute"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["created_at"]
    base_order = ("id", "desc")
    label_columns = {
        "user.username": _("用户名"),
        "unit": _("使用单位"),
        "institute": _("技术机构"),
        "reviewer_institute": _("审核机构"),
        "kind": _("用户类型"),
        "applicant": _("申请方名称"),
        "unified_code": _("统一社会信用代码"),
        "place": _("所在地"),
        "applied_at": _("申请时间"),
    }
    options_urls = {"unit": "/units/options", "institute": "/institutes/options"}
    choices = {"kind": KINDS}
    tab_states = ("pending", "returned", "active", "invited", "locked", "disabled")
    base_permissions = ["can_list", "can_show", "can_step", "can_issue", "can_renew"]
    grants = {
        "can_list": READERS,
        "can_show": READERS,
        "can_step": ADM | SEC | RECEPTION | frozenset({Role.REG}),
        "can_issue": ADM,
        "can_renew": ADM,
    }

    def row_label(self, item: Any) -> str:
        return f"{item.unit.name} {shown_name(item)}" if item.unit is not None else shown_name(item)

    def columns_now(self) -> list[str]:
        """The review queue shows who applies; every other list shows log-ins and duties."""
        chosen = set(request.args.getlist(_state_argument(self)))
        return REVIEW if chosen and chosen <= WAITING else self.list_columns

    def show_value(self, item: Any, column: str) -> Any:
        if column in REVIEW[:2] or column in {"place", "applied_at"}:
            return plain(_queue_value(item, column))
        if column == "name":
            return shown_name(item)
        if column == "phone":
            return mask_phone(item.phone) or "—"
        if column == "roles":
            return "、".join(LABELS[Role(r)] for r in item.roles) or "—"
        return super().show_value(item, column)

    def row_buttons(self, item: Any) -> list[Button]:
        """查看, and for the reviewer 通过 and 拒绝."""
        if item.state != AccountState.PENDING:
            return []
        found = [Button("show", gettext("查看"), self.url("show", pk=item.id), "get")]
        for step, why in offered(db.session(), item, me()):
            if step.name == "approve":
                found.append(replace(self.step_button(step, item, why), label=gettext("通过"), style="default"))
            elif step.name == "return":
                found.append(Button("return", gettext("拒绝"), self.step_url("return", item.id), "get", why_not=why))
        return found

    def _facts(self, item: Any) -> Any:
        """The facts, and on top what the reviewer must know."""
        sections = super()._facts(item)
        if warning := review_warning(item):
            sections.insert(0, ("", [(gettext("审核提示"), state_chip("danger", warning))]))
        return sections

    # -- steps ---------------------------------------------------------------------------------------------------

    def step_choices(self, step: Step, need: Field, item: Any) -> list[tuple[str, str]]:
        """Duties that the kind of account may have; contents of the registration that may be corrected."""
        if need.name == "roles":
            allowed = KIND_ROLES[AccountKind(item.kind)]
            return [(r.value, LABELS[r]) for r in Role if r in allowed]
        if need.name == "fields":
            return [(label, label) for label in field_labels(db.session(), item)]
        return super().step_choices(step, need, item)

    def step_value(self, step: Step, need: Field, item: Any) -> Any:
        if step.name == "assign":
            return {"roles": list(item.roles), "valid_until": item.valid_until}.get(need.name)
        return None

    def take(self, step: Step, item: Any, actor: Principal, form: FlaskForm) -> Any:
        """Signing sends the link as well, so it goes through its operation."""
        if step.name != "countersign":
            return super().take(step, item, actor, form)
        seen = whole(request.form.get("seen_version"))
        done = countersign(db.session(), actor, item.id, seen)
        flash(gettext("已会签，激活链接已直接发给%(name)s本人。", name=done.name), "success")
        return redirect(self.url("show", pk=done.id), 303)

    def list_buttons(self) -> list[Button]:
        if not self.may("issue"):
            return []
        return [
            Button("issue", gettext("派发账号"), self.url("issue"), "get", style="primary", icon="plus"),
            Button("import", gettext("批量派发"), "/accounts/import", "get", icon="upload"),
        ]

    def extra_buttons(self, item: Any) -> list[Button]:
        shown = unmask_button("account-phone", item, gettext("查看完整手机号"))
        shown += unmask_button("account-id-number", item, gettext("查看完整身份证号"))
        return [*shown, *self.renew_buttons(item)]

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        lines = entity_history(db.session(), me(), self.workflow.name, item.id)
        tabs = []
        if any(line.step == ACCOUNT.step("register").label for line in lines):
            facts = shown_facts(item, registered_facts(db.session(), item))
            context = {"facts": facts, "papers": papers_of(item.id)}
            tabs.append(DetailTab("unit", gettext("申请内容与证照"), "pages/account_unit.html", context))
        if changes := changes_of(db.session(), item.id):
            context = {"changes": changes}
            tabs.append(
                DetailTab("changes", gettext("修改对比"), "pages/account_changes.html", context, count=len(changes))
            )
        if me().has(Role.ADM, Role.SEC, Role.AUD):  # LOG-19
            context = {"entries": entries(db.session(), item.id)}
            tabs.append(DetailTab("logins", gettext("登录记录"), "pages/_logins.html", context))
        return [*tabs, self.history_tab(item, lines)]

    # -- accounts issued by the administrator --------------------------------------------------------------------

    @expose("/issue", methods=["GET", "POST"])
    @has_access
    def issue(self) -> Any:
        """A new account; the answer shows the one-time activation link, once."""
        form, problems = IssueForm(), []
        if request.method == "POST" and form.validate():
            try:
                made, token = issue_account(db.session(), me(), **typed_account(form))
                return self.link_page(made, token, gettext("账号已派发"))
            except QuanhengError as error:
                db.session.rollback()
                problems = put_on_form(form, error)
        page = self.render_template(
            "pages/account_issue.html",
            title=gettext("派发账号"),
            form=form,
            form_errors=problems,
            view=self,
            columns=ISSUE_COLUMNS,
            submit_label=gettext("派发"),
            cancel_url=self.url("list"),
            hints={},
            hidden={},
        )
        return page, 422 if request.method == "POST" else 200


def _queue_value(item: Account, column: str) -> Any:
    """Who applies, from where, since when."""
    body = item.unit or item.institute
    if column == "applicant":
        return body.name if body is not None else item.name
    if column == "unified_code":
        return item.unit.code if item.unit is not None else getattr(item.institute, "unified_code", None)
    if column == "applied_at":
        return item.created_at
    return places.place_name(db.session(), body.division_code if body is not None else item.division_code or "")


def review_warning(item: Account) -> str | None:
    """REG-21: an application that this deployment does not pass."""
    if item.state != AccountState.PENDING or item.kind != AccountKind.INDIVIDUAL:
        return None
    if setting("registration", "admit_individuals"):
        return None
    return gettext("以个人身份注册的申请不会被通过；有营业执照的用户请以企业身份注册。")


def papers_of(account_id: int) -> list[tuple[str, Attachment]]:
    """The papers of a registration that the principal may open, with what each proves."""
    statement = (
        select(Attachment)
        .where(Attachment.owner_type == "account", Attachment.owner_id == account_id)
        .order_by(Attachment.kind)
    )
    return [(PAPER_WORDS.get(a.kind, a.kind), a) for a in db.session.execute(statement).scalars()]


def typed_account(form: IssueForm) -> dict[str, Any]:
    """What app.operations.account.issue_account asks for; the area is the prefix of the chosen division."""
    kind = AccountKind(form.kind.data)
    institute = db.session.get(Institute, form.institute_id.data) if form.institute_id.data else None
    division = db.session.get(Division, clean(form.division.data, 9)) if form.division.data else None
    return {
        "kind": kind,
        "username": clean(form.username.data, 40),
        "name": clean(form.name.data, 40),
        "roles": [Role(r) for r in form.roles.data],
        "email": clean(form.email.data, 120) or None,
        "phone": clean(form.phone.data, 20) or None,
        "institute_id": institute.id if institute else None,
        "area": area_of(division.code) if division and len(division.code) == 6 else None,
        "valid_until": form.valid_until.data,
        "id_number": clean(form.id_number.data, 30) or None,
        "employer": clean(form.employer.data, 120) or None,
        "specialty": clean(form.specialty.data, 60) or None,
    }
