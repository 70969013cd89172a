"""The side menu in one list, the counts beside its entries, and the deployment's face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, current_app, g, request
from flask_babel import lazy_gettext as _
from flask_babel.speaklater import LazyString

from app.access.principal import current_principal
from app.access.providers import offered
from app.access.roles import INSTITUTE, RECEPTION, UNIT
from app.fab.face import Face, NavLink
from app.fab.menu import MenuItem, SideMenu, init_menu
from app.operations.band import warning_bands
from app.operations.todo import BADGE, Todo, todos
from app.profiles import profile, setting, switch_on
from app.workflow.item import COUNTER
from models.base import db
from models.enums import Role
from views.switched import offered_here

REG, ADM = frozenset({Role.REG}), frozenset({Role.ADM})
FLOW, MINE, PEOPLE, SYSTEM = _("检定"), _("我的"), _("机构与账号"), _("系统")
LEDGER = LazyString(lambda: str(setting("labels", "ledger_group")))
"""What the deployment's manual calls the way to the ledger (LED-01)."""
BUSINESS = UNIT | INSTITUTE | REG
AFF_INSTITUTE = "AFF_INSTITUTE"
"""Instead of AFF for a person linked to an institute, who keeps no ledger."""
ENTERPRISE = frozenset({Role.ENT.value, Role.SUB.value})
PERSON, MANAGER = frozenset({Role.IND.value}), frozenset({Role.IMG.value})
LINKED = frozenset({Role.AFF.value})


class PageItem(MenuItem):
    """An entry for one page; pages below its address belong to other entries."""

    def active(self) -> bool:
        return request.path == self.href


class FilingItem(MenuItem):
    """备案管理: its lists and the form are views of their own below one address."""

    def active(self) -> bool:
        return request.path.startswith("/filings/")


PERSONAL_CENTRE = (
    # 001 §2.5: what each kind of account finds under 我的, in its words and order; experts find nothing
    PageItem("my_person", _("我的个人信息"), href="/me", icon="user", roles=PERSON, group=MINE),
    PageItem("my_unit", _("我的企业信息"), href="/unit/master", icon="building", roles=ENTERPRISE, group=MINE),
    PageItem("my_institute", _("我的机构信息"), href="/me/institute", icon="building", roles=MANAGER, group=MINE),
    PageItem(
        "my_business",
        _("我的业务办理"),
        href="/me/business",
        icon="log",
        roles=ENTERPRISE | LINKED | MANAGER | {AFF_INSTITUTE},
        group=MINE,
    ),
    PageItem("my_quality", _("我的质量信息"), href="/me/quality", icon="check", roles=ENTERPRISE | LINKED, group=MINE),
    MenuItem("my_capabilities", _("我的检测能力信息"), "CapabilityView.list", icon="log", roles=MANAGER, group=MINE),
    MenuItem(
        "my_links",
        _("企业授权"),
        "AffiliationView.list",
        icon="users",
        roles=frozenset({Role.ENT.value}),
        group=MINE,
        badge="affiliations",
        switch="affiliation",
    ),
    MenuItem(
        "my_messages",
        _("我的消息"),
        "MessageView.list",
        icon="mail",
        roles=PERSON | ENTERPRISE,
        group=MINE,
        badge="messages",
    ),
    PageItem(
        "my_password", _("修改密码"), href="/password", icon="lock", roles=PERSON | ENTERPRISE | MANAGER, group=MINE
    ),
    MenuItem(
        "my_institute_links",
        _("我的机构授权"),
        "AffiliationView.list",
        icon="users",
        roles=MANAGER,
        group=MINE,
        badge="affiliations",
        switch="affiliation",
    ),
)


def _roles(roles: frozenset[Role]) -> frozenset[str]:
    return frozenset(r.value for r in roles)


