"""The settings of booking, counter and verification: which ways are open and how long each side has (U-3)."""

from __future__ import annotations

from app.profiles.declared import Choices, Setting, switch

WORDS: Choices = (("own", "本平台"), ("national", "全国"), ("zhejiang", "浙江"), ("guangdong", "广东"))
DUE_UNITS: Choices = (("day", "自然日"), ("workday", "工作日"))

BUSINESS_SWITCHES: tuple[Setting, ...] = (
    switch("appointment", "预约检定", "使用单位可以网上预约检定。"),
    switch("appointment.admin_confirm", "预约须监管确认", "预约单先由监管部门确认，再到技术机构。"),
    switch(
        "appointment.auto_split",
        "自动分单",
        "不同机构、不同检定方式的器具一次提交，由平台分成多张预约单；关闭时须分开预约。",
    ),
    switch("appointment.slots", "按时段预约", "技术机构开放时段，使用单位选择时段预约。"),
    switch("appointment.withdraw_request", "撤销须申请", "已受理的预约单撤销时须经技术机构同意。"),
    switch("appointment.restore", "预约恢复", "自动撤销的预约单可以申请恢复。"),
    switch("appointment.auto_withdraw", "超期自动撤销", "受理后超过期限未送检的预约单自动撤销。"),
    switch("appointment.onsite_nag", "现场检催办", "现场检预约受理后超过规定天数未办结的，提醒技术机构尽快完成。"),
    switch("commission", "前台委托单", "前台收样后开具委托单，凭委托单号和客户密码下载证书。"),
    switch(
        "commission.walk_in", "前台直接受理", "没有预约的送检人可以在前台直接受理，由受理员按统一社会信用代码选择器具。"
    ),
    switch("task.take", "检定员领取任务", "检定员可以自行领取待分派的检定任务。"),
    switch("unmatched", "未匹配检定记录", "技术机构报送的检定记录与台账核对不上时，由单位关联、导入或反馈。"),
)

BUSINESS_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "appointment.words",
        "choice",
        "预约单的说法",
        "使用单位看到的预约单状态、列表的列和标签页按哪一本手册。",
        choices=WORDS,
        required=True,
    ),
    Setting(
        "appointment.cancel_accepted",
        "bool",
        "受理后可取消",
        "机构受理后、送检前，使用单位可以自行取消预约；关闭时须联系机构。",
    ),
    Setting(
        "appointment.number_digits",
        "int",
        "预约单号的流水位数",
        "预约单号为年月日加流水号；全国系统5位，浙江6位。",
        lowest=4,
        highest=8,
    ),
    Setting(
        "appointment.deadline_workdays", "int", "送检期限（工作日）", "受理后须在这个期限内送检。", lowest=1, highest=60
    ),
    Setting(
        "appointment.extended_workdays", "int", "延长后期限（工作日）", "申请延期后的送检期限。", lowest=1, highest=120
    ),
    Setting(
        "appointment.redirect_notice",
        "text",
        "到其他平台预约的提示",
        "显示在预约和预警页面，告知哪些地区到其他平台办理；不填则不显示。",
        highest=100,
    ),
    Setting(
        "appointment.redirect_regions",
        "lines",
        "到其他平台预约的地区",
        "行政区划代码的开头（2、4或6位），每行一个；这些地区的器具不能在本平台预约。",
        highest=6,
    ),
    Setting("appointment.redirect_name", "text", "其他平台的名称", "提示中链接的文字。", highest=40),
    Setting(
        "appointment.redirect_url",
        "text",
        "其他平台的地址",
        "提示中链接的地址；不填则只显示文字。",
        highest=200,
        pattern=r"https://[^\s\"'<>]+",
        pattern_hint="须以 https:// 开头",
    ),
    Setting(
        "appointment.nag_repeat_days",
        "int",
        "催办间隔（天）",
        "现场检超期后每隔多少天再提醒一次。",
        lowest=1,
        highest=90,
    ),
    Setting(
        "appointment.draft_days", "int", "草稿保留天数", "未提交的预约单超过这个天数自动删除。", lowest=7, highest=365
    ),
    Setting(
        "commission.hotline",
        "text",
        "证书下载客服电话",
        "显示在凭委托单号下载证书的页面；不填则显示平台的服务热线。",
        highest=40,
    ),
    Setting("verification.due_lab", "int", "实验室检定期限", "收样后须在这个期限内完成检定。", lowest=1, highest=120),
    Setting(
        "verification.due_onsite", "int", "现场检定期限", "提交预约后须在这个期限内完成检定。", lowest=1, highest=120
    ),
    Setting("verification.due_unit", "choice", "检定期限按", "检定期限按自然日还是工作日计算。", choices=DUE_UNITS),
    Setting("appointment.restores", "int", "可恢复次数", "同一预约单最多可以恢复的次数。", highest=10),
    Setting(
        "appointment.onsite_nag_days",
        "int",
        "现场检提醒天数",
        "现场检预约超过这个天数未办结时提醒。",
        lowest=1,
        highest=365,
    ),
)
