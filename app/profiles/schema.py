"""What every setting of a profile means: kind, label, effect and the values it may take.

The settings page is drawn from this list, and `problem_with` is the one judge of a value, whether an administrator
typed it or a deployment's TOML holds it. A test keeps the list and `_defaults.toml` equal in both directions.
Keys are written "section.key" (see app.profiles.changed).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.profiles.business_settings import BUSINESS_SETTINGS, BUSINESS_SWITCHES
from app.profiles.declared import POLICIES, Choices, Setting, switch
from app.profiles.ledger_settings import LEDGER_FIELDS, LEDGER_SETTINGS

SECTIONS: dict[str, str] = {
    "": "基本信息",
    "switches": "功能开关",
    "labels": "用语",
    "ledger": "器具台账",
    "category": "目录与填写规则",
    "import": "批量导入",
    "list": "列表",
    "filing": "备案",
    "reminder": "到期提醒",
    "appointment": "预约检定",
    "commission": "委托单",
    "verification": "检定",
    "registration": "注册与审核",
    "login": "登录",
    "password": "密码规则",
    "validate": "证件校验",
    "region": "行政区划",
    "recovery": "找回账号",
    "organisation": "单位与关联",
    "retention": "保存期限",
}
LEVELS: Choices = (("city", "市级"), ("county", "县级"))
REVIEWERS: Choices = (("none", "无需审核"), ("admin", "系统管理员"), ("local_institute", "当地法定计量检定机构"))
KINDS: Choices = (
    ("applicant", "申请方"),
    ("personal", "个人注册"),
    ("enterprise", "企业注册"),
    ("institute", "机构注册"),
)
METHODS: Choices = (
    ("password", "用户名和密码"),
    ("phone_code", "手机验证码"),
    ("sso_gov", "政务服务网"),
    ("qq", "QQ"),
    ("wechat", "微信"),
    ("licence", "电子营业执照"),
)
SIGNS: Choices = (("two_kinds", "数字、字母、符号至少两种"), ("digits_upper_lower", "须含数字、大写字母和小写字母"))
RECOVERY: Choices = (
    ("username_and_phone", "用户名和手机号"),
    ("username_or_phone", "用户名或手机号"),
    ("email", "邮箱"),
    ("sso", "由统一身份认证平台办理"),
)
FILING_REVIEWERS: Choices = (("institute", "受理备案的技术机构"), ("regulator", "使用地点的区县监管部门"))
AFTER_ENABLE: Choices = (("prior", "回到停用前的状态"), ("unfiled", "重新备案"))
SCHEMES: Choices = (
    ("days15", "到期前提醒（即将到期、已超期）"),
    ("yellow30", "黄色和红色（即将到期、已超期）"),
    ("tricolor", "三色预警（提示、预警、警示）"),
    ("lists", "按列表（须检、超期未检、无效）"),
)
CHANNELS: Choices = (("mail", "邮件"), ("sms", "短信"))


SETTINGS: tuple[Setting, ...] = (
    Setting("name", "text", "平台名称", "显示在页眉、登录页和文书上。", highest=60, required=True),
    Setting("hotline", "text", "服务热线", "显示在页脚和各处“请拨打服务热线”的提示中。", highest=30),
    switch("filing", "器具备案", "器具须经技术机构备案后才能预约检定；关闭时录入即为在用。"),
    switch("filing.dispatch", "备案分派", "市级机构可把收到的备案分派给下级机构。"),
    switch("filing.to_province", "备案转送省级", "市级机构可把无能力检定的备案转送省级机构。"),
    switch("subaccounts", "企业子账号", "企业主账号可为本单位人员新增子账号。"),
    switch("affiliation", "个人关联企业或机构", "个人用户经企业或机构同意后可代其办理业务。"),
    *BUSINESS_SWITCHES,
    switch("former", "曾用库", "停用的器具可以转入曾用库，不再提醒。"),
    switch("enable_from_scrapped", "报废后启用", "已报废的器具可以重新启用。"),
    switch("scrap_direct", "直接报废", "在用的器具可以不经停用直接报废。"),
    switch("account.wechat", "微信绑定", "账号可以绑定微信。", security=True),
    switch("account.sso", "政务服务网登录", "允许通过政务服务网身份进入平台。", security=True),
    switch("ledger.direct", "直接录入台账", "使用单位录入的器具直接进入台账。"),
    switch("merge", "器具合并", "重复的器具可以合并为一台。"),
    switch("transfer_unit", "器具转移", "器具可以转移给其他使用单位。"),
    switch("change_nozzle", "更换油枪", "加油机可以登记更换油枪。"),
    switch("clear", "清空台账", "使用单位可以一次删除台账中全部可以删除的器具。"),
    Setting("labels.scrapped", "text", "“报废”的说法", "器具报废后的状态名称。", highest=10, required=True),
    Setting("labels.warnings", "text", "预警页面的名称", "到期预警页面和菜单的名称。", highest=12, required=True),
    Setting("labels.ledger", "text", "台账的名称", "台账页面和菜单的名称。", highest=16, required=True),
    Setting(
        "labels.ledger_group", "text", "台账菜单组", "菜单中台账、导入等所在一组的名称。", highest=16, required=True
    ),
    Setting("labels.in_use", "text", "“在用”的说法", "器具正常使用时的状态名称。", highest=10, required=True),
    *LEDGER_SETTINGS,
    Setting("list.page_size", "int", "每页条数", "列表起初每页显示的条数。", lowest=5, highest=200),
    Setting(
        "list.page_sizes",
        "numbers",
        "可选的每页条数",
        "列表右下角可选的每页条数。",
        lowest=5,
        highest=200,
        required=True,
    ),
    Setting(
        "filing.selectable_levels", "list", "可选备案机构", "提交备案时可以选择的技术机构级别。", LEVELS, required=True
    ),
    Setting(
        "filing.editable_fields",
        "list",
        "备案后可以修改的内容",
        "备案通过后使用单位仍可自行修改的内容；其余的须申请“变更备案信息”，由备案机构审核。",
        LEDGER_FIELDS,
    ),
    Setting(
        "filing.reviewer",
        "choice",
        "备案由谁审核",
        "由谁通过或退回使用单位提交的备案；由监管部门审核时，技术机构只办理分派、转送和确认。",
        FILING_REVIEWERS,
        required=True,
    ),
    Setting(
        "filing.stopped_label",
        "text",
        "备案“停用”的说法",
        "备案管理中停用器具一栏的名称。",
        highest=10,
        required=True,
    ),
    Setting(
        "filing.after_enable",
        "choice",
        "启用后的备案",
        "停用的已备案器具启用后是否须重新备案。",
        AFTER_ENABLE,
        required=True,
    ),
    Setting(
        "reminder.scheme",
        "choice",
        "预警方式",
        "决定器具列表的颜色、标签页、统计和到期提醒。",
        SCHEMES,
        required=True,
    ),
    Setting(
        "reminder.yellow_days",
        "int",
        "到期前预警天数",
        "距有效期不超过这个天数的器具为即将到期（预警、须检），显示为黄色并提醒。",
        lowest=1,
        highest=180,
    ),
    Setting(
        "reminder.notice_days",
        "int",
        "到期前提示天数",
        "三色预警中距有效期不超过这个天数的器具为“提示”，显示为绿色；须大于到期前预警天数。",
        lowest=2,
        highest=365,
    ),
    Setting(
        "reminder.overdue_days",
        "int",
        "超期未检的天数",
        "按列表预警时，超过有效期不超过这个天数的器具为“超期未检”，再久为“无效”。",
        lowest=1,
        highest=365,
    ),
    Setting(
        "reminder.filing_due_days",
        "int",
        "备案后须检的天数",
        "按列表预警时，备案通过后这些天内的器具为“须检”。",
        lowest=1,
        highest=180,
    ),
    Setting(
        "reminder.filing_invalid_days",
        "int",
        "备案后无效的天数",
        "按列表预警时，备案通过后超过这个天数仍未检定的器具为“无效”；须大于备案后须检的天数。",
        lowest=2,
        highest=365,
    ),
    Setting(
        "reminder.filing_clock_until_verified",
        "bool",
        "备案期限至检定为止",
        "备案时没有有效检定、备案后也未检定的器具才按备案日期计算；关闭时已备案的器具一律按备案日期计算。",
    ),
    Setting(
        "reminder.invalid_bookable", "bool", "无效器具可预约", "关闭时“无效”的器具须停用、启用并重新备案后才能预约。"
    ),
    Setting(
        "reminder.thresholds",
        "numbers",
        "另外提醒的时点（天）",
        "每进入一种预警时提醒一次；距有效期还剩这些天数时再提醒，0为当天，负数为超期后。不填则不另外提醒。",
        lowest=-365,
        highest=365,
    ),
    Setting(
        "reminder.channels",
        "list",
        "提醒渠道",
        "站内消息总会发送，另外还用这些渠道发送。",
        CHANNELS,
    ),
    Setting(
        "reminder.run_at",
        "text",
        "每日提醒时间",
        "每天从这个时间起发送到期提醒。",
        highest=5,
        required=True,
        pattern=r"([01][0-9]|2[0-3]):[0-5][0-9]",
        pattern_hint="须为24小时制的时间，例如 06:30",
    ),
    *BUSINESS_SETTINGS,
    Setting(
        "registration.kinds", "list", "开放注册的类型", "注册页提供的类型；不选则不提供网上注册。", KINDS, security=True
    ),
    Setting(
        "registration.review_contact", "text", "审核联系方式", "注册提交后告诉申请人怎样联系审核人员。", highest=200
    ),
    Setting("registration.review_times", "times", "审核提示时间", "每天在这些时间提示审核人员处理待审核的注册。"),
    Setting(
        "registration.admit_individuals", "bool", "接受个人身份的申请方", "关闭时以个人身份注册的申请不能通过审核。"
    ),
    Setting(
        "registration.self_cancel",
        "bool",
        "可自行注销申请",
        "审核未通过的申请人可以自行注销，名称和代码随即可再次注册。",
    ),
    Setting("registration.personal_region_required", "bool", "个人须填所在地", "个人注册时必须选择所在地区。"),
    Setting(
        "registration.enterprise_legal_id_required",
        "bool",
        "企业须填法人身份证",
        "企业注册时必须填写法定代表人身份证号。",
    ),
    Setting("registration.letter_label", "text", "授权书的名称", "注册表单上授权书的名称。", highest=20, required=True),
    Setting(
        "registration.external_url",
        "text",
        "外部注册地址",
        "注册由外部平台办理时【去注册】打开的地址；不填则在本平台注册。",
        highest=200,
        pattern=r"https://[^\s\"'<>]+",
        pattern_hint="须以 https:// 开头",
    ),
    Setting("registration.notice", "lines", "注册须知", "注册表单前显示的须知。", highest=500),
    Setting("registration.phone_note", "text", "联系电话提示", "注册表单上联系电话旁的提示。", highest=100),
    *(
        Setting(
            f"registration.review.{kind}",
            "choice",
            f"{word}注册由谁审核",
            "无需审核的注册验证后立即开通。",
            REVIEWERS,
            security=True,
            required=True,
        )
        for kind, word in (("enterprise", "企业"), ("individual", "个人"), ("institute", "机构"))
    ),
    Setting("login.methods", "list", "登录方式", "登录页提供的登录方式。", METHODS, security=True, required=True),
    Setting("login.type_selector", "bool", "选择用户类型", "登录时须选择个人、企业、机构或专家。", security=True),
    Setting("login.captcha", "bool", "图形验证码", "登录、注册和找回账号时须填写图形验证码。", security=True),
    Setting("login.remember", "bool", "记住登录", "登录页提供“记住我”，不必每次输入密码。", security=True),
    Setting("login.regulator_entry", "bool", "监督检查部门入口", "首页单独提供监督检查部门登录入口。", security=True),
    Setting(
        "password.policy",
        "choice",
        "密码规则",
        "管理员、监管人员和批准人始终不低于“长度优先”。",
        POLICIES,
        security=True,
        required=True,
    ),
    Setting(
        "password.personal",
        "choice",
        "个人密码须含",
        "按手册的规则时，个人用户密码的字符种类。",
        SIGNS,
        security=True,
        required=True,
    ),
    Setting(
        "password.enterprise",
        "choice",
        "企业密码须含",
        "按手册的规则时，企业和机构密码的字符种类。",
        SIGNS,
        security=True,
        required=True,
    ),
    Setting(
        "password.minimum", "int", "密码最短位数", "按手册的规则时密码的最短位数。", lowest=6, highest=20, security=True
    ),
    Setting(
        "password.maximum",
        "int",
        "密码最长位数",
        "按手册的规则时密码的最长位数。",
        lowest=16,
        highest=128,
        security=True,
    ),
    Setting("validate.id_checksum", "bool", "校验身份证号", "身份证号的校验位必须正确。", security=True),
    Setting(
        "validate.uscc_checksum", "bool", "校验统一社会信用代码", "统一社会信用代码的校验位必须正确。", security=True
    ),
    Setting(
        "region.root",
        "text",
        "本平台的地区",
        "地区选择只提供这个地区及其下级；不填为全国。",
        highest=6,
        pattern=r"[0-9]{6}",
        pattern_hint="须为6位行政区划代码",
    ),
    Setting("region.depth", "int", "地区级数", "3为选到区县，4为选到乡镇街道。", lowest=3, highest=4),
    Setting(
        "recovery.mode", "choice", "找回账号的方式", "忘记密码时怎样证明身份。", RECOVERY, security=True, required=True
    ),
    Setting(
        "recovery.offline_mail",
        "text",
        "线下找回邮箱",
        "手机号和用户名都不可用时，申请人发送材料的邮箱；不填则不提供线下找回。",
        highest=100,
        pattern=r"[^@\s]+@[^@\s]+\.[^@\s]+",
        pattern_hint="须为邮箱地址",
    ),
    Setting(
        "recovery.sla_workdays",
        "int",
        "线下找回答复期限（工作日）",
        "超过期限未答复的申请会提示管理员。",
        lowest=1,
        highest=30,
    ),
    Setting("organisation.contact_prompt", "bool", "提示完善联络人员", "企业没有登记联络人员时在首页提示。"),
    Setting("organisation.subaccount_limit", "int", "子账号数量上限", "一个单位最多可以有的子账号。", highest=200),
    Setting(
        "organisation.affiliation_days",
        "int",
        "关联申请有效天数",
        "超过这个天数未处理的关联申请自动失效。",
        lowest=1,
        highest=180,
    ),
    Setting(
        "retention.unverified_days",
        "int",
        "未验证注册保存天数",
        "超过这个天数仍未验证的注册会被删除。",
        lowest=1,
        highest=90,
        security=True,
    ),
    Setting(
        "retention.closed_days",
        "int",
        "注销后保存天数",
        "注销超过这个天数后清除个人信息。",
        highest=1095,
        security=True,
    ),
    Setting(
        "retention.papers_days",
        "int",
        "审核后证照保存天数",
        "审核结束超过这个天数后删除身份证件图片。",
        highest=365,
        security=True,
    ),
    Setting(
        "retention.import_rows_days",
        "int",
        "导入明细保存天数",
        "导入结束超过这个天数后删除逐行明细，结果统计和台账保留。",
        lowest=1,
        highest=365,
        security=True,
    ),
)
__all__ = ["BY_KEY", "SECTIONS", "SETTINGS", "Setting", "in_words", "keys_of", "problem_with"]

BY_KEY: dict[str, Setting] = {setting.key: setting for setting in SETTINGS}
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def keys_of(profile: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every (key, value) of a profile, as the keys of this list are written. Declared forms are no settings: they are
    tables of fields (app.profiles.forms); nor are the ledger's words (app.operations.ledger_fields)."""
    for section, value in profile.items():
        if not isinstance(value, Mapping):
            yield section, value
            continue
        for key, inner in value.items():
            if (section, key) in {("registration", "forms"), ("ledger", "words")}:
                continue
            if isinstance(inner, Mapping):
                yield from ((f"{section}.{key}.{last}", leaf) for last, leaf in inner.items())
            else:
                yield f"{section}.{key}", inner


