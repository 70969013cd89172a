"""`/me`: one's own account. Experts have no personal centre (001 §2.5)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, render_template
from flask_babel import gettext

from app.access import second_factor
from app.access.roles import KINDS, LABELS
from app.fab.formats import plain
from app.fab.parts import Button, state_chip
from app.operations import places
from app.operations.affiliation import current_link
from app.profiles import switch_on
from app.workflow import ACCOUNT
from models.account import Account
from models.base import db
from models.enums import AccountKind, Role
from models.types import mask_id_number, mask_phone
from views.affiliation import link_facts
from views.guards import roles
from views.workflow_view import TONES, me

own_pages = Blueprint("me", __name__)


def own_row() -> Account:
    """The account of the one who looks; 403 for experts."""
    if me().has(Role.EXP):
        abort(403)
    account = db.session.get(Account, me().account_id)
    if account is None:
        abort(404)
    return account


@own_pages.get("/me")
@roles()
def own() -> str:
    """What the platform keeps about the person who looks, the phone number masked."""
    account = own_row()
    chip = state_chip(TONES[ACCOUNT.tone_of(account.state)], ACCOUNT.label_of(account.state))
    personal = me().has(Role.IND)
    sections: list[tuple[Any, list[tuple[str, Any]]]] = [("", _facts(account))]
    if personal and switch_on("affiliation"):
        sections.append((gettext("关联企业信息"), link_facts(current_link(db.session(), me()))))
    return render_template(
        "kinds/detail.html",
        title=gettext("我的个人信息") if personal else gettext("我的账号"),
        state=chip,
        buttons=_buttons(),
        sections=sections,
    )


def _buttons() -> list[Button]:
    if me().has(Role.APPLICANT):
        return [
            Button("mine", gettext("我的注册申请"), "/register/mine", "get", style="primary"),
            Button("password", gettext("修改密码"), "/password", "get", icon="lock"),
        ]
    found = [
        Button("edit", gettext("修改资料"), "/me/edit", "get", style="primary"),
        Button("phone", gettext("修改手机号码"), "/me/phone", "get"),
        Button("email", gettext("修改电子邮箱"), "/me/email", "get"),
        Button("password", gettext("修改密码"), "/password", "get", icon="lock"),
        Button("sessions", gettext("登录设备"), "/me/sessions", "get"),
    ]
    if second_factor.mode() != "off":
        found.append(Button("factor", gettext("动态口令"), "/me/second-factor", "get", icon="shield"))
    if me().has(Role.IND) and switch_on("affiliation"):
        found.insert(0, Button("link", gettext("关联企业或机构"), "/me/affiliation", "get"))
    found.append(Button("data", gettext("导出个人信息或注销"), "/me/data", "get"))
    return found


def _facts(account: Account) -> list[tuple[str, Any]]:
    facts = [
        (gettext("用户名称"), account.user.username),
        (gettext("真实姓名"), account.name),
        (gettext("类型"), KINDS[AccountKind(account.kind)]),
        (gettext("角色"), "、".join(LABELS[r] for r in sorted(me().roles)) or "—"),
        (gettext("手机号码"), mask_phone(account.phone) or "—"),
        (gettext("电子邮箱"), account.email or "—"),
    ]
    if account.kind == AccountKind.INDIVIDUAL:
        facts += _personal(account)
    if account.unit is not None:
        facts.append((gettext("使用单位"), account.unit.name))
    if account.institute is not None:
        facts.append((gettext("技术机构"), account.institute.name))
    if account.area:
        facts.append((gettext("辖区"), places.place_name(db.session(), account.area.ljust(6, "0"))))
    if account.valid_until is not None:
        facts.append((gettext("任职有效期至"), account.valid_until.isoformat()))
    if account.user.last_login is not None:
        facts.append((gettext("本次登录"), plain(account.user.last_login.astimezone())))  # FAB keeps server time, naive
    return facts


def _personal(account: Account) -> list[tuple[str, Any]]:
    return [
        (gettext("公民身份证号码"), mask_id_number(account.id_number) or "—"),
        (gettext("性别"), account.gender or "—"),
        (gettext("民族"), account.ethnicity or "—"),
        (gettext("所在地"), places.place_name(db.session(), account.division_code or "") or "—"),
        (gettext("详细地址"), account.address or "—"),
        (gettext("工作单位"), account.employer or "—"),
    ]
