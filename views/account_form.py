"""The form of an account that the administrator issues."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import DateField, SelectField, StringField
from wtforms.validators import InputRequired, Optional

from app.access.roles import KIND_ROLES, LABELS
from app.fab.fields import RemoteSelectWidget, Ticks
from app.operations.account import SELF_REGISTERED
from models.base import db
from models.enums import AccountKind, Role
from models.organisation import Institute
from models.reference import Division
from views.answers import whole
from views.edge import clean

KINDS = (
    (AccountKind.ENTERPRISE, _("使用单位")),
    (AccountKind.INDIVIDUAL, _("个人")),
    (AccountKind.INSTITUTE, _("技术机构人员")),
    (AccountKind.EXPERT, _("专家")),
    (AccountKind.REGULATOR, _("监管人员")),
    (AccountKind.AUDITOR, _("审计员")),
    (AccountKind.ADMIN, _("系统管理员")),
    (AccountKind.SECURITY, _("安全管理员")),
)
ISSUED = [(k.value, word) for k, word in KINDS if k not in SELF_REGISTERED]
"""User units and individuals register by themselves; nobody issues them an account."""
OFFERED = [r for kind, _word in KINDS if kind not in SELF_REGISTERED for r in Role if r in KIND_ROLES[kind]]
ISSUE_COLUMNS = [
    "kind",
    "username",
    "name",
    "email",
    "phone",
    "roles",
    "institute_id",
    "division",
    "id_number",
    "employer",
    "specialty",
    "valid_until",
]


class RemoteKey(StringField):
    """A key chosen in a select that asks the server; `chosen` gives the row that is shown as selected."""

    def __init__(self, label: Any, model: type[Any], url: str, **kwargs: Any) -> None:
        super().__init__(label, validators=[Optional()], widget=RemoteSelectWidget(url), **kwargs)
        self.model = model

    def chosen(self) -> tuple[Any, str] | None:
        key: Any = whole(self.data) if self.model is Institute else clean(self.data, 9)
        row = db.session.get(self.model, key) if key else None
        return (self.data, str(row)) if row is not None else None


class InstituteKey(RemoteKey):
    """As RemoteKey, with the key as a number."""

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = whole(valuelist[0]) if valuelist else None


class IssueForm(FlaskForm):
    """Kind, login name, person and what the kind needs; the rules are those of issue_account."""

    kind = SelectField(
        _("账号类型"), choices=[("", _("请选择")), *ISSUED], validators=[InputRequired(_("请选择“账号类型”。"))]
    )
    username = StringField(
        _("用户名"),
        validators=[InputRequired(_("请填写“用户名”。"))],
        description=_("4～20位字母或数字。"),
        render_kw={"maxlength": 20, "autocomplete": "off"},
    )
    name = StringField(_("姓名"), validators=[InputRequired(_("请填写“姓名”。"))], render_kw={"maxlength": 40})
    email = StringField(
        _("邮箱"),
        description=_("激活链接将发送到该邮箱；没有邮箱的发送到手机。审计员和安全管理员的链接经会签后只发给本人。"),
        render_kw={"maxlength": 120, "type": "email"},
    )
    phone = StringField(_("手机号"), render_kw={"maxlength": 11, "inputmode": "numeric"})
    roles = Ticks(
        _("角色"),
        choices=[(r.value, LABELS[r]) for r in OFFERED],
        validators=[InputRequired(_("请至少选择一个角色。"))],
        description=_("技术机构人员可兼任：受理员与检定员、检定员与批准人、机构负责人与批准人；其他类型只选同名角色。"),
    )
    institute_id = InstituteKey(
        _("技术机构"), Institute, "/institutes/options", description=_("账号类型为技术机构人员时必选。")
    )
    division = RemoteKey(
        _("辖区"),
        Division,
        "/institutes/areas",
        description=_("账号类型为监管人员时必选：选择省、市或区县，辖区包含其下级。"),
    )
    id_number = StringField(
        _("身份证号"),
        description=_("账号类型为专家时必填。"),
        render_kw={"maxlength": 18, "autocomplete": "off"},
    )
    employer = StringField(_("工作单位"), description=_("账号类型为专家时填写。"), render_kw={"maxlength": 120})
    specialty = StringField(_("专业"), description=_("账号类型为专家时填写。"), render_kw={"maxlength": 60})
    valid_until = DateField(_("任职有效期至"), [Optional()], description=_("不填表示长期有效。"))
