"""Each named constraint and what to tell the person who broke it (law 6); a test holds both sets equal."""

from __future__ import annotations

SENTENCES: dict[str, str] = {
    # what people meet
    "uq_unit_code_active": "该统一社会信用代码已注册，请联系本单位管理员或使用“找回账号”。",
    "uq_account_phone_live": "该手机号已被使用，请更换。",
    "uq_account_user_id": "该登录用户已有账号，请更换用户名。",
    "uq_account_activation_hash": "激活链接重复，请重新发送。",
    "uq_institute_name": "已有同名的技术机构，请更换名称。",
    "uq_institute_code": "该机构代号已被使用，请更换。",
    "uq_institute_capability_institute_id_category_id": "该机构已登记此种别的授权，请直接修改原有记录。",
    "uq_category_code": "该种别代码已存在，请更换。",
    "uq_category_level2": "该二级目录已存在，请更换名称。",
    "uq_instrument_dup_key": "该器具已存在，不能重复录入，请核对生产厂家和出厂编号。",
    "uq_filing_live": "该器具已有一条未终止的备案，请刷新后继续办理。",
    "uq_appointment_item_live": "器具已在另一张预约单中，请刷新后重新选择。",
    "uq_appointment_number": "预约单号重复，请重新提交。",
    "uq_slot_institute_id_mode_day_period": "该日期和时段已经开放，请直接修改原有时段。",
    "uq_certificate_number": "证书编号已存在。",
    "uq_certificate_item_live": "该器具已有编制中的证书，请打开证书继续办理。",
    "uq_job_import_running": "本单位已有一个导入任务正在进行，请等待其完成后再导入。",
    "uq_message_account_id_key": "该消息已发送过。",
    "uq_outbox_key": "该消息已在发送队列中。",
    "uq_development_mail_key": "该邮件已保存过。",
    "uq_reminder_once": "该提醒已发送过。",
    # rules that a form checks first; the table is the last guard
    "ck_account_kind": "账号类型不在可选范围内，请重新选择。",
    "ck_account_state": "账号状态不正确，请刷新后重试。",
    "ck_account_returned_has_reason": "退回注册申请须填写原因（5～500字）。",
    "ck_account_enterprise_has_unit": "企业账号须属于一个使用单位，请选择单位。",
    "ck_account_staff_has_institute": "机构账号须属于一个技术机构，请选择机构。",
    "ck_account_regulator_has_area": "监管账号须有辖区，请选择行政区划。",
    "ck_institute_level": "机构级别须为省级、市级或县级，请重新选择。",
    "ck_instrument_state": "器具状态不正确，请刷新后重试。",
    "ck_instrument_purpose": "器具用途须为贸易结算、安全防护、医疗卫生、环境监测之一。",
    "ck_instrument_delivery_mode": "送检方式须为送检或现场检，请重新选择。",
    "ck_instrument_origin": "器具产地须为国产或进口，请重新选择。",
    "ck_instrument_last_result": "检定结果须为合格或不合格。",
    "ck_instrument_quantity": "器具数量须为大于0的整数。",
    "ck_filing_state": "备案状态不正确，请刷新后重试。",
    "ck_filing_held": "未办结的备案须有处理机构，请选择技术机构。",
    "ck_filing_returned_has_reason": "退回或撤销备案须填写原因（5～500字）。",
    "ck_filing_approved_has_institute": "通过的备案须有备案机构，请刷新后重试。",
    "ck_slot_mode": "检定方式须为送检或现场检，请重新选择。",
    "ck_slot_period": "时段须为上午或下午，请重新选择。",
    "ck_slot_capacity": "可约台数不能低于已约台数。",
    "ck_appointment_state": "预约单状态不正确，请刷新后重试。",
    "ck_appointment_mode": "检定方式须为送检或现场检，请重新选择。",
    "ck_appointment_refused_has_reason": "拒绝或退回预约单须填写原因（5～500字）。",
    "ck_appointment_submitted_has_number": "预约单须先编号再提交，请重新提交。",
    "ck_appointment_item_state": "预约器具状态不正确，请刷新后重试。",
    "ck_appointment_item_result": "检定结果须为合格或不合格。",
    "ck_appointment_item_returned_has_reason": "退单须填写原因（5～500字）。",
    "ck_appointment_item_done_has_result": "检定完成须有检定结果，请先录入。",
    "ck_certificate_state": "证书状态不正确，请刷新后重试。",
    "ck_certificate_kind": "证书类型不正确，请重新录入。",
    "ck_certificate_conclusion": "检定结论须为合格或不合格，请重新选择。",
    "ck_certificate_kind_follows_conclusion": "合格出具检定证书，不合格出具检定结果通知书。",
    "ck_certificate_checker_not_verifier": "核验员与检定员不能为同一人。",
    "ck_certificate_approver_not_verifier": "批准人与检定员不能为同一人。",
    "ck_certificate_numbered": "签发的证书须有编号，请重新签发。",
    "ck_certificate_issued_has_pdf": "证书生成中，请稍候。",
    "ck_certificate_validity": "有效期至须晚于检定日期，请核对。",
    "ck_job_state": "任务状态不正确，请刷新后重试。",
}
IN_USE = "该记录正被其他记录引用，不能删除；如不再使用，请停用。"
MISSING = "所选的关联记录不存在，请重新选择。"


def sentence_for(name: str) -> str | None:
    """The sentence of a constraint; foreign keys share one."""
    if name.startswith("fk_"):
        return MISSING
    return SENTENCES.get(name)
