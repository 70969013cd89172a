"""子用户 (/subaccounts): the main account opens, stops and re-invites the log-ins of its colleagues."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.models.filters import BaseFilter
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired

from app.errors import QuanhengError
from app.fab.interface import PGInterface
from app.fab.parts import Button
from app.operations.subaccount import invite_sub
from app.workflow import ACCOUNT
from models.account import Account
from models.base import db
from models.enums import Role
from models.types import mask_phone
from views.activation_link import LinkView
from views.edge import clean
from views.workflow_view import me, put_on_form

MAIN = frozenset({Role.ENT})


class SubaccountForm(FlaskForm):
    """姓名 and 手机号; the rules are those of invite_sub."""

    name = StringField(_("姓名"), [InputRequired()], render_kw={"maxlength": 40, "autocomplete": "off"})
    phone = StringField(
        _("手机号"),
        [InputRequired()],
        description=_("子用户用手机号登录；激活链接以短信发送到该号码，72小时内有效。"),
        render_kw={"maxlength": 11, "inputmode": "tel", "autocomplete": "off"},
    )


class OwnSubs(BaseFilter):
    """Sub-users of the own unit."""

    name = "own"
    arg_name = "own"

    def apply(self, query: Any, _value: Any) -> Any:
        return query.filter(Account.unit_id == me().unit_id, Account.roles.contains([Role.SUB.value]))


class SubaccountView(LinkView):
    """The sub-users of the main account's unit."""

    workflow = ACCOUNT
    datamodel = PGInterface(Account)
    class_permission_name = "SubaccountView"
    route_base = "/subaccounts"
    noun, unit_word = _("子用户"), _("个")
    empty_text = _("新增子用户后，同事可以用自己的手机号登录，与主账号共同管理台账。")
    list_columns = ["name", "phone", "created_at", "state"]
    show_columns = ["name", "phone", "user.username", "created_at", "reason"]
    search_columns = ["name", "state"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["created_at"]
    base_order = ("id", "desc")
    base_filters = [["roles", OwnSubs, None]]
    label_columns = {"user.username": _("用户名")}
    base_permissions = ["can_list", "can_show", "can_step", "can_invite", "can_renew"]
    grants = {"*": MAIN}

    def row_label(self, item: Any) -> str:
        return str(item.name)

    def show_value(self, item: Any, column: str) -> Any:
        if column == "phone":
            return mask_phone(item.phone) or "—"
        return super().show_value(item, column)

    def list_buttons(self) -> list[Button]:
        if not self.may("invite"):
            return []
        return [Button("invite", gettext("新增"), self.url("invite"), "get", style="primary", icon="plus")]

    def row_buttons(self, item: Any) -> list[Button]:
        """停用, 启用 or 重新发送激活链接."""
        return self.head_buttons(item)

    def extra_buttons(self, item: Any) -> list[Button]:
        return self.renew_buttons(item, gettext("原激活链接立即失效，确定重新发送短信吗？"))

    @expose("/invite", methods=["GET", "POST"])
    @has_access
    def invite(self) -> Any:
        """A new sub-user; the link goes to the phone and is shown nowhere."""
        form, problems = SubaccountForm(), []
        if request.method == "POST":
            try:
                made, _token = invite_sub(
                    db.session(), me(), name=clean(form.name.data, 60), phone=clean(form.phone.data, 20)
                )
                flash(gettext("激活链接已发送到 %(phone)s。", phone=mask_phone(made.phone)), "success")
                return redirect(self.url("list"), 303)
            except QuanhengError as error:
                db.session.rollback()
                problems = put_on_form(form, error)
        page = self.render_template(
            "kinds/form.html",
            title=gettext("新增子用户"),
            form=form,
            form_errors=problems,
            view=self,
            columns=["name", "phone"],
            submit_label=gettext("新增"),
            cancel_url=self.url("list"),
            intro=gettext("子用户拥有跟主账号一样的权限，但不能管理子用户、注销单位账号、修改主账号手机号。"),
        )
        return page, 422 if request.method == "POST" else 200

    def renewed(self, account: Account, token: str) -> Any:
        """The new link went to the phone and is shown nowhere."""
        flash(gettext("激活链接已发送到 %(phone)s。", phone=mask_phone(account.phone)), "success")
        return redirect(self.url("list"), 303)
