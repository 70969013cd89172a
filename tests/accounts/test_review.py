"""The review queue: its columns, what the reviewer reads, what changed, and applications that must not be passed."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import select

from app.access.load import account_by_id, principal_of
from app.access.principal import acting_as, as_system
from app.workflow import ACCOUNT, bear, fire
from models import Account, AuditLog, TransitionLog
from models.base import db
from models.enums import AccountKind
from tests.accounts.test_account_pages import of, registered
from tests.client import login, post, text

pytestmark = [pytest.mark.usefixtures("context"), pytest.mark.feature("REG-18")]
COLUMNS = ["申请方名称", "统一社会信用代码", "用户类型", "所在地", "申请时间", "状态"]


def queue(client):
    return text(client.get("/accounts/list/?state=pending", follow_redirects=True))


def test_the_queue_has_the_columns_and_the_answers(app, world):
    pk = registered(world)
    with as_system("test"):
        unit = of(pk).unit
        name, code = unit.name, unit.code
    page = queue(login(app, world, "recA"))
    heads = [re.sub(r"<[^>]+>", "", h).strip() for h in re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page, re.DOTALL)]
    assert [h for h in heads if h in COLUMNS] == COLUMNS
    row = next(r for r in re.findall(r"<tr.*?</tr>", page, re.DOTALL) if f"/accounts/show/{pk}" in r)
    for said in (name, code, "使用单位", "广东省广州市荔湾区", "查看", "通过", "拒绝"):
        assert said in row, said
    assert f'action="/accounts/step/approve/{pk}"' in row
    assert f'href="/accounts/step/return/{pk}"' in row, "refusing leads to the form that asks for the reason"
    assert f"/accounts/show/{pk}" not in queue(login(app, world, "recB")), "an institute of another city"
    assert f"/accounts/show/{pk}" not in queue(login(app, world, "recA1")), "nor another institute of the same city"
    reader = queue(login(app, world, "regA"))
    assert f"/accounts/step/approve/{pk}" not in reader, "who only reads is offered nothing"


def test_refusing_without_a_reason_is_impossible_and_approval_is_logged(app, world):
    pk, desk = registered(world), login(app, world, "recA")
    for reason in ("", "短", "    "):
        assert post(desk, f"/accounts/step/return/{pk}", {"reason": reason}).status_code == 422
        assert post(desk, "/accounts/action_post", {"action": "return", "rowid": [pk], "reason": reason})
        assert of(pk).state == "pending"
    assert post(desk, f"/accounts/step/approve/{pk}", {"seen_version": of(pk).version}).status_code == 303
    with as_system("test"):
        line = db.session.execute(
            select(TransitionLog).where(
                TransitionLog.entity == "account", TransitionLog.entity_id == pk, TransitionLog.step == "approve"
            )
        ).scalar_one()
    assert (line.actor_id, line.from_state, line.to_state) == (world.people["recA"], "pending", "active")


def test_a_stale_page_decides_nothing(app, world):
    pk, desk = registered(world), login(app, world, "recA")
    old = of(pk).version
    post(desk, f"/accounts/step/return/{pk}", {"reason": "证照图片不清晰"})
    answer = post(desk, f"/accounts/step/approve/{pk}", {"seen_version": old}, follow_redirects=True)
    assert "该记录已被他人处理" in text(answer)
    assert of(pk).state == "returned"


def test_what_changed_is_shown_at_resubmission(app, world):
    pk, desk = registered(world), login(app, world, "recA")
    post(desk, f"/accounts/step/return/{pk}", {"reason": "地址与证照不一致", "fields": ["详细地址"]})
    with acting_as(principal_of(account_by_id(db.session(), pk))) as actor:
        changed = {"详细地址": ["建设路8号", "建设路<b>88号"]}
        fire(db.session(), ACCOUNT, pk, "resubmit", actor, {"changed": changed, "papers": []})
        db.session.commit()
    page = text(desk.get(f"/accounts/show/{pk}"))
    assert "修改对比" in page
    panel = page.split("重新提交")[1]
    assert "建设路8号" in panel
    assert "建设路&lt;b&gt;88号" in panel
    assert "地址与证照不一致" in page, "the first refusal stays in the history"
    assert "建设路<b>" not in html.unescape(page).replace("建设路<b>88号", "")


def test_an_individual_is_warned_of_where_none_is_admitted(app, world, monkeypatch):
    with as_system("test") as system:
        from app.operations.logins import new_user
        from models.types import blind_index

        phone = "13511112222"
        made = Account(
            kind=AccountKind.INDIVIDUAL,
            name="韩个人",
            roles=["IND"],
            phone=phone,
            phone_index=blind_index(phone),
            reviewer_institute_id=world.institutes["A"],
            division_code="440103",
        )
        made.user_id = new_user(db.session(), "hangeren1", "韩个人", None, "x").id
        bear(db.session(), made, "register", system)
        fire(db.session(), ACCOUNT, made.id, "verify", system)
        db.session.commit()
        pk = made.id
    desk = login(app, world, "recA")
    assert "以个人身份注册的申请不会被通过" not in text(desk.get(f"/accounts/show/{pk}"))
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    page = text(desk.get(f"/accounts/show/{pk}"))
    assert "以个人身份注册的申请不会被通过；有营业执照的用户请以企业身份注册。" in page
    assert "韩个人" in queue(desk)
    answer = post(desk, f"/accounts/step/approve/{pk}", follow_redirects=True)
    assert "有营业执照的用户请以企业身份注册" in text(answer)
    assert of(pk).state == "pending"
    post(desk, f"/accounts/step/return/{pk}", {"reason": "请以企业身份注册"})
    assert of(pk).state == "returned"


@pytest.mark.feature("SUP-03")
def test_every_act_on_an_account_is_logged(app, world):
    admin, pk = login(app, world, "adm"), registered(world, "A")
    post(login(app, world, "recA"), f"/accounts/step/approve/{pk}")
    with as_system("test") as system:
        fire(db.session(), ACCOUNT, pk, "lock", system)
        db.session.commit()
    assert post(admin, f"/accounts/step/unlock/{pk}").status_code == 303
    post(admin, f"/accounts/step/disable/{pk}", {"reason": "证照已被吊销"})
    post(admin, f"/accounts/step/enable/{pk}")
    with as_system("test"):
        steps = db.session.execute(
            select(TransitionLog.step, TransitionLog.actor_id)
            .where(TransitionLog.entity == "account", TransitionLog.entity_id == pk)
            .order_by(TransitionLog.id)
        ).all()
        audit = select(AuditLog.action).where(AuditLog.entity == "account", AuditLog.entity_id == str(pk))
        assert "register" in db.session.execute(audit).scalars().all()
    assert [s for s, _who in steps] == ["register", "verify", "approve", "lock", "unlock", "disable", "enable"]
    assert [who for s, who in steps if s in {"unlock", "disable", "enable"}] == [world.people["adm"]] * 3