ITEMS = (
    MenuItem("home", _("首页"), href="/home/", icon="home", roles=_roles(frozenset(Role) - {Role.ANON, Role.SYS})),
    MenuItem(
        "instruments",
        LazyString(lambda: str(setting("labels", "ledger"))),
        "InstrumentView.list",
        icon="scale",
        roles=_roles(BUSINESS),
        group=LEDGER,
    ),
    MenuItem("imports", _("导入台账"), href="/imports/new", icon="upload", roles=_roles(UNIT), group=LEDGER),
    FilingItem(
        "filings",
        _("备案管理"),
        "FilingView.list",
        icon="file",
        roles=_roles(UNIT | RECEPTION | REG),
        group=LEDGER,
        badge="filings",
        switch="filing",
    ),
    MenuItem(
        "amendments",
        _("备案变更"),
        "AmendmentView.list",
        icon="file",
        roles=_roles(UNIT | RECEPTION | REG),
        group=LEDGER,
        badge="amendments",
        switch="filing",
    ),
    MenuItem(
        "warnings",
        LazyString(lambda: str(setting("labels", "warnings"))),
        "WarningView.list",
        icon="warning",
        roles=_roles(UNIT),
        group=LEDGER,
        badge="warnings",
    ),
    MenuItem(
        "former",
        _("曾用计量器具库"),
        "FormerView.list",
        icon="inbox",
        roles=_roles(UNIT),
        group=LEDGER,
        switch="former",
    ),
    MenuItem(
        "transfers",
        _("变更使用单位"),
        "TransferView.list",
        icon="users",
        roles=_roles(UNIT | REG),
        group=LEDGER,
        switch="transfer_unit",
    ),
    PageItem("ledger_quality", _("数据质量"), href="/quality", icon="check", roles=_roles(UNIT | REG), group=LEDGER),
    PageItem(
        "duplicates",
        _("疑似重复"),
        href="/duplicates",
        icon="log",
        roles=_roles(UNIT),
        group=LEDGER,
        switch="merge",
    ),
    MenuItem("reminders", _("到期提醒"), "ReminderView.list", icon="bell", roles=_roles(UNIT | REG), group=LEDGER),
    MenuItem(
        "book", _("预约检定"), href="/book/", icon="calendar", roles=_roles(UNIT), group=FLOW, switch="appointment"
    ),
    PageItem(
        "basket",
        _("待处理列表"),
        href="/book/basket",
        icon="inbox",
        roles=_roles(UNIT),
        group=FLOW,
        switch="appointment",
    ),
    MenuItem(
        "appointments",
        _("预约单"),
        "AppointmentView.list",
        icon="log",
        roles=_roles(BUSINESS),
        group=FLOW,
        badge="bookings",
        switch="appointment",
    ),
    PageItem("counter", _("前台受理"), href="/counter/", icon="inbox", roles=_roles(COUNTER), group=FLOW),
    MenuItem(
        "commissions",
        _("委托单"),
        "CommissionView.list",
        icon="file",
        roles=_roles(BUSINESS),
        group=FLOW,
        badge="visits",
        switch="commission",
    ),
    MenuItem(
        "tasks",
        _("检定任务"),
        "TaskView.list",
        icon="log",
        roles=_roles(INSTITUTE),
        group=FLOW,
        badge="my_tasks",
        switch="commission",
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
    MenuItem(
        "unmatched",
        _("未匹配检定记录"),
        "UnmatchedView.list",
        icon="log",
        roles=_roles(UNIT | frozenset({Role.REC, Role.VER, Role.IMG}) | REG),
        group=FLOW,
        badge="unmatched",
        switch="unmatched",
    ),
    MenuItem(
        "slots",
        _("预约时段"),
        "SlotView.list",
        icon="clock",
        roles=_roles(RECEPTION),
        group=FLOW,
        switch="appointment.slots",
    ),
    PageItem("clocks", _("时限看板"), href="/clocks/", icon="clock", roles=_roles(BUSINESS), group=FLOW),
    PageItem("feeds", _("日历订阅"), href="/feeds/", icon="calendar", roles=_roles(UNIT | INSTITUTE), group=FLOW),
    *PERSONAL_CENTRE,
    PageItem("unit", _("企业信息维护"), href="/unit", icon="building", roles=ENTERPRISE | LINKED, group=PEOPLE),
    MenuItem(
        "subaccounts",
        _("子用户"),
        "SubaccountView.list",
        icon="users",
        roles=frozenset({Role.ENT.value}),
        group=PEOPLE,
        switch="subaccounts",
    ),
    MenuItem(
        "verifier_projects",
        _("检定员项目"),
        "VerifierProjectView.list",
        icon="award",
        roles=_roles(frozenset({Role.IMG, Role.VER})),
        group=PEOPLE,
    ),
    MenuItem("staff", _("机构人员"), "StaffView.list", icon="users", roles=MANAGER, group=PEOPLE),
    MenuItem(
        "unit_changes",
        _("单位信息变更"),
        "UnitChangeView.list",
        icon="file",
        roles=_roles(RECEPTION | ADM),
        group=PEOPLE,
        badge="unit_changes",
    ),
    MenuItem(
        "accounts",
        _("账号"),
        "AccountView.list",
        icon="users",
        roles=_roles(RECEPTION | ADM | REG | frozenset({Role.ENT, Role.SEC})),
        group=PEOPLE,
        badge="reviews",
    ),
    MenuItem(
        "units", _("使用单位"), "UnitView.list", icon="building", roles=_roles(INSTITUTE | REG | ADM), group=PEOPLE
    ),
    MenuItem("recovery", _("线下找回"), "RecoveryRequestView.list", icon="mail", roles=_roles(ADM), group=PEOPLE),
    MenuItem("institutes", _("技术机构"), "InstituteView.list", icon="building", roles=_roles(ADM), group=PEOPLE),
    MenuItem(
        "capabilities",
        _("检定能力"),
        "CapabilityView.list",
        icon="log",
        roles=_roles(ADM),
        group=PEOPLE,
    ),
    MenuItem(
        "messages",
        _("消息"),
        "MessageView.list",
        icon="mail",
        roles=_roles(frozenset(Role) - {Role.ANON, Role.SYS, Role.APPLICANT, Role.IND, Role.AFF, Role.ENT, Role.SUB}),
        group=SYSTEM,
        badge="messages",
    ),
    MenuItem("categories", _("强检目录"), "CategoryView.list", icon="log", roles=_roles(ADM), group=SYSTEM),
    MenuItem(
        "regulations", _("检定规程"), "RegulationView.list", icon="file", roles=_roles(ADM | INSTITUTE), group=SYSTEM
    ),
    MenuItem(
        "assignment_rules",
        _("指派规则"),
        "AssignmentRuleView.list",
        icon="log",
        roles=_roles(ADM | REG),
        group=SYSTEM,
        switch="appointment",
    ),
    MenuItem("rules", _("填写规则"), "CategoryRuleView.list", icon="help", roles=_roles(ADM), group=SYSTEM),
    MenuItem("calendar", _("工作日历"), "CalendarView.list", icon="calendar", roles=_roles(ADM), group=SYSTEM),
    MenuItem(
        "settings",
        _("平台设置"),
        href="/settings/",
        icon="settings",
        roles=_roles(frozenset({Role.ADM, Role.SEC})),
        group=SYSTEM,
    ),
    MenuItem("site", _("本站内容"), href="/site/", icon="file", roles=_roles(ADM), group=SYSTEM),
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
        lines = todos(db.session(), principal, cap) if principal and principal.account_id else []
        g.todos = [line for line in lines if offered_here(line.url)]  # nothing to do on a page that is not there
    return g.todos


def counts() -> Mapping[str, int]:
    """Numbers beside menu entries: from the same lines as the home page."""
    lines = {line.key: line.count for line in my_todos()}
    return {
        **lines,
        "warnings": sum(lines.get(band.value, 0) for band in warning_bands()),
        "papers": lines.get("drafts", 0) + lines.get("checks", 0) + lines.get("approvals", 0),
        "todo": sum(line.count for line in my_todos() if line.tone != "info"),
    }


def role_names() -> list[str]:
    """Roles of this request's principal."""
    principal = current_principal()
    return [r.value for r in principal.roles] if principal else []


def menu_words() -> list[str]:
    """The roles as the menu asks for them: a person linked to an institute is told from one linked to a unit."""
    principal = current_principal()
    if principal is not None and principal.of_institute_by_link:
        return [AFF_INSTITUTE if name == Role.AFF.value else name for name in role_names()]
    return role_names()


def account_links() -> tuple[NavLink, ...]:
    """What stands behind the account's name; experts have no personal centre."""
    mine = set(role_names())
    own = () if Role.EXP.value in mine else (NavLink(_("我的账号"), "/me", "user"),)
    contact = (NavLink(_("修改联系方式"), "/me/contact", "user"),) if mine & ENTERPRISE else ()
    bound = (NavLink(_("绑定管理"), "/me/bindings", "lock"),) if offered() else ()
    return (*own, *contact, NavLink(_("修改密码"), "/password", "lock"), *bound)


def login_links(registration: Mapping[str, Any]) -> tuple[NavLink, ...]:
    """Under the log-in box: the way to an account, here or at the service that gives them (REG-01, REG-08)."""
    if registration["external_url"]:
        guide = NavLink(_("法人注册指南"), "/register/guide.pdf")
        return (NavLink(_("去注册"), registration["external_url"]), guide)
    return (NavLink(_("注册使用单位"), "/register"),) if registration["kinds"] else ()


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
            *((NavLink(_("证书下载"), "/d/"),) if switch_on("commission") else ()),
            *((NavLink(_("预约单查询"), "/booking-query"),) if switch_on("appointment") else ()),
            NavLink(_("注册"), "/register"),
            NavLink(_("登录"), "/login/"),
        ),
        account_links=account_links(),
        login_links=login_links(own["registration"]),
    )


def init_side_menu(app: Flask) -> None:
    """Give templates the menu; an entry whose view a deployment does not register is left out."""
    items = [item for item in ITEMS if not item.endpoint or item.endpoint in app.view_functions]
    init_menu(app, SideMenu(items, role_names=menu_words, counts=counts, switched=switch_on))
