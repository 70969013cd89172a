"""账号: the review queue of institutes, all accounts for the administrator, and accounts that he issues."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.access.roles import LABELS, RECEPTION
from app.errors import QuanhengError
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab
from app.operations.account import PAPERS, activation_url, area_of, issue_account, renew_link
from app.workflow import ACCOUNT
from models.account import Account
from models.attachment import Attachment
from models.base import db
from models.enums import AccountKind, AccountState, Role
from models.organisation import Institute
from models.reference import Division
from models.types import mask_phone
from views.account_form import KINDS, IssueForm
from views.edge import clean
from views.workflow_view import WorkflowView, me, put_on_form

ADM = frozenset({Role.ADM})
READERS = ADM | RECEPTION | frozenset({Role.REG, Role.ENT, Role.AUD, Role.SEC})


class AccountView(WorkflowView):
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
        "phone",
        "email",
        "email_verified_at",
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
    }
    options_urls = {"unit": "/units/options", "institute": "/institutes/options"}
    choices = {"kind": KINDS}
    tab_states = ("pending", "returned", "active", "invited", "locked", "disabled")
    base_permissions = ["can_list", "can_show", "can_step", "can_issue", "can_renew"]
    grants = {
        "can_list": READERS,
        "can_show": READERS,
        "can_step": ADM | RECEPTION | frozenset({Role.REG}),
        "can_issue": ADM,
        "can_renew": ADM,
    }

    def row_label(self, item: Any) -> str:
        return f"{item.unit.name} {item.name}" if item.unit is not None else str(item.name)

    def show_value(self, item: Any, column: str) -> Any:
        if column == "phone":
            return mask_phone(item.phone) or "—"
        if column == "roles":
            return "、".join(LABELS[Role(r)] for r in item.roles) or "—"
        return super().show_value(item, column)

    def list_buttons(self) -> list[Button]:
        if not self.may("issue"):
            return []
        return [Button("issue", gettext("派发账号"), self.url("issue"), "get", style="primary", icon="plus")]

    def extra_buttons(self, item: Any) -> list[Button]:
        if item.state != AccountState.INVITED or not self.may("renew"):
            return []
        ask = gettext("原激活链接立即失效，确定重新生成吗？")
        return [Button("renew", gettext("重新发送激活链接"), self.url("renew", pk=item.id), confirm=ask)]

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        tabs = []
        if item.unit is not None:
            context = {"unit": item.unit, "papers": papers_of(item.id), "masked": mask_phone(item.unit.contact_phone)}
            tabs.append(DetailTab("unit", gettext("单位与证照"), "pages/account_unit.html", context))
        return [*tabs, *super().detail_tabs(item)]

    # -- accounts issued by the administrator --------------------------------------------------------------------

    @expose("/issue", methods=["GET", "POST"])
    @has_access
    def issue(self) -> Any:
        """A new account; the answer shows the one-time activation link, once."""
        form, problems = IssueForm(), []
        if request.method == "POST" and form.validate():
            try:
                made, token = issue_account(db.session(), me(), **typed_account(form))
                return self._link_page(made, token, gettext("账号已派发"))
            except QuanhengError as error:
                db.session.rollback()
                problems = put_on_form(form, error)
        page = self.render_template(
            "pages/account_issue.html",
            title=gettext("派发账号"),
            form=form,
            form_errors=problems,
            view=self,
            columns=["kind", "username", "name", "email", "phone", "roles", "institute_id", "division"],
            submit_label=gettext("派发"),
            cancel_url=self.url("list"),
            hints={},
            hidden={},
        )
        return page, 422 if request.method == "POST" else 200

    @expose("/renew/<pk>", methods=["POST"])
    @has_access
    def renew(self, pk: str) -> Any:
        """A new activation link; the old one dies."""
        item = self.load_item(pk)
        try:
            made, token = renew_link(db.session(), me(), item.id)
        except QuanhengError as error:
            db.session.rollback()
            flash(error.sentence, "danger")
            return redirect(self.url("show", pk=pk), 303)
        return self._link_page(made, token, gettext("激活链接已重新生成"))

    def _link_page(self, account: Account, token: str, title: str) -> Any:
        """Shown by the answer to the POST itself: the link is kept nowhere and no address leads here again."""
        return self.render_template(
            "pages/account_link.html",
            title=title,
            account=account,
            link=activation_url(token),
            view=self,
        )


def papers_of(account_id: int) -> list[tuple[str, Attachment]]:
    """The papers of a registration that the principal may open, with what each proves."""
    statement = (
        select(Attachment)
        .where(Attachment.owner_type == "account", Attachment.owner_id == account_id)
        .order_by(Attachment.kind)
    )
    return [(PAPERS.get(a.kind, a.kind), a) for a in db.session.execute(statement).scalars()]


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
    }
