"""机构人员 (/staff): the manager of an institute issues its staff's accounts and gives them duties and a term."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_appbuilder import expose
from flask_appbuilder.models.filters import BaseFilter
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import DateField, StringField
from wtforms.validators import InputRequired, Optional

from app import clock
from app.access.roles import KIND_ROLES, LABELS
from app.errors import QuanhengError
from app.fab.fields import Ticks
from app.fab.interface import PGInterface
from app.fab.parts import Button, state_chip
from app.operations.account import issue_account
from app.workflow import ACCOUNT
from app.workflow.engine import Field, Step
from models.account import Account
from models.base import db
from models.enums import AccountKind, Role
from models.types import mask_phone
from views.activation_link import LinkView
from views.edge import clean
from views.workflow_view import me, put_on_form

MANAGER = frozenset({Role.IMG})
ORDER = (Role.REC, Role.VER, Role.APR, Role.IMG)
DUTIES = [(r.value, LABELS[r]) for r in ORDER if r in KIND_ROLES[AccountKind.INSTITUTE]]
PAIRS = _("可兼任：受理员与检定员、检定员与批准人、机构负责人与批准人。核验由另一名检定员办理。")


class StaffForm(FlaskForm):
    """A colleague: log-in name, person, duties and term; the rules are those of issue_account."""

    username = StringField(
        _("用户名"),
        [InputRequired()],
        description=_("4～20位字母或数字。"),
        render_kw={"maxlength": 20, "autocomplete": "off"},
    )
    name = StringField(_("姓名"), [InputRequired()], render_kw={"maxlength": 40, "autocomplete": "off"})
    email = StringField(
        _("邮箱"),
        [Optional()],
        description=_("激活链接将发送到该邮箱；不填时请当面交付链接。"),
        render_kw={"maxlength": 120, "type": "email"},
    )
    phone = StringField(_("手机号"), [Optional()], render_kw={"maxlength": 11, "inputmode": "tel"})
    roles = Ticks(_("职责"), choices=DUTIES, validate_choice=False, description=PAIRS)
    valid_until = DateField(_("任职有效期至"), [Optional()], description=_("不填表示长期有效。"))


class OwnStaff(BaseFilter):
    """People employed by the own institute."""

    name = "own"
    arg_name = "own"

    def apply(self, query: Any, _value: Any) -> Any:
        return query.filter(Account.institute_id == me().institute_id, Account.kind == AccountKind.INSTITUTE)


class StaffView(LinkView):
    """Staff of the manager's institute: 调整职责, 停用 and 启用 are the account's own steps."""

    workflow = ACCOUNT
    datamodel = PGInterface(Account)
    class_permission_name = "StaffView"
    route_base = "/staff"
    noun, unit_word = _("机构人员"), _("人")
    list_columns = ["name", "user.username", "roles", "valid_until", "state"]
    show_columns = ["name", "user.username", "roles", "valid_until", "phone", "email", "created_at", "reason"]
    search_columns = ["name", "state"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns: list[str] = []
    base_order = ("id", "desc")
    base_filters = [["institute_id", OwnStaff, None]]
    label_columns = {"user.username": _("用户名"), "roles": _("职责"), "valid_until": _("任职有效期至")}
    base_permissions = ["can_list", "can_show", "can_step", "can_issue", "can_renew"]
    grants = {"*": MANAGER}

    def row_label(self, item: Any) -> str:
        return str(item.name)

    def row_class(self, item: Any) -> str:
        return "row-muted" if _lapsed(item) else ""

    def show_value(self, item: Any, column: str) -> Any:
        if column == "phone":
            return mask_phone(item.phone) or "—"
        if column == "roles":
            return "、".join(LABELS[r] for r in ORDER if r.value in item.roles) or "—"
        if column == "valid_until" and item.valid_until is None:
            return gettext("长期")
        if column == "valid_until" and _lapsed(item):
            return state_chip("danger", gettext("%(day)s 已届满", day=item.valid_until.isoformat()))
        return super().show_value(item, column)

    def step_choices(self, step: Step, need: Field, item: Any) -> list[tuple[str, str]]:
        return DUTIES if need.name == "roles" else []

    def step_value(self, step: Step, need: Field, item: Any) -> Any:
        """What holds now: the form changes it."""
        if step.name != "assign":
            return None
        return list(item.roles) if need.name == "roles" else item.valid_until

    def list_buttons(self) -> list[Button]:
        if not self.may("issue"):
            return []
        return [Button("issue", gettext("新增人员"), self.url("issue"), "get", style="primary", icon="plus")]

    def extra_buttons(self, item: Any) -> list[Button]:
        return self.renew_buttons(item)

    @expose("/issue", methods=["GET", "POST"])
    @has_access
    def issue(self) -> Any:
        """A new account of the own institute; the answer shows the one-time link, once."""
        form, problems = StaffForm(), []
        if request.method == "POST" and form.validate():
            try:
                made, token = issue_account(
                    db.session(),
                    me(),
                    kind=AccountKind.INSTITUTE,
                    username=clean(form.username.data, 40),
                    name=clean(form.name.data, 40),
                    roles=[Role(r) for r in form.roles.data or [] if r in dict(DUTIES)],
                    email=clean(form.email.data, 121) or None,
                    phone=clean(form.phone.data, 20) or None,
                    institute_id=me().institute_id,
                    valid_until=form.valid_until.data,
                )
                return self.link_page(made, token, gettext("账号已派发"))
            except QuanhengError as error:
                db.session.rollback()
                problems = put_on_form(form, error)
        page = self.render_template(
            "kinds/form.html",
            title=gettext("新增人员"),
            form=form,
            form_errors=problems,
            view=self,
            columns=["username", "name", "email", "phone", "roles", "valid_until"],
            submit_label=gettext("派发账号"),
            cancel_url=self.url("list"),
        )
        return page, 422 if request.method == "POST" else 200


def _lapsed(account: Account) -> bool:
    return account.valid_until is not None and account.valid_until < clock.today()
