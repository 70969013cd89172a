"""The guards of commission, task, amendment and of results of other systems, by hand as in test_guards.py."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace as Row

from app.workflow import amendment, appointment_rules, commission_rules, filing, item, task, unmatched
from tests.workflows.test_guards import NOW, REGULATOR, TODAY, Session, ask, scale

REASON = "铭牌编号与登记不一致"


def test_a_visit_day_lies_ahead():
    for told, sentence in (
        ("", None),
        (TODAY.isoformat(), None),
        ((TODAY - timedelta(days=1)).isoformat(), "“安排日期”不能早于今天。"),
        ("明天", "“安排日期”不是有效的日期，请按 2026-11-20 的格式填写。"),
    ):
        assert ask("appointment", "accept", "visit_day", Row(), data={"visit_day": told}) == sentence


def test_a_unit_moves_its_half_day_until_the_institute_agreed_and_not_at_the_last_moment():
    tomorrow = TODAY + timedelta(days=1)
    near, far = Row(day=tomorrow, period="morning"), Row(day=tomorrow, period="afternoon")
    late = "距预约时间不足24小时，请联系检定机构。"
    mine, foreign = {"unit_id": 1, "slot_id": 5}, {"unit_id": 2, "slot_id": 5}
    for order, slot, sentence in (
        (Row(state="submitted", **mine), near, late),
        (Row(state="submitted", **mine), far, None),
        (Row(state="submitted", **mine), None, None),  # its half day went by, it has to choose another
        (Row(state="accepted", **mine), far, "机构已受理的预约由检定机构改期，请联系检定机构。"),
        (Row(state="accepted", **foreign), near, None),
    ):
        assert ask("appointment", "reschedule", "in_time", order, session=Session(row=slot)) == sentence


def test_another_half_day_is_of_the_same_institute_and_way():
    order, wrong = Row(institute_id=1, mode="onsite"), "所选时段不属于该机构或检定方式，请重新选择。"
    for slot, sentence in (
        (Row(institute_id=1, mode="onsite"), None),
        (Row(institute_id=2, mode="onsite"), wrong),
        (Row(institute_id=1, mode="deliver"), wrong),
        (None, wrong),
    ):
        data, session = {"slot_id": "5"}, Session(row=slot)
        assert ask("appointment", "reschedule", "slot_fits", order, data=data, session=session) == sentence
    assert ask("appointment", "reschedule", "slot_fits", order, data={"slot_id": "x"}) == wrong


def test_dispatching_to_whom_the_register_does_not_know_for_it(monkeypatch):
    row, target = Row(instrument=Row(category_id=1)), Session(row=Row(id=3, active=True))
    data, said = {"institute_id": "3"}, "该机构未登记此项能力，确定分派？仍要分派的请勾选确认。"
    monkeypatch.setattr(filing, "authorised", lambda *_: False)
    assert ask("filing", "dispatch", "target_capable", row, data=data, session=target) == said
    sure = {**data, "unregistered_ok": True}
    assert ask("filing", "dispatch", "target_capable", row, data=sure, session=target) is None
    assert ask("filing", "dispatch", "target_capable", row, data=data) is None, "no institute is said by another guard"
    monkeypatch.setattr(filing, "authorised", lambda *_: True)
    assert ask("filing", "dispatch", "target_capable", row, data=data, session=target) is None


def test_who_lacks_the_licence_is_told_by_whoever_decides(monkeypatch):
    row = Row(holder_institute_id=1, instrument=Row(category_id=1))
    monkeypatch.setattr(filing, "authorised", lambda *_: False)
    told = "受理机构未获该项目授权或授权已过期，请由该机构分派、转送，或退回申请方。"
    assert ask("filing", "approve", "capable", row, actor=REGULATOR) == told


def test_an_order_of_another_institute_or_not_accepted():
    for order, sentence in (
        (None, "请先选择预约单。"),
        (Row(institute_id=1, state="accepted"), None),
        (Row(institute_id=1, state="in_progress"), None),
        (Row(institute_id=1, state="withdrawn"), "预约单状态为“已撤销”，不能登记。"),
    ):
        assert ask("commission", "start", "order", Row(appointment_id=5), session=Session(row=order)) == sentence
    foreign = Row(institute_id=2, state="accepted")
    said = ask("commission", "start", "order", Row(appointment_id=5), session=Session(row=foreign))
    assert said.startswith("该预约单由")
    assert said.endswith("受理，请引导用户前往。")


def test_a_line_is_one_of_the_order_that_waits():
    row = Row(appointment_id=5)
    for found, sentence in (
        (Row(appointment_id=5, state="accepted"), None),
        (Row(appointment_id=6, state="accepted"), "请选择本预约单中的器具。"),
        (Row(appointment_id=5, state="received"), "该器具已核对过或不在待送检状态，请刷新页面。"),
    ):
        answer = ask("commission", "check_line", "line", row, data={"item_id": "3"}, session=Session(row=found))
        assert answer == sentence
    assert ask("commission", "check_line", "line", row, data={"item_id": "x"}) == "请选择本预约单中的器具。"


def test_all_five_points_are_compared():
    every = ["name", "model", "serial", "unit", "condition"]
    for verdict, ticks, sentence in (
        ("receive", every, None),
        ("return", [], None),
        ("receive", every[:4], "器具存在故障，请维修后再送检。"),
        ("receive", every[1:], "请逐项核对铭牌与登记信息：名称未核对；不一致的请选择退单。"),
    ):
        data = {"verdict": verdict, "ticks": ticks}
        assert ask("commission", "check_line", "five", Row(), data=data) == sentence


def test_a_return_says_why():
    for data, sentence in (
        ({"verdict": "receive"}, None),
        ({"verdict": "return"}, "请选择退单类别。"),
        ({"verdict": "return", "kind": "fault", "reason": "坏"}, "请填写原因（5～500字）。"),
        ({"verdict": "return", "kind": "fault", "reason": REASON}, None),
    ):
        assert ask("commission", "check_line", "return", Row(), data=data) == sentence


def test_nothing_received_nothing_opened(monkeypatch):
    for found, sentence in (([Row()], None), ([], "没有可受理的器具。")):
        monkeypatch.setattr(commission_rules, "received_items", lambda *_args, found=found: found)
        assert ask("commission", "open", "received", Row()) == sentence


def test_a_commission_whose_work_has_begun_stays(monkeypatch):
    for states, sentence in (
        (["queued", "assigned"], None),
        (["queued", "in_progress"], "已有器具开始检定，不能作废。"),
        (["recorded"], "已有器具开始检定，不能作废。"),
    ):
        monkeypatch.setattr(commission_rules, "tasks_of", lambda _c, states=states: [Row(state=s) for s in states])
        assert ask("commission", "void", "none_begun", Row()) == sentence


def test_only_a_certified_verifier_of_the_house(monkeypatch):
    row = Row(institute_id=1, instrument=scale())
    own = Row(id=9, name="王检", institute_id=1, roles=["VER"])
    data = {"verifier_id": "9"}
    monkeypatch.setattr(commission_rules, "verifier_lapsed", lambda *_: None)
    assert ask("task", "assign", "verifier", row, data=data, session=Session(row=own)) is None
    for wrong in (None, Row(id=9, institute_id=2, roles=["VER"]), Row(id=9, institute_id=1, roles=["REC"])):
        said = ask("task", "assign", "verifier", row, data=data, session=Session(row=wrong))
        assert said == "请选择本机构的检定员。"
    monkeypatch.setattr(commission_rules, "verifier_lapsed", lambda *_: "未持有“电子计价秤”资格")
    said = ask("task", "assign", "verifier", row, data=data, session=Session(row=own))
    assert said == "王检未持有“电子计价秤”资格。"
    assert ask("task", "take", "self", row) == "您未持有“电子计价秤”资格，不能领取。"


def test_a_task_begins_with_everything_valid(monkeypatch):
    row = Row(institute_id=1, instrument=scale())
    monkeypatch.setattr(task, "lapsed", lambda *_: "计量标准“天平”证书（至2026-01-01）")
    sentence = "计量标准“天平”证书（至2026-01-01）已失效，不能开展检定，请先更新授权信息。"
    assert ask("task", "begin", "authorised", row) == sentence
    monkeypatch.setattr(task, "lapsed", lambda *_: None)
    assert ask("task", "begin", "authorised", row) is None


def test_breaking_off_takes_the_verifiers_word_first():
    assert ask("task", "abort", "asked", Row(abort_asked_by_id=9)) is None
    said = ask("task", "abort", "asked", Row(abort_asked_by_id=None))
    assert said == "终止须先由检定员提出，请联系承担任务的检定员。"


def test_delivered_instruments_are_received_before_they_are_verified():
    for state, mode, sentence in (
        ("received", "deliver", None),
        ("accepted", "onsite", None),
        ("accepted", "deliver", "送检的器具须先收样核对，再开始检定。"),
    ):
        assert ask("item", "begin", "received", Row(state=state, mode=mode)) == sentence


def test_what_has_a_task_is_worked_on_there(monkeypatch):
    for found, sentence in ((None, None), (Row(id=3), "该器具已有检定任务，请在检定任务中办理。")):
        monkeypatch.setattr(item, "task_of", lambda *_args, found=found: found)
        for step in ("begin", "abort"):
            assert ask("item", step, "task", Row(id=1)) == sentence


def test_one_correction_at_a_time():
    for found, sentence in ((None, None), (4, "该证书已有更正在办理，请继续办理更正后的证书。")):
        assert (
            ask("certificate", "begin_correction", "one_correction", Row(id=1), session=Session(found=found))
            == sentence
        )


def test_an_amendment_waits_for_no_booking_and_needs_the_filing(monkeypatch):
    row = Row(instrument_id=1, filing=Row(state="approved"))
    for busy, sentence in ((None, None), (Row(id=1), "器具已预约，不能变更备案信息。")):
        monkeypatch.setattr(amendment, "live_item_of", lambda *_args, busy=busy: busy)
        for step in ("ask", "approve"):
            assert ask("amendment", step, "not_booked", row) == sentence
    assert ask("amendment", "approve", "filed", row) is None
    row.filing.state = "revoked"
    assert ask("amendment", "approve", "filed", row) == "备案已不是“已审核”状态，变更申请不再有效，请退回。"


def record(**more):
    return Row(**{"unit_id": 1, "instrument_name": "电子计价秤", "model": "ACS-30", "verified_on": TODAY} | more)


def test_a_result_is_linked_to_an_own_instrument_that_is_the_same(monkeypatch):
    own = Row(id=5, unit_id=1, state="in_use", name="电子计价秤", model="ACS-30")
    data = {"instrument_id": "5"}

    def said(guard, row=None, found=own, **more):
        return ask("unmatched", "link", guard, row or record(), data={**data, **more}, session=Session(row=found))

    assert said("instrument") is None
    for wrong in (None, Row(unit_id=2, state="in_use"), Row(unit_id=1, state="purged")):
        assert said("instrument", found=wrong) == "请选择本单位台账中的器具。"
    monkeypatch.setattr(unmatched, "last_verification", lambda *_: Row(verified_on=TODAY + timedelta(days=1)))
    assert said("older") == "该器具已有更新的检定记录，仍要关联？请勾选确认。"
    assert said("older", older_ok=True) is None
    monkeypatch.setattr(unmatched, "last_verification", lambda *_: None)
    assert said("older") is None
    assert said("same") is None
    differs = "名称或型号不一致，请核对；确属同一台器具的请勾选确认。"
    assert said("same", record(model="ACS-15")) == differs
    assert said("same", record(instrument_name="压力表")) == differs
    assert said("same", record(model="ACS-15"), differs_ok=True) is None


def test_the_platform_links_only_what_is_certain(monkeypatch):
    for found, sentence in ((Row(id=1), None), (None, "台账中没有唯一对应的器具。")):
        monkeypatch.setattr(unmatched, "match_of", lambda *_args, found=found: found)
        assert ask("unmatched", "match", "matched", record()) == sentence


def test_a_record_goes_to_another_known_unit(monkeypatch):
    for found, sentence in (
        (Row(id=2), None),
        (Row(id=1), "该记录已属于这个单位，请填写其他单位。"),
        (None, "没有这个统一社会信用代码的单位，请核对。"),
    ):
        monkeypatch.setattr(unmatched, "unit_by_code", lambda *_args, found=found: found)
        assert ask("unmatched", "reassign", "unit", record(), data={"unit_code": "9144"}) == sentence


def test_type_evaluated_kinds_bring_their_paper(monkeypatch):
    row = Row(instrument=Row(id=1, category=Row(supervision="P+V")))
    sentence = "监管方式为“P+V”类的工作计量器具需上传“型式评价”证书，请在器具的“相关资料”中上传后再提交。"
    for rule, supervision, kept, said in (
        ("required", "P+V", None, sentence),
        ("required", "P+V", 4, None),
        ("required", "V", None, None),
        ("optional", "P+V", None, None),
    ):
        monkeypatch.setattr("app.workflow.filing.setting", lambda *_args, rule=rule: rule)
        row.instrument.category.supervision = supervision
        assert ask("filing", "submit", "pv_certificate", row, session=Session(found=kept)) == said


def test_an_undecided_extension_holds_the_withdrawal_back_for_two_working_days(monkeypatch):
    monkeypatch.setattr("app.workdays.exceptions", lambda _session: {})
    row = Row(id=1, mode="deliver", deadline_at=NOW - timedelta(seconds=1), extension_asked_at=NOW - timedelta(days=1))
    waiting = Session(found="request_extension")
    assert ask("appointment", "auto_withdraw", "overdue", row, session=waiting) == "延长申请尚未答复，暂不撤销。"
    assert ask("appointment", "auto_withdraw", "overdue", row, session=Session(found="extension_no")) is None
    row.deadline_at = NOW - timedelta(days=8)
    assert ask("appointment", "auto_withdraw", "overdue", row, session=waiting) is None


def test_a_half_day_that_has_begun():
    row = Row(slot_id=1)
    for day, period, sentence in (
        (TODAY - timedelta(days=1), "afternoon", None),
        (TODAY, "morning", None),
        (TODAY, "afternoon", None),  # it is noon
        (TODAY + timedelta(days=1), "morning", "预约时段尚未开始。"),
    ):
        slot = Row(day=day, period=period)
        assert ask("appointment", "lose_slot", "passed", row, session=Session(row=slot)) == sentence
    assert ask("appointment", "lose_slot", "passed", row, session=Session()) == "该预约单没有预约时段。"


def test_places_that_another_platform_serves(monkeypatch):
    from app.workflow import appointment_terms, elsewhere

    values = {"redirect_regions": ["3301"], "redirect_notice": "", "redirect_name": "杭州平台", "redirect_url": ""}
    monkeypatch.setattr(elsewhere, "setting", lambda _section, key: values[key])
    for step in ("submit", "submit_for_confirmation"):
        for division, sentence in (("330106", "该地区的预约请前往杭州平台办理。"), ("330203", None), (None, None)):
            monkeypatch.setattr(appointment_terms, "waiting_items", lambda _ctx, d=division: [Row(use_division=d)])
            assert ask("appointment", step, "elsewhere", Row(id=1)) == sentence
    assert elsewhere.elsewhere_address() is None
    values["redirect_url"] = "https://example.org/book"
    assert elsewhere.elsewhere_address() == "https://example.org/book"


def test_a_refused_restore_is_final():
    for last, sentence in ((None, None), ("auto_withdraw", None), ("restore_no", "恢复申请未通过，请重新预约。")):
        row = Row(id=1)
        assert ask("appointment", "request_restore", "refused", row, session=Session(found=last)) == sentence


def test_what_comes_without_an_order_is_asked_the_same(monkeypatch):
    row = Row(unit_id=1, institute_id=1)
    data = {"instrument_ids": [7]}
    found = scale()
    monkeypatch.setattr(appointment_rules, "barred_from_booking", lambda *_: False)
    monkeypatch.setattr(appointment_rules, "live_item_sentence", lambda *_: None)
    monkeypatch.setattr(appointment_rules, "lapsed", lambda *_: None)

    def asked() -> str | None:
        return ask("appointment", "walk_in", "brought", row, data=data)

    monkeypatch.setattr(appointment_rules, "brought", lambda _c: [])
    assert asked() == "请选择该单位的器具。"
    monkeypatch.setattr(appointment_rules, "brought", lambda _c: [found])
    assert asked() is None
    name = f"“{found.name} {found.serial_no}”"
    monkeypatch.setattr(appointment_rules, "lapsed", lambda *_: "机构授权（至2026-01-01）")
    assert asked() == f"机构授权（至2026-01-01）已失效，不能受理{name}，请先更新授权信息。"
    monkeypatch.setattr(appointment_rules, "live_item_sentence", lambda *_: "器具已在预约单1中。")
    assert asked() == "器具已在预约单1中。"
    monkeypatch.setattr(appointment_rules, "barred_from_booking", lambda *_: True)
    assert asked() == f"器具{name}{appointment_rules.INVALID}"
    found.compulsory = False
    assert asked() == f"器具{name}：{appointment_rules.NOT_COMPULSORY}"
    found.state = "suspended"
    assert asked() == f"器具{name}未在用或备案尚未通过，不能受理。"


def test_what_is_outside_the_catalogue_is_not_sent_again():
    said = "技术机构认定该器具不属于强检目录，不能重新提交，请删除该器具。"
    for state, kind, sentence in (
        ("returned", "not_listed", said),
        ("returned", "incomplete", None),
        ("pending", "not_listed", None),
    ):
        assert ask("filing", "submit", "resubmittable", Row(state=state, return_kind=kind)) == sentence


def test_a_filing_is_not_revoked_while_its_instrument_is_verified(monkeypatch):
    for item_state, sentence in (
        (None, None),
        ("accepted", None),
        ("verifying", "器具正在检定，请在检定结束后再撤销备案。"),
    ):
        found = Row(state=item_state) if item_state else None
        monkeypatch.setattr("app.workflow.filing.live_item_of", lambda *_args, found=found: found)
        assert ask("filing", "revoke", "not_verifying", Row(instrument_id=1)) == sentence


def test_a_change_makes_no_twin(monkeypatch):
    monkeypatch.setattr(amendment, "setting", lambda *_args: ["serial_no"])
    row = Row(instrument=scale(), unit_id=1, instrument_id=1, changes={"serial_no": ["A1", "B2"]})
    sentence = "变更后与该单位的另一台器具重复，请选择“不同意变更”并说明原因。"
    assert ask("amendment", "approve", "key_free", row, session=Session(found=7)) == sentence
    assert ask("amendment", "approve", "key_free", row, session=Session(found=None)) is None


def test_a_confirmed_instrument_leaves_its_order_only_where_the_deployment_lets_it(monkeypatch):
    said = "机构已确认的预约不能取消，请联系检定机构。"
    for allowed, state, header_moves, sentence in (
        (True, "accepted", False, None),
        (False, "accepted", False, said),
        (False, "assigned", False, None),
        (False, "accepted", True, None),  # the order's own step takes its instruments along
    ):
        monkeypatch.setattr(appointment_rules, "setting", lambda *_args, allowed=allowed: allowed)
        monkeypatch.setattr(appointment_rules, "switch_on", lambda _name: False)
        session = Session()
        session.info = {"header_moves": header_moves}
        assert ask("item", "cancel", "confirmed", Row(state=state), session=session) == sentence
    monkeypatch.setattr(appointment_rules, "setting", lambda *_args: True)
    monkeypatch.setattr(appointment_rules, "switch_on", lambda name: name == "appointment.withdraw_request")
    asked, session = "机构已受理，请使用“申请撤销”。", Session()
    session.info = {}
    assert ask("item", "cancel", "confirmed", Row(state="accepted"), session=session) == asked
    assert ask("item", "cancel", "confirmed", Row(state="assigned"), session=session) is None
    assert ask("appointment", "cancel", "request_first", Row(state="accepted")) == asked
    monkeypatch.setattr(appointment_rules, "setting", lambda *_args: False)
    assert ask("appointment", "cancel", "request_first", Row(state="accepted")) == said
    assert ask("appointment", "cancel", "request_first", Row(state="submitted")) is None
