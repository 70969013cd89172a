"""Every guard, with the sentence people read, written by hand (WORKFLOWS). Rows are stubs; what a guard asks the
database is answered here. The last test holds this table and the declarations equal."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from types import SimpleNamespace as Row

import pytest

from app import clock
from app.access.principal import Principal
from app.workflow import REGISTRY, certificate, filing, instrument, item, lifecycle, transfer
from app.workflow import appointment_rules as appointment
from app.workflow.engine import Context
from models.enums import Role

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 12, tzinfo=clock.ZONE)
PERSON = Principal(
    7, "某人", frozenset({Role.REC}), unit_id=1, institute_id=1, institute_level="city", institute_area="4401"
)
REGULATOR = Principal(8, "监管", frozenset({Role.REG}), area="4401")


class Session:
    """Answers what a guard asks: `get` gives `row`, queries give `found`."""

    def __init__(self, row=None, found=None):
        self.row, self.found = row, found

    def get(self, _model, _pk, **_options):
        return self.row

    def scalar(self, _statement):
        return self.found

    def execute(self, _statement):
        return self

    def scalars(self):
        return iter(self.found or [])

    def first(self):
        return self.found


def ask(workflow: str, step: str, guard: str, obj, *, data=None, session=None, actor=PERSON):
    machine = REGISTRY[workflow]
    declared = machine.step(step)
    (found,) = [g for g in declared.guards if g.name == guard]
    ASKED.add((workflow, guard))
    with clock.frozen(NOW):
        return found.check(Context(session or Session(), machine, declared, obj, actor, data or {}))


ASKED: set[tuple[str, str]] = set()


@pytest.fixture(autouse=True)
def on_this_day():
    with clock.frozen(NOW):
        yield


@pytest.fixture
def live(monkeypatch):
    """Whether the instrument stands in a live item; set by calling it."""

    def say(value):
        for module in (instrument, filing, item, lifecycle, transfer):
            monkeypatch.setattr(module, "live_item_of", lambda _session, _pk: value)

    say(None)
    return say


@pytest.fixture
def items(monkeypatch):
    def say(*states, **more):
        rows = [Row(state=s, instrument=scale(**more)) for s in states]
        monkeypatch.setattr(appointment, "items_of", lambda _ctx: rows)

    return say


def scale(state="in_use"):
    return Row(name="电子计价秤", serial_no="A001", state=state, category_id=1, unit_id=1, compulsory=True)


# -- instruments -----------------------------------------------------------------------------------------------------

BUSY = [
    ("edit", "free", "器具正在预约流程中，不能修改。"),
    ("bulk_edit", "free", "器具正在预约流程中，不能修改。"),
    ("suspend", "not_booked", "器具已预约，请先取消预约再停用。"),
    ("scrap", "not_booked", "器具已预约，请先取消预约再报废。"),
    ("retire", "no_open_business", "器具有未办结业务，不能转入曾用库。"),
    ("merge", "no_open_business", "器具有未办结业务，不能合并。"),
    ("transfer_unit", "no_open_business", "器具有未办结业务，不能变更使用单位。"),
    ("change_nozzle", "no_open_business", "器具有未办结业务，不能更换加油枪。"),
]


@pytest.mark.parametrize("step, guard, sentence", BUSY)
def test_a_booked_instrument_stays_as_it_is(live, step, guard, sentence):
    assert ask("instrument", step, guard, Row(id=1)) is None
    live(Row(id=5))
    assert ask("instrument", step, guard, Row(id=1)) == sentence


@pytest.mark.parametrize(
    "step, guard, sentence",
    [
        ("enable", "key_free", "已有相同器具在用，不能启用。"),
        ("restore", "key_free", "已有相同器具在用，不能恢复。"),
        ("unmerge", "key_free", "已有相同器具在用，不能取消合并。"),
    ],
)
def test_the_key_was_taken_meanwhile(step, guard, sentence):
    row = Row(id=1, unit_id=1, dup_key="x")
    assert ask("instrument", step, guard, row, session=Session(found=None)) is None
    assert ask("instrument", step, guard, row, session=Session(found=2)) == sentence


def test_a_regulator_says_why():
    row, why = Row(id=1), "请填写原因（5～500字）。"
    assert ask("instrument", "suspend", "regulator_reason", row, actor=REGULATOR) == why
    assert (
        ask("instrument", "suspend", "regulator_reason", row, actor=REGULATOR, data={"reason": "现场检查发现"}) is None
    )
    assert ask("instrument", "suspend", "regulator_reason", row) is None


@pytest.mark.parametrize(
    "state, direct, sentence",
    [
        ("in_use", False, "请先停用，再报废。"),
        ("in_use", True, None),
        ("suspended", False, None),
    ],
)
def test_scrapping_directly_where_the_profile_allows(monkeypatch, state, direct, sentence):
    monkeypatch.setattr(instrument, "switch_on", lambda _name: direct)
    assert ask("instrument", "scrap", "scrap_from", Row(state=state)) == sentence


@pytest.mark.parametrize("used", ["ever_filed", "ever_booked", "ever_verified"])
@pytest.mark.parametrize("rule", ["never_booked", "not_filed"])
def test_a_used_instrument_is_not_deleted(monkeypatch, used, rule):
    monkeypatch.setattr(lifecycle, "setting", lambda _section, _key: rule)
    for name in ("ever_filed", "ever_booked", "ever_verified"):
        monkeypatch.setattr(lifecycle, name, lambda *_, said=(name == used): said)
    assert ask("instrument", "delete", "never_used", Row(id=1)) == "已备案或已检定的器具不能删除。"
    monkeypatch.setattr(lifecycle, used, lambda *_: False)
    assert ask("instrument", "delete", "never_used", Row(id=1)) is None


@pytest.mark.parametrize("rule", ["any", "to_history"])
def test_what_is_going_on_is_not_deleted(monkeypatch, live, rule):
    monkeypatch.setattr(lifecycle, "setting", lambda _section, _key: rule)
    assert ask("instrument", "delete", "never_used", Row(id=1)) is None
    live(Row(appointment_id=3))
    assert ask("instrument", "delete", "never_used", Row(id=1)) == "器具有未办结业务，不能删除。"


def test_purging_asks_for_the_number():
    typed = "输入的出厂编号与该器具不一致，请核对后重新输入。"
    assert ask("instrument", "purge", "typed", Row(serial_no="A001"), data={"serial_no": "A002"}) == typed
    assert ask("instrument", "purge", "typed", Row(serial_no="A001"), data={"serial_no": " A001 "}) is None


# -- transfer --------------------------------------------------------------------------------------------------------


def test_handing_over_an_instrument(live):
    row = Row(id=1, unit_id=1, receiver_unit_id=2, instrument_id=5, expires_on=TODAY)
    subject = Row(id=5, unit_id=1, state="suspended", dup_key="x")
    there = Session(row=subject)
    assert ask("transfer", "ask", "movable", row, session=there) is None
    live(Row(appointment_id=3))
    assert ask("transfer", "accept", "movable", row, session=there) == "器具有未办结业务，不能变更使用单位。"
    subject.state = "scrapped"
    assert ask("transfer", "ask", "movable", row, session=there) == "只有在用或停用的器具可以变更使用单位。"
    taken = Session(row=subject, found=9)
    assert ask("transfer", "accept", "key_free", row, session=there) is None
    assert ask("transfer", "accept", "key_free", row, session=taken) == "本单位已有相同器具，不能接收。"


def test_accepting_in_time_at_a_known_place():
    row, late = Row(expires_on=TODAY), Row(expires_on=TODAY - timedelta(days=1))
    assert ask("transfer", "accept", "in_time", row) is None
    assert ask("transfer", "accept", "in_time", late) == "该申请已超过14天有效期，请联系转出单位重新发起。"
    county, city = Session(row=Row(has_children=False)), Session(row=Row(has_children=True))
    data, said = {"use_division": "440103"}, "使用地点行政区划须选择到区县。"
    assert ask("transfer", "accept", "known_place", row, data=data, session=county) is None
    assert ask("transfer", "accept", "known_place", row, data=data, session=city) == said
    assert ask("transfer", "accept", "known_place", row, session=county) == said


# -- filing ----------------------------------------------------------------------------------------------------------


def body(level="city", division="440100", name="广州所"):
    area = division[: {"province": 2, "city": 4, "county": 6}[level]]
    return Row(id=3, level=level, division_code=division, area=area, name=name, active=True)


def test_submitting_a_filing():
    row = Row(use_division="440103", instrument=Row(category=Row(mandatory=False, code="11010100"), compulsory=False))
    assert ask("filing", "submit", "compulsory", row) == "非强检器具不需要备案或预约强制检定。"
    row.instrument.compulsory = True
    assert ask("filing", "submit", "compulsory", row) is None
    assert ask("filing", "submit", "declared", row) == "请确认责任声明。"
    assert ask("filing", "submit", "declared", row, data={"declaration": True}) is None
    assert ask("filing", "submit", "mandatory", row) == "该种别不属于强制检定目录，无需备案。"
    row.instrument.category.mandatory = True
    assert ask("filing", "submit", "mandatory", row) is None


@pytest.mark.parametrize(
    "institute, sentence",
    [
        (None, "请选择备案的技术机构。"),
        (body("province", "440000"), "备案时只能选择市级或县级技术机构，请重新选择。"),
        (body("city", "440300", "深圳所"), "“深圳所”不受理该使用地点的备案，请选择当地的技术机构。"),
        (body(), None),
        (body("county", "440103"), None),
    ],
)
def test_the_institute_of_a_filing(institute, sentence):
    row, data = Row(use_division="440103"), {"institute_id": "3"}
    assert ask("filing", "submit", "institute", row, data=data, session=Session(row=institute)) == sentence


@pytest.mark.parametrize("step", ["approve", "confirm"])
def test_an_institute_without_authorisation(monkeypatch, step):
    row = Row(holder_institute_id=1, instrument=Row(category_id=1))
    monkeypatch.setattr(filing, "authorised", lambda *_: False)
    assert ask("filing", step, "capable", row) == "本机构未获该项目授权或授权已过期，请分派或转送。"
    monkeypatch.setattr(filing, "authorised", lambda *_: True)
    assert ask("filing", step, "capable", row) is None


@pytest.mark.parametrize(
    "target, route, sentence",
    [
        (None, [], "请选择要分派的区县机构。"),
        (body("city", "440100"), [], "只能分派至本市所辖区县机构。"),
        (body("county", "440304"), [], "只能分派至本市所辖区县机构。"),
        (body("county", "440103"), [{"institute": 3, "step": "refuse"}], "该机构已退回过本器具，请选择其他机构。"),
        (body("county", "440103"), [], None),
    ],
)
def test_dispatching(target, route, sentence):
    row = Row(route=route)
    assert ask("filing", "dispatch", "inside_city", row, session=Session(row=target)) == sentence


def test_transferring_to_the_province():
    closed, opened = Row(allow_province=False), Row(allow_province=True, use_division="440103")
    assert ask("filing", "transfer", "province_allowed", closed) == "申请方未授权转送省级机构，请退回或联系申请方。"
    assert ask("filing", "transfer", "province_allowed", opened) is None
    right, wrong = "province_target", "请选择本省的省级技术机构。"
    assert ask("filing", "transfer", right, opened, session=Session(row=body("city"))) == wrong
    assert ask("filing", "transfer", right, opened, session=Session(row=body("province", "330000"))) == wrong
    assert ask("filing", "transfer", right, opened, session=Session(row=body("province", "440000"))) is None


def test_amending_a_filing(live):
    assert ask("filing", "amend", "not_booked", Row(instrument_id=1)) is None
    live(Row(id=5))
    assert ask("filing", "amend", "not_booked", Row(instrument_id=1)) == "器具已预约，不能变更备案信息。"


# -- appointments ----------------------------------------------------------------------------------------------------

SUBMITS = ("submit", "submit_for_confirmation")


@pytest.mark.parametrize("step", SUBMITS)
def test_submitting_an_appointment(items, step):
    items()
    assert ask("appointment", step, "items", Row(id=1)) == "请选择至少一台器具。"
    items("pending", state="suspended")
    assert ask("appointment", step, "items", Row(id=1)) is None
    assert ask("appointment", step, "bookable", Row(id=1)) == "器具“电子计价秤 A001”状态为“停用”，不能预约。"
    items("pending")
    assert ask("appointment", step, "bookable", Row(id=1)) is None


@pytest.mark.parametrize("step", SUBMITS)
def test_the_slot_of_an_appointment(monkeypatch, step):
    row, fits = Row(slot_id=3, institute_id=1, mode="onsite"), Row(institute_id=1, mode="onsite")
    assert ask("appointment", step, "slot", row) == "请选择预约时段。"
    wrong = "所选时段不属于该机构或检定方式，请重新选择。"
    assert ask("appointment", step, "slot", row, session=Session(row=Row(institute_id=2, mode="onsite"))) == wrong
    assert ask("appointment", step, "slot", row, session=Session(row=Row(institute_id=1, mode="deliver"))) == wrong
    assert ask("appointment", step, "slot", row, session=Session(row=fits)) is None
    monkeypatch.setattr(appointment, "switch_on", lambda _name: False)
    assert ask("appointment", step, "slot", row) is None


def test_accepting_needs_a_valid_authorisation(items, monkeypatch):
    items("assigned")
    monkeypatch.setattr(appointment, "lapsed", lambda *_: "机构授权（至2026-01-01）")
    sentence = "机构授权（至2026-01-01）已失效，不能受理“电子计价秤”，请退回或更新授权信息。"
    assert ask("appointment", "accept", "authorised", Row(institute_id=1)) == sentence
    monkeypatch.setattr(appointment, "lapsed", lambda *_: None)
    assert ask("appointment", "accept", "authorised", Row(institute_id=1)) is None


@pytest.mark.parametrize(
    "step, guard, sentence",
    [
        ("cancel", "none_received", "已送检的器具不能取消预约。"),
        ("request_withdraw", "none_received", "已送检的器具不能撤销。"),
        ("auto_withdraw", "none_received", "已送检的器具不能撤销。"),
    ],
)
def test_what_was_brought_is_not_cancelled(items, step, guard, sentence):
    for state in ("received", "verifying", "done"):
        items("accepted", state)
        assert ask("appointment", step, guard, Row(id=1)) == sentence
    items("accepted", "cancelled")
    assert ask("appointment", step, guard, Row(id=1)) is None


def test_sending_back_what_is_being_verified(items):
    items("verifying", "accepted")
    assert ask("appointment", "send_back", "none_verifying", Row(id=1)) == "已有器具在检，不能整单退回。"
    items("received", "accepted")
    assert ask("appointment", "send_back", "none_verifying", Row(id=1)) is None


def test_cancelling_what_was_accepted(monkeypatch):
    row = Row(state="accepted")
    assert ask("appointment", "cancel", "request_first", row) == "机构已受理，请使用“申请撤销”。"
    assert ask("appointment", "cancel", "request_first", Row(state="submitted")) is None
    asked = {"appointment.withdraw_request", "appointment.admin_confirm"}
    monkeypatch.setattr(appointment, "switch_on", lambda name: name in asked)
    sent = ask("appointment", "cancel", "request_first", Row(state="submitted"))
    assert sent == "预约单已送达检定机构，请使用“申请撤销”。"
    assert ask("appointment", "cancel", "request_first", Row(state="admin_review")) is None
    monkeypatch.setattr(appointment, "switch_on", lambda _name: False)
    assert ask("appointment", "cancel", "request_first", row) is None


def test_extending_once_and_in_time():
    fresh = {"mode": "deliver", "extended": False, "extension_asked_at": None, "deadline_at": NOW + timedelta(days=1)}
    for change, sentence in (
        ({}, None),
        ({"mode": "onsite"}, "只有送检的预约单可以申请延长。"),
        ({"extended": True}, "每张预约单只能延长一次。"),
        ({"extension_asked_at": NOW}, "每张预约单只能延长一次。"),
        ({"deadline_at": NOW - timedelta(seconds=1)}, "已超过送检期限。"),
    ):
        assert ask("appointment", "request_extension", "extendable", Row(**fresh | change)) == sentence
    for step in ("extension_ok", "extension_no"):
        nothing = ask("appointment", step, "asked", Row(extension_asked_at=None))
        assert nothing == "该预约单没有待审核的延长申请。"
        row = Row(id=1, extension_asked_at=NOW)
        assert ask("appointment", step, "asked", row, session=Session(found="request_extension")) is None
        for decided in ("extension_ok", "extension_no", "restore_ok"):
            assert ask("appointment", step, "asked", row, session=Session(found=decided)) == nothing


def test_withdrawing_by_itself_only_after_the_term():
    sentence = "尚未超过送检期限。"
    row = Row(id=1, mode="deliver", deadline_at=NOW, extension_asked_at=None)
    assert ask("appointment", "auto_withdraw", "overdue", row) == sentence, "the last second still counts"
    row.deadline_at = NOW - timedelta(seconds=1)
    assert ask("appointment", "auto_withdraw", "overdue", row) is None
    assert ask("appointment", "auto_withdraw", "overdue", Row(mode="onsite", deadline_at=row.deadline_at)) == sentence


@pytest.mark.must_never(75)
def test_restoring():
    fresh = {"auto_withdrawn": True, "ended_at": NOW - timedelta(days=30), "restores": 1}
    for change, sentence in (
        ({}, None),
        ({"auto_withdrawn": False}, "只有系统自动撤销的预约单可以申请恢复。"),
        ({"ended_at": NOW - timedelta(days=30, seconds=1)}, "已超过恢复期限，请重新预约。"),
        ({"restores": 2}, "该预约单已恢复过2次，请重新预约。"),
    ):
        assert ask("appointment", "request_restore", "restorable", Row(**fresh | change)) == sentence


def test_nagging_about_a_visit_after_thirty_days():
    late = Row(mode="onsite", accepted_at=NOW - timedelta(days=31), nagged_at=None)
    assert ask("appointment", "onsite_nag", "late", late) is None
    soon = Row(mode="onsite", accepted_at=NOW - timedelta(days=30, hours=11), nagged_at=None)
    assert ask("appointment", "onsite_nag", "late", soon) == "尚未超过现场检定期限。"
    for days, sentence in ((0, "尚未到再次催办的日期。"), (9, "尚未到再次催办的日期。"), (10, None)):
        said = Row(mode="onsite", accepted_at=NOW - timedelta(days=60), nagged_at=NOW - timedelta(days=days))
        assert ask("appointment", "onsite_nag", "late", said) == sentence
    anew = Row(mode="onsite", accepted_at=NOW - timedelta(days=31), nagged_at=NOW - timedelta(days=40))
    assert ask("appointment", "onsite_nag", "late", anew) is None, "the term was given anew"


# -- items -----------------------------------------------------------------------------------------------------------


def test_restoring_an_item_whose_instrument_went_elsewhere(live):
    row = Row(id=1, instrument_id=1, instrument=scale())
    assert ask("item", "restore", "free", row) is None
    live(Row(id=1))
    assert ask("item", "restore", "free", row) is None
    live(Row(id=9, appointment=Row(number="20261120000007")))
    assert ask("item", "restore", "free", row) == "器具“电子计价秤 A001”已在预约单20261120000007中，不能恢复。"
    live(Row(id=9, appointment=Row(number=None)))
    assert ask("item", "restore", "free", row) == "器具“电子计价秤 A001”已在预约单草稿中，不能恢复。"


def test_beginning_needs_a_valid_authorisation(monkeypatch):
    row = Row(institute_id=1, instrument=scale())
    monkeypatch.setattr(item, "lapsed", lambda *_: "该项目授权（至2026-01-01）")
    assert (
        ask("item", "begin", "authorised", row) == "该项目授权（至2026-01-01）已失效，不能开展检定，请先更新授权信息。"
    )
    monkeypatch.setattr(item, "lapsed", lambda *_: None)
    assert ask("item", "begin", "authorised", row) is None


# -- certificates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["create", "submit"])
def test_a_verification_lies_not_in_the_future(step):
    assert ask("certificate", step, "not_future", Row(verified_on=TODAY)) is None
    assert (
        ask("certificate", step, "not_future", Row(verified_on=TODAY + timedelta(days=1))) == "检定日期不能晚于今天。"
    )


def test_missing_facts_are_named():
    facts = {"instrument_name": "电子计价秤", "serial_no": "A001", "place": "市场", "temperature": " ", "humidity": ""}
    assert ask("certificate", "submit", "facts", Row(facts=facts)) == "请先填写：温度、湿度。"
    assert ask("certificate", "submit", "facts", Row(facts=facts | {"temperature": "20℃", "humidity": "50%"})) is None


def test_a_validity_other_than_the_cycle_is_explained():
    row = Row(
        conclusion="pass",
        verified_on=date(2026, 11, 20),
        cycle_months=12,
        valid_until=date(2027, 11, 19),
        validity_reason=None,
    )
    assert ask("certificate", "submit", "validity", row) is None
    row.valid_until = date(2027, 11, 20)
    assert ask("certificate", "submit", "validity", row) == "有效期与规程周期不一致，请填写有效期说明。"
    row.validity_reason = "按规程延长"
    assert ask("certificate", "submit", "validity", row) is None


@pytest.mark.parametrize("step, role", [("check", "核验员"), ("back", "退回人"), ("issue", "批准人")])
@pytest.mark.must_never(44)
def test_nobody_signs_for_the_verifier(step, role):
    assert ask("certificate", step, "not_verifier", Row(verifier_id=7)) == f"{role}与检定员不能为同一人。"
    assert ask("certificate", step, "not_verifier", Row(verifier_id=6)) is None


def test_what_had_lapsed_on_the_day_is_not_signed(monkeypatch):
    row = Row(institute_id=1, instrument_id=1, verified_on=TODAY, verifier_id=7)
    monkeypatch.setattr(certificate, "verifier_lapsed", lambda *_: None)
    monkeypatch.setattr(certificate, "lapsed", lambda *_: "机构授权（至2026-11-19）")
    sentence = "检定日当天机构授权（至2026-11-19）已失效，不能签发。"
    assert ask("certificate", "issue", "nothing_lapsed", row, session=Session(row=scale())) == sentence
    monkeypatch.setattr(certificate, "lapsed", lambda *_: None)
    assert ask("certificate", "issue", "nothing_lapsed", row, session=Session(row=scale())) is None
    monkeypatch.setattr(certificate, "verifier_lapsed", lambda *_: "未持有“电子计价秤”资格")
    sentence = "检定日当天检定员的项目资格已失效，不能签发。"
    assert ask("certificate", "issue", "nothing_lapsed", row, session=Session(row=scale())) == sentence


def test_revoking_takes_two():
    assert ask("certificate", "revoke", "two_persons", Row(revoke_confirmed_by_id=None)) == "撤销须由两人确认。"
    assert ask("certificate", "revoke", "two_persons", Row(revoke_confirmed_by_id=7)) == "撤销须由两人确认。"
    assert ask("certificate", "revoke", "two_persons", Row(revoke_confirmed_by_id=6)) is None


# -- recovery ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["verify", "answer"])
def test_a_letter_needs_its_account(step):
    def letter(state):
        return Row(account=Row(state=state) if state else None)

    assert ask("recovery", step, "account_found", letter(None)).startswith("没有找到对应的账号")
    assert ask("recovery", step, "account_found", letter("disabled")) == "该账号当前不能找回，请退回并说明原因。"
    for state in ("active", "locked"):
        assert ask("recovery", step, "account_found", letter(state)) is None


def test_a_letter_takes_two_administrators():
    assert ask("recovery", "answer", "two_administrators", Row(verified_by_id=7)) == "申请人与复核人不能为同一人。"
    assert ask("recovery", "answer", "two_administrators", Row(verified_by_id=6)) is None
