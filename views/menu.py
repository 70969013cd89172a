"""The side menu in one list, the counts beside its entries, and the deployment's face."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask, current_app, g
from flask_babel import lazy_gettext as _

from app.access.principal import current_principal
from app.access.roles import INSTITUTE, RECEPTION, UNIT
from app.fab.face import Face, NavLink
from app.fab.menu import MenuItem, SideMenu, init_menu
from app.operations.todo import BADGE, Todo, todos
from app.profiles import profile
from models.base import db
from models.enums import Role

REG, ADM = frozenset({Role.REG}), frozenset({Role.ADM})
LEDGER, FLOW, PEOPLE, SYSTEM = _("台账"), _("检定"), _("机构与账号"), _("系统")
BUSINESS = UNIT | INSTITUTE | REG


def _roles(roles: frozenset[Role]) -> frozenset[str]:
    return frozenset(r.value for r in roles)


ITEMS = (
    MenuItem("home", _("首页"), href="/home/", icon="home", roles=_roles(frozenset(Role) - {Role.ANON, Role.SYS})),
    MenuItem("instruments", _("器具台账"), "InstrumentView.list", icon="scale", roles=_roles(BUSINESS), group=LEDGER),
    MenuItem("imports", _("导入台账"), href="/imports/new", icon="upload", roles=_roles(UNIT), group=LEDGER),
    MenuItem(
        "filings",
        _("备案管理"),
        "FilingView.list",
        icon="file",
        roles=_roles(UNIT | RECEPTION | REG),
        group=LEDGER,
        badge="filings",
    ),
    MenuItem("reminders", _("到期提醒"), "ReminderView.list", icon="bell", roles=_roles(UNIT | REG), group=LEDGER),
    MenuItem("book", _("预约检定"), href="/book/", icon="calendar", roles=_roles(UNIT), group=FLOW),
    MenuItem(
        "appointments",
        _("预约单"),
        "AppointmentView.list",
        icon="log",
        roles=_roles(BUSINESS),
        group=FLOW,
        badge="bookings",
    ),
    MenuItem(
        "items", _("收样与检定"), "ItemView.list", icon="check", roles=_roles(INSTITUTE), group=FLOW, badge="tasks"
    ),
    MenuItem(
        "certificates",
        _("证书"),
        "CertificateView.list",
        icon="award",
        roles=_roles(BUSINESS),
        group=FLOW,
        badge="papers",
    ),
    MenuItem("slots", _("预约时段"), "SlotView.list", icon="clock", roles=_roles(RECEPTION), group=FLOW),
    MenuItem(
        "accounts",
        _("账号"),
        "AccountView.list",
        icon="users",
        roles=_roles(RECEPTION | ADM | REG | frozenset({Role.ENT})),
        group=PEOPLE,
        badge="reviews",
    ),
    MenuItem(
        "units", _("使用单位"), "UnitView.list", icon="building", roles=_roles(INSTITUTE | REG | ADM), group=PEOPLE
    ),
    MenuItem("institutes", _("技术机构"), "InstituteView.list", icon="building", roles=_roles(ADM), group=PEOPLE),
    MenuItem(
        "capabilities",
        _("检定能力"),
        "CapabilityView.list",
        icon="log",
        roles=_roles(ADM | frozenset({Role.IMG})),
        group=PEOPLE,
    ),
    MenuItem(
        "messages",
        _("消息"),
        "MessageView.list",
        icon="mail",
        roles=_roles(frozenset(Role) - {Role.ANON, Role.SYS, Role.APPLICANT}),
        group=SYSTEM,
        badge="messages",
    ),
    MenuItem("categories", _("强检目录"), "CategoryView.list", icon="log", roles=_roles(ADM), group=SYSTEM),
    MenuItem("calendar", _("工作日历"), "CalendarView.list", icon="calendar", roles=_roles(ADM), group=SYSTEM),
    MenuItem("mails", _("开发邮件"), "DevelopmentMailView.list", icon="mail", roles=_roles(ADM), group=SYSTEM),
    MenuItem(
        "audit",
        _("审计日志"),
        "AuditLogView.list",
        icon="log",
        roles=_roles(frozenset({Role.AUD, Role.SEC})),
        group=SYSTEM,
    ),
    MenuItem(
        "workflows",
        _("流程说明"),
        href="/help/workflows",
        icon="help",
        roles=_roles(frozenset(Role) - {Role.ANON, Role.SYS, Role.APPLICANT}),
        group=SYSTEM,
    ),
)


def my_todos(cap: int = BADGE) -> list[Todo]:
    """The to-do lines of this request, asked for once; the home page asks first and for more than the menu needs."""
    if "todos" not in g:
        principal = current_principal()
        g.todos = todos(db.session(), principal, cap) if principal and principal.account_id else []
    return g.todos


def counts() -> Mapping[str, int]:
    """Numbers beside menu entries: from the same lines as the home page."""
    lines = {line.key: line.count for line in my_todos()}
    return {
        **lines,
        "papers": lines.get("drafts", 0) + lines.get("checks", 0) + lines.get("approvals", 0),
        "todo": sum(line.count for line in my_todos() if line.tone != "info"),
    }


def role_names() -> list[str]:
    """Roles of this request's principal."""
    principal = current_principal()
    return [r.value for r in principal.roles] if principal else []


def current_face() -> Face:
    """How the deployment looks, from its profile."""
    own = profile()
    return Face(
        name=own["name"],
        short_name=str(current_app.config["APP_NAME"]),
        owner=own.get("owner", ""),
        hotline=own.get("hotline", ""),
        hotline_hours=own.get("hotline_hours", ""),
        brand=own.get("brand", ""),
        brand_dark=own.get("brand_dark", ""),
        home_url="/home/" if current_principal() and role_names() != [Role.ANON.value] else "/",
        todo_url="/home/",
        search_hint=_("出厂编号、器具名称、证书号、预约单号"),
        portal_nav=(
            NavLink(_("首页"), "/"),
            NavLink(_("器具查询"), "/instruments"),
            NavLink(_("证书核验"), "/v"),
            NavLink(_("注册"), "/register"),
            NavLink(_("登录"), "/login/"),
        ),
        account_links=(NavLink(_("我的账号"), "/me", "user"), NavLink(_("修改密码"), "/password", "lock")),
        login_links=(NavLink(_("注册使用单位"), "/register"),),
    )


def init_side_menu(app: Flask) -> None:
    """Give templates the menu; an entry whose view a deployment does not register is left out."""
    items = [item for item in ITEMS if not item.endpoint or item.endpoint in app.view_functions]
    init_menu(app, SideMenu(items, role_names=role_names, counts=counts))
