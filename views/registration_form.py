"""The inputs of a registration and of its correction. The rules stand in app.operations.account, not here."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, FileField, PasswordField, SelectField, StringField
from wtforms.validators import InputRequired

from app.operations import places
from models.base import db
from views.edge import clean

MUST = [InputRequired()]  # marks the field; the operation refuses
LIMITS = {"unit_name": 120, "address": 200, "contact_name": 40, "email": 120}
SECRETS = {"password", "password_again"}


def _text(label: Any, hint: Any = "", **attributes: Any) -> StringField:
    return StringField(label, MUST, description=hint, render_kw=attributes)


def _select(label: Any, hint: Any = "", **attributes: Any) -> SelectField:
    named = {key.replace("_", "-"): value for key, value in attributes.items()}
    return SelectField(label, MUST, description=hint, choices=[], validate_choice=False, render_kw=named)


def _file(label: Any, hint: Any) -> FileField:
    return FileField(label, MUST, description=hint, render_kw={"accept": "image/jpeg,image/png,application/pdf"})


class ApplicantForm(FlaskForm):
    """Who applies and who reviews: what a returned registration may correct."""

    unit_name = _text(_("申请方名称"), _("与证照上的名称完全一致。"), maxlength=120, autocomplete="organization")
    code = _text(_("统一社会信用代码"), _("18位，印在证照上。"), maxlength=24, autocomplete="off", spellcheck="false")
    province = _select(_("省"), data_loads="city", data_url="/divisions?parent=")
    city = _select(_("市"), data_loads="division_code", data_url="/divisions?parent=")
    division_code = _select(_("所在地"), data_loads="institute_id", data_url="/divisions/institutes?division=")
    address = _text(_("详细地址"), _("与证照上的地址一致。"), maxlength=200, autocomplete="street-address")
    contact_name = _text(_("联系人"), maxlength=40, autocomplete="name")
    phone = _text(
        _("手机号"), _("11位手机号，审核结果和检定通知会用到。"), maxlength=11, inputmode="tel", autocomplete="tel"
    )
    licence = _file(_("统一社会信用代码证等证照"), _("营业执照、法人证书等，jpg、png 图片或 PDF，不超过10MB。"))
    authorisation = _file(_("法人授权书"), _("下载模板填写，由法人签字并加盖公章后扫描或拍照上传。"))
    institute_id = _select(
        _("审核机构"), _("所在地的法定计量检定机构，注册申请由它审核；选择所在地后列出。"), data_first="1"
    )

    def typed(self) -> dict[str, str]:
        """What was typed, without control signs; passwords as they are."""
        found = {}
        for field in self:
            value = field.data if isinstance(field.data, str) else ("1" if field.data is True else "")
            found[field.name] = value if field.name in SECRETS else clean(value, LIMITS.get(field.name, 60))
        return found

    def offer_places(self) -> None:
        """Fill the three selects and the institutes from what is chosen; a choice that no longer fits is dropped."""
        self._offer(self.province, places.children(db.session(), ""))
        self._offer(self.city, places.children(db.session(), self.province.data) if self.province.data else [])
        self._offer(self.division_code, places.children(db.session(), self.city.data) if self.city.data else [])
        near = places.reviewers(db.session(), self.division_code.data or "")
        self._offer(self.institute_id, near, first=True)

    def _offer(self, field: SelectField, found: list[places.Pair], *, first: bool = False) -> None:
        known = {value for value, _name in found}
        if field.data not in known:
            only = found[0][0] if found and (first or len(found) == 1) else ""
            field.data = only
        field.choices = [("", gettext("请选择")), *found]

    def start_at(self, division_code: str) -> None:
        """Set the three selects to a place."""
        self.province.data, self.city.data, self.division_code.data = places.way_down(db.session(), division_code)


class RegistrationForm(ApplicantForm):
    """A first registration: the applicant, the address that a code proves, and the account."""

    email = _text(_("邮箱"), _("接收验证码和审核结果。"), maxlength=120, autocomplete="email", inputmode="email")
    email_code = _text(
        _("邮箱验证码"), _("6位数字，10分钟内有效。"), maxlength=6, inputmode="numeric", autocomplete="one-time-code"
    )
    username = _text(
        _("账号"), _("登录时使用，4～20位字母或数字，不能包含汉字。"), maxlength=20, autocomplete="username"
    )
    password = PasswordField(
        _("密码"),
        MUST,
        description=_("至少10个字符，不要用常见密码或单位名称。"),
        render_kw={"autocomplete": "new-password", "maxlength": 128},
    )
    password_again = PasswordField(_("确认密码"), MUST, render_kw={"autocomplete": "new-password", "maxlength": 128})
    agree = BooleanField(_("我已阅读并同意《系统服务使用协议》和《个人信息隐私政策》"))
