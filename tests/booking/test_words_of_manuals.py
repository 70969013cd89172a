"""One machine behind three manuals: the words, tabs and columns that a unit reads under each profile (APT-35)."""

from __future__ import annotations

import pytest

from app.access.principal import Principal, acting_as
from app.profiles import names
from app.workflow import APPOINTMENT
from app.workflow.appointment_words import MANUALS, OWN, STAGES, manual, worst
from models.enums import AppointmentState, Role

S = AppointmentState
WORDS = {
    "national": {
        "draft": "待提交",
        "submitted": "已提交",
        "accepted": "已反馈",
        "in_progress": "已反馈",
        "completed": "已反馈",
        "rejected": "已反馈",
        "sent_back": "已反馈",
        "withdrawn": "已取消",
    },
    "zhejiang": {
        "draft": "待提交",
        "admin_review": "待行政确认",
        "submitted": "受理中",
        "accepted": "检定机构已受理",
        "in_progress": "检定机构已受理",
        "withdraw_requested": "撤销待审核",
        "completed": "检定完成",
        "rejected": "退回待处理",
        "sent_back": "退回待处理",
        "withdrawn": "已撤销",
        "restore_requested": "恢复待审核",
    },
    "guangdong": {
        "submitted": "预约中",
        "accepted": "已确认",
        "rejected": "被拒绝",
        "sent_back": "被退回",
        "completed": "完检",
        "withdrawn": "已取消",
    },
}
WORDS["bayannur"] = WORDS["national"]


@pytest.mark.feature("APT-35", "APT-05")
@pytest.mark.parametrize("name", sorted(WORDS))
def test_a_unit_reads_the_words_of_its_manual(profile, name):
    profile(name)
    assert {state: APPOINTMENT.label_of(state) for state in WORDS[name]} == WORDS[name]


@pytest.mark.parametrize("name", sorted(WORDS))
def test_who_works_on_orders_can_tell_all_states_apart(profile, name):
    profile(name)
    clerk = Principal(1, "张三", frozenset({Role.REC}), institute_id=1)
    with acting_as(clerk):
        said = [APPOINTMENT.label_of(state) for state in S]
    assert said == [OWN[state] for state in S]
    assert len(set(said)) == len(S)


@pytest.mark.parametrize("name", sorted(set(MANUALS) - {"own"}))
def test_every_state_stands_in_exactly_one_stage(name):
    listed = [state for stage in STAGES[name] for state in stage.states]
    assert sorted(listed) == sorted(set(S) - {S.SPLIT})


def test_every_profile_names_a_manual(profile):
    for name in names():
        profile(name)
        assert manual() in MANUALS


def test_an_application_over_several_orders_is_said_to_be_its_worst_open_one():
    assert worst(["accepted", "submitted", "completed"]) == "submitted"
    assert worst(["completed", "rejected"]) == "rejected"
    assert worst(["completed", "completed"]) == "completed"
    assert worst([]) is None
