"""Guards of accounts, links and registrations; and, last of all, that no guard of any machine was left out.

The table of the other machines is test_guards.py, which runs before this file.
"""

from __future__ import annotations

import os
from datetime import timedelta
from types import SimpleNamespace as Row

import pytest

from app.workflow import REGISTRY
from app.workflow import account as account_machine
from app.workflow import appointment_rules as appointment
from tests.workflows.test_guards import ASKED, NOW, PERSON, TODAY, Session, ask, on_this_day  # noqa: F401 - the clock stands still here too


def test_activation_link():
    alive, dead = Row(activation_expires_at=NOW + timedelta(hours=1)), Row(activation_expires_at=NOW)
    assert ask("account", "activate", "link", alive) is None
    assert ask("account", "activate", "link", dead) == "链接已失效，请联系管理员重新发送。"
    assert ask("account", "activate", "link", Row(activation_expires_at=None)) is not None


def test_last_administrator():
    admin = Row(id=1, roles=["ADM"])
    assert ask("account", "disable", "last_admin", admin, session=Session(found=0)) == "不能停用最后一个系统管理员。"
    assert ask("account", "disable", "last_admin", admin, session=Session(found=1)) is None
    assert ask("account", "disable", "last_admin", Row(id=1, roles=["REC"]), session=Session(found=0)) is None


def test_last_administrator_behind_the_lock_and_by_a_term():
    admin, sentence = Row(id=1, roles=["ADM"]), "不能停用最后一个系统管理员。"
    assert ask("account", "disable", "last_admin_now", admin, session=Session(found=0)) == sentence
    assert ask("account", "disable", "last_admin_now", admin, session=Session(found=1)) is None
    term = {"valid_until": TODAY}
    assert ask("account", "assign", "last_admin_term", admin, data=term, session=Session(found=0)) == sentence
    assert ask("account", "assign", "last_admin_term", admin, data={}, session=Session(found=0)) is None


def test_duties_and_terms():
    row = Row(kind="institute", roles=["REC"])
    assert ask("account", "assign", "roles", row, data={"roles": ["REC", "VER"]}) is None
    pair = ask("account", "assign", "roles", row, data={"roles": ["REC", "APR"]})
    assert pair == "“受理员、批准人”不能由同一人兼任，请分别派发账号。"
    over = {"valid_until": TODAY - timedelta(days=1)}
    assert ask("account", "assign", "term", row, data=over) == "“任职有效期至”不能早于今天。"
    assert ask("account", "assign", "term", row, data={"valid_until": TODAY}) is None


def test_who_is_countersigned():
    clerk, auditor = Row(id=1, kind="institute"), Row(id=1, kind="auditor", countersigned_by_id=None)
    assert ask("account", "countersign", "needs_countersign", clerk) == "只有审计员和安全管理员的账号需要会签。"
    assert ask("account", "countersign", "needs_countersign", auditor) is None
    waiting = "该账号须由安全管理员会签后才能激活，请联系安全管理员。"
    assert ask("account", "activate", "countersigned", auditor) == waiting
    assert ask("account", "activate", "countersigned", Row(id=1, kind="auditor", countersigned_by_id=9)) is None
    guard = Row(id=1, kind="security", countersigned_by_id=None)
    assert ask("account", "activate", "countersigned", guard, session=Session(found=1)) == waiting
    assert ask("account", "activate", "countersigned", guard, session=Session(found=0)) is None, "the first of them"


def test_registrations_as_the_profile_wants_them(monkeypatch):
    settings = {
        "admit_individuals": False,
        "self_cancel": False,
        "review": {"enterprise": "admin", "individual": "none"},
    }
    monkeypatch.setattr(account_machine, "setting", lambda _section, key: settings[key])
    person, unit = Row(kind="individual", state="returned"), Row(kind="enterprise", state="returned")
    assert ask("account", "approve", "person_admitted", person) == "有营业执照的用户请以企业身份注册。"
    assert ask("account", "approve", "person_admitted", unit) is None
    assert ask("account", "admit", "no_review", person) is None
    assert ask("account", "admit", "no_review", unit) == "该类账号须经审核后开通。"
    refused = "本平台不提供自行注销未通过的注册申请，请修改后重新提交。"
    assert ask("account", "close", "self_cancel", unit) == refused
    settings["self_cancel"] = True
    assert ask("account", "close", "self_cancel", unit) is None


