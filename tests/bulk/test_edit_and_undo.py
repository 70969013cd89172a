"""批量修改 and 撤销本次批量操作 (LED-15, BEYOND 14, I-31)."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.errors import WrongStateError
from app.operations import bulk
from app.operations.bulk_acts import EDITABLE, TOUCHED, undo_rows
from app.operations.instrument import edit_instrument
from models import BulkLine, Instrument, Job
from models.base import db
from tests.client import login, post, text
from tests.lifecycle.support import row_of
from tests.world import booked, instrument

KEPT = {"version", "updated_at", "quality", "quality_faults", "reason"}


def contents(pk) -> dict:
    row = row_of(pk)
    return {c.name: getattr(row, c.name) for c in Instrument.__table__.columns if c.name not in KEPT}


def newest(world, who="ua1") -> int:
    with as_system("test"):
        return db.session.scalar(select(Job.id).where(Job.account_id == world.people[who]).order_by(Job.id.desc()))


def edit(client, ids, **values):
    data = {"action": "bulk_edit", "rowid": [str(i) for i in ids]}
    form = post(client, "/instruments/action_post", data, page="/instruments/list/", follow_redirects=True)
    assert "只修改填写了的内容" in text(form)
    return post(client, form.request.path, values, page=form.request.path, follow_redirects=True)


@pytest.mark.feature("LED-15")
def test_only_filled_fields_overwrite(app, world, context, under):
    """Three ticked, the range set: three changed and nothing else; what is booked is skipped and reported."""
    under("national")
    ids = [instrument(world, "ua1", measuring_range="0～15kg", own_no=f"B-{n}").id for n in range(3)]
    order = booked_here(world, under)
    before = {pk: contents(pk) for pk in (*ids, order)}
    client = login(app, world, "ua1")
    page = text(edit(client, [*ids, order], measuring_range="0～30kg"))
    assert "成功3条，未修改1条。" in page
    assert "器具正在预约流程中，不能修改。" in page
    assert "下载逐台结果" in page
    for pk in ids:
        assert contents(pk) == {**before[pk], "measuring_range": "0～30kg"}
    assert contents(order) == before[order]


def booked_here(world, under) -> int:
    under("all")
    pk = booked(world, "ua1").instruments[0]
    under("national")
    return pk


def test_nothing_filled_in_and_wrong_values(app, world, context, under):
    under("national")
    pk = instrument(world, "ua1").id
    client = login(app, world, "ua1")
    assert "请至少填写一项要修改的内容" in text(edit(client, [pk], measuring_range="  "))
    under("all")
    bad = edit(client, [pk], purchased_on="2031-02-30", place="新址1号")
    assert bad.status_code == 422
    assert "“购置时间”" in text(bad)
    assert 'value="新址1号"' in text(bad), "what was typed is still there"
    assert row_of(pk).place == "农贸市场1号"


@pytest.mark.feature("LED-15")
def test_a_doubled_key_is_refused_row_by_row(app, world, context, under):
    """Setting the maker of two instruments with one number: the second one keeps its own, by name."""
    under("national")
    one = instrument(world, "ua1", serial_no="DOUBLE-1", manufacturer="甲厂").id
    two = instrument(world, "ua1", serial_no="DOUBLE-1", manufacturer="乙厂").id
    page = text(edit(login(app, world, "ua1"), [one, two], manufacturer="丙厂"))
    assert "成功1条，未修改1条。" in page
    assert "不能重复录入" in page
    assert {row_of(one).manufacturer, row_of(two).manufacturer} == {"丙厂", "乙厂"}


def test_undo_and_its_undo(app, world, context, under):
    under("national")
    ids = [instrument(world, "ua1", place=f"{n}号摊位").id for n in range(4)]
    before = {pk: contents(pk) for pk in ids}
    client = login(app, world, "ua1")
    edit(client, ids, place="新市场一楼", note="搬迁")
    first = newest(world)
    after = {pk: contents(pk) for pk in ids}
    with world.acting("ua1") as actor:  # somebody touches one of them
        edit_instrument(db.session(), actor, ids[0], {"note": "搬迁，已核对"}, seen_version=None)
        db.session.commit()
    touched = contents(ids[0])
    page = text(post(client, f"/bulk/{first}/undo", page=f"/jobs/{first}", follow_redirects=True))
    assert "成功3条，未撤销1条。" in page
    assert TOUCHED in page
    assert row_of(ids[0]).serial_no in page
    assert contents(ids[0]) == touched
    assert {pk: contents(pk) for pk in ids[1:]} == {pk: before[pk] for pk in ids[1:]}
    undone = newest(world)
    assert undone != first
    post(client, f"/bulk/{undone}/undo", page=f"/jobs/{undone}")
    assert {pk: contents(pk) for pk in ids[1:]} == {pk: after[pk] for pk in ids[1:]}
    assert contents(ids[0]) == touched


def test_only_ones_own_only_a_day_only_edits(app, world, context, under):
    under("national")
    pk = instrument(world, "ua1").id
    client = login(app, world, "ua1")
    edit(client, [pk], note="年度核对")
    job = newest(world)
    assert "撤销本次批量操作" in text(client.get(f"/jobs/{job}"))
    assert post(login(app, world, "sub1"), f"/bulk/{job}/undo").status_code == 404, "another's act, though of one unit"
    with clock.frozen(clock.now() + timedelta(hours=25)):
        late = login(app, world, "ua1")
        assert "撤销本次批量操作" not in text(late.get(f"/jobs/{job}"))
        said = post(late, f"/bulk/{job}/undo", page=f"/jobs/{job}", follow_redirects=True)
        assert "只能在24小时内撤销批量修改" in text(said)
    assert row_of(pk).note == "年度核对"
    post(client, "/instruments/action_post", {"action": "suspend", "rowid": str(pk)}, page="/instruments/list/")
    with world.acting("ua1"), pytest.raises(WrongStateError):
        undo_rows(db.session(), bulk.own_bulk(db.session(), newest(world)))


SETTINGS = {
    "place": ["东街1号", "西街2号", "南街3号"],
    "note": ["甲", "乙", "丙"],
    "measuring_range": ["0～3kg", "0～6kg", "0～15kg"],
    "model": ["ACS-15", "ACS-30", "TCS-150"],
    "manufacturer": ["大华", "梅特勒", "香山"],
    "accuracy_class": ["Ⅲ", "Ⅱ"],
}


@pytest.mark.parametrize("seed", range(8))
def test_undo_restores_every_field_or_leaves_the_row(app, world, context, under, seed):
    """I-31: random acts, random touches, undo and undo of undo, against a model kept beside; wrong fields 0."""
    under("national")
    dice = random.Random(seed)
    ids = [instrument(world, "ua1").id for _ in range(5)]
    session = db.session()
    model = {pk: contents(pk) for pk in ids}
    acts: list[tuple[int, dict[int, dict]]] = []  # job, what each changed row had before
    with world.acting("ua1") as actor:
        for _ in range(12):
            kind = dice.choice(["edit", "edit", "touch", "undo"])
            if kind == "touch":
                pk, key = dice.choice(ids), dice.choice(list(SETTINGS))
                edit_instrument(session, actor, pk, {key: dice.choice(SETTINGS[key])}, seen_version=None)
                session.commit()
                model[pk] = contents(pk)
                continue
            if kind == "undo" and not acts:
                continue
            if kind == "edit":
                keys = dice.sample(list(SETTINGS), dice.randint(1, 4))
                values = {key: dice.choice(SETTINGS[key]) for key in keys}
                chosen = dice.sample(ids, dice.randint(1, 5))
                job = bulk.choose(session, actor, "bulk_edit", chosen, {"values": values})
                expect = {pk: {k: v for k, v in values.items() if model[pk][k] != v} for pk in chosen}
                expect = {pk: change for pk, change in expect.items() if change}
            else:
                of, had = dice.choice(acts)
                rows = undo_rows(session, bulk.own_bulk(session, of))
                job = bulk.choose(session, actor, "undo", rows, {"of": of})
                told = select(BulkLine.entity_id, BulkLine.after_version).where(BulkLine.job_id == of)
                versions = dict(session.execute(told).tuples().all())
                untouched = {pk for pk in rows if row_of(pk).version == versions[pk]}
                expect = {pk: had[pk] for pk in untouched}
            before = {pk: {k: model[pk][k] for k in change} for pk, change in expect.items()}
            bulk.do_at_once(session, actor, job)
            number = job.id
            session.commit()
            for pk, change in expect.items():
                model[pk] = {**model[pk], **change}
            for pk in ids:
                got = contents(pk)
                derived = {"dup_key", "search_text"}
                assert {k: v for k, v in got.items() if k not in derived} == {
                    k: v for k, v in model[pk].items() if k not in derived
                }, (seed, kind, pk)
                model[pk] = got
            if before:
                acts.append((number, before))
    assert set(SETTINGS) <= set(EDITABLE)