def problem_with(setting: Setting, value: Any) -> str | None:
    """Why the value cannot be taken, in a sentence, or None."""
    found = _CHECKS[setting.kind](setting, value)
    return f"“{setting.label}”{found}" if found else None


def _truth(_setting: Setting, value: Any) -> str | None:
    return None if isinstance(value, bool) else "须为开或关。"


def _number(setting: Setting, value: Any) -> str | None:
    good = isinstance(value, int) and not isinstance(value, bool) and setting.lowest <= value <= setting.highest
    return None if good else f"须为{setting.lowest}～{setting.highest}的整数。"


def _text(setting: Setting, value: Any) -> str | None:
    if not isinstance(value, str) or "\n" in value or len(value) > setting.highest:
        return f"须为不超过{setting.highest}字的一行文字。"
    if setting.required and not value.strip():
        return "不能为空。"
    if value and setting.pattern and not re.fullmatch(setting.pattern, value):
        return f"{setting.pattern_hint}。"
    return None


def _one(setting: Setting, value: Any) -> str | None:
    return None if value in {c for c, _word in setting.choices} else "的值不在可选范围内，请重新选择。"


def _several(setting: Setting, value: Any) -> str | None:
    if not isinstance(value, list) or len(set(map(str, value))) != len(value):
        return "的值不在可选范围内，请重新选择。"
    if setting.required and not value:
        return "至少选择一项。"
    return next((problem for item in value if (problem := _one(setting, item))), None)