def test_closing_with_open_business(monkeypatch):
    monkeypatch.setattr(account_machine, "live_business", lambda _session, *, unit_id: 3)
    assert ask("account", "close", "open_business", Row(unit_id=1)) == "尚有未办结事项（3项），暂不能注销。"
    assert ask("account", "close", "open_business", Row(unit_id=None)) is None


# -- links -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["request", "request_again"])
def test_one_link_at_a_time(step):
    link = Row(id=None, account_id=5)
    assert ask("affiliation", step, "one_body", link, session=Session(found=0)) is None
    said = ask("affiliation", step, "one_body", link, session=Session(found=1))
    assert said == "企业和机构只能关联一个，请先删除现有关联。"


def test_three_refusals_are_enough():
    link = Row(id=4, account_id=5)
    assert ask("affiliation", "request_again", "refused_often", link, session=Session(found=2)) is None
    said = ask("affiliation", "request_again", "refused_often", link, session=Session(found=3))
    assert said == "该单位已多次拒绝您的申请，请线下联系。"
    assert ask("affiliation", "request_again", "refused_often", Row(id=None), session=Session(found=3)) is None


def test_only_active_people_are_linked():
    for state, sentence in (("active", None), ("locked", "该用户账号状态异常，不能通过。")):
        assert ask("affiliation", "approve", "person_active", Row(account=Row(state=state))) == sentence


@pytest.mark.parametrize("step", ["submit", "submit_for_confirmation"])
def test_booking_what_the_institute_no_longer_verifies(monkeypatch, step):
    item = Row(instrument=Row(name="电子计价秤", category_id=1), state="pending")
    monkeypatch.setattr(appointment, "items_of", lambda _ctx: [item])
    monkeypatch.setattr(appointment, "shares", lambda *_: [appointment.Share(1, "deliver", (item,))])
    for held, sentence in (
        (True, None),
        (False, "检定机构未获“电子计价秤”的检定授权或授权已过期，暂不能预约，请联系该机构。"),
    ):
        monkeypatch.setattr(appointment, "authorised", lambda *_args, held=held: held)
        assert ask("appointment", step, "assignable", Row(institute_id=1, mode="deliver")) == sentence
    monkeypatch.setattr(appointment, "authorised", lambda *_args: True)
    monkeypatch.setattr(appointment, "shares", lambda *_: [appointment.Share(None, "deliver", (item,))])
    homeless = "“电子计价秤”没有可受理的检定机构，请核对种别和使用地点，或联系当地监管部门。"
    assert ask("appointment", step, "assignable", Row(mode="deliver")) == homeless
    two = [appointment.Share(1, "deliver", (item,)), appointment.Share(2, "deliver", (item,))]
    monkeypatch.setattr(appointment, "shares", lambda *_: two)
    for allowed, sentence in ((True, None), (False, "不同机构、不同检定方式的器具须分开预约。")):
        monkeypatch.setattr(appointment, "may_split", lambda allowed=allowed: allowed)
        assert ask("appointment", step, "assignable", Row(mode="deliver")) == sentence


def test_every_guard_has_its_test():
    """Stands last: the tests above say which guards they asked. Shared out over processes, no one process knows."""
    if os.environ.get("PYTEST_XDIST_WORKER") or len(ASKED) < 10:
        pytest.skip("asked by a process that ran the whole file")
    assert {(m.name, g.name) for m in REGISTRY.values() for s in m.steps for g in s.guards} - ASKED == set()