def _lines(setting: Setting, value: Any) -> str | None:
    if not isinstance(value, list) or len(value) > 20 or not all(isinstance(v, str) for v in value):
        return "最多20行。"
    return None if all(len(v) <= setting.highest for v in value) else f"每行不超过{setting.highest}字。"


def _numbers(setting: Setting, value: Any) -> str | None:
    if not isinstance(value, list) or not setting.required <= len(value) <= 10 or len(set(value)) != len(value):
        return f"须为{int(setting.required)}～10个不同的整数。"
    return next((problem for item in value if (problem := _number(setting, item))), None)


def _times(_setting: Setting, value: Any) -> str | None:
    good = (
        isinstance(value, list) and len(value) <= 10 and all(isinstance(v, str) and _TIME.fullmatch(v) for v in value)
    )
    return None if good else "须为最多10个时间，例如 09:00。"


_CHECKS = {
    "bool": _truth,
    "int": _number,
    "text": _text,
    "choice": _one,
    "list": _several,
    "lines": _lines,
    "numbers": _numbers,
    "times": _times,
}


def in_words(setting: Setting, value: Any) -> str:
    """The value as people read it."""
    if setting.kind == "bool":
        return "开" if value else "关"
    words = dict(setting.choices)
    if isinstance(value, list):
        mark = "\n" if setting.kind == "lines" else "、"
        return mark.join(words.get(str(v), str(v)) for v in value) or "（空）"
    return words.get(str(value), str(value)) or "（空）"
