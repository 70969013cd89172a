"""Acts on many instruments: the rows that were chosen, tried before, done, paused, cancelled, retried (BEYOND 11)."""

from __future__ import annotations

import io

import openpyxl
import pytest
from sqlalchemy import func, select

from app.access.principal import as_system
from app.operations import bulk
from app.operations.job import cancel_job, run_job
from models import BulkLine, Instrument, Job, Message
from models.base import db
from tests.client import login, post, text
from tests.lifecycle.support import put, row_of, state_of
from tests.world import booked, instrument

REASON = {"reason": "设备更新，不再使用"}


def many(world, count, unit="ua1", **more):
    return [instrument(world, unit, **more).id for _ in range(count)]


def chosen(session, world, act, ids, who="ua1", data=None):
    with world.acting(who) as actor:
        job = bulk.choose(session, actor, act, ids, REASON if data is None else data)
        bulk.prepare(session, actor, job)
        session.commit()
        return job.id


def confirmed(session, world, pk, who="ua1"):
    with world.acting(who) as actor:
        bulk.confirm(session, actor, pk)
        session.commit()


def job_of(pk) -> Job:
    with as_system("test"):
        db.session.expire_all()
        return db.session.get(Job, pk)


def counted(pk) -> dict[str, int]:
    with as_system("test"):
        rows = select(BulkLine.outcome, func.count()).where(BulkLine.job_id == pk).group_by(BulkLine.outcome)
        return dict(db.session.execute(rows).tuples().all())


def holds(pk) -> None:
    """done + failed + cancelled = chosen, and the job says the same."""
    lines, job = counted(pk), job_of(pk)
    assert sum(lines.values()) == job.total
    assert lines.get("waiting", 0) == 0
    assert {k: v for k, v in job.counts.items() if k in lines} == lines


def test_the_set_is_the_one_chosen(app, world, session):
    """What the filter finds later does not matter; the dry run equals the result (I-25)."""
    ids = many(world, 60, place="南门路7号")
    order = booked(world, "ua1")
    busy = order.instruments[0]
    pk = chosen(session, world, "suspend", [*ids, busy])
    later = many(world, 2, place="南门路7号")
    tried = job_of(pk)
    assert (tried.state, tried.phase, tried.total) == ("waiting", "ready", 61)
    assert (tried.counts["can"], tried.counts["cannot"]) == (60, 1)
    assert tried.counts["reasons"] == [["器具已预约，请先取消预约再停用。", 1]]
    assert {state_of(i) for i in ids} == {"unfiled"}, "a dry run changes nothing"
    confirmed(session, world, pk)
    assert run_job(session, pk) == "done"
    assert {state_of(i) for i in ids} == {"suspended"}
    assert {state_of(i) for i in later} == {"unfiled"}
    assert counted(pk) == {"done": 60, "failed": 1}
    holds(pk)


def test_all_of_a_query(app, world, session, under):
    """The bulk bar's 全部查询结果: counted first, then done, with one message for the county and a file of every row."""
    ids = many(world, 55, place="北城市场9号")
    client = login(app, world, "ua1")
    query = "_flt_x_q=" + row_of(ids[0]).serial_no
    data = {"action": "scrap", "all": "1", "query": query, **REASON}
    said = text(post(client, "/instruments/action_post", data, page="/instruments/list/", follow_redirects=True))
    assert "成功1条" in said or "“报废”成功1条。" in said
    data = {"action": "scrap", "rowid": [str(i) for i in ids[1:]], **REASON}
    page = post(client, "/instruments/action_post", data, page="/instruments/list/", follow_redirects=True)
    assert "可以办理54条，不能办理0条。" in text(page)
    pk = int(page.request.path.rsplit("/", 1)[1])
    post(client, f"/bulk/{pk}/confirm", page=f"/jobs/{pk}")
    assert run_job(session, pk) == "done"
    holds(pk)
    shown = text(client.get(f"/jobs/{pk}"))
    assert "成功54条，未办理0条。" in shown
    book = openpyxl.load_workbook(io.BytesIO(client.get(f"/bulk/{pk}/result.xlsx").data)).active
    rows = list(book.values)
    assert rows[0] == ("序号", "器具", "结果", "说明")
    assert len(rows) == 55
    assert {r[2] for r in rows[1:]} == {"成功"}
    assert row_of(ids[5]).serial_no in {r[1].split()[-1] for r in rows[1:]}
    with as_system("test"):
        told = select(Message.subject).where(Message.account_id == world.people["regA1"])
        assert sum("批量报废器具54台" in s for s in db.session.scalars(told)) == 1


def test_pause_resume_and_cancel(app, world, session, monkeypatch):
    monkeypatch.setattr(bulk, "CHUNK", 10)
    ids = many(world, 60)
    client = login(app, world, "ua1")
    pk = chosen(session, world, "suspend", ids)
    confirmed(session, world, pk)
    chunk = bulk._do_chunk

    def after_two(press):
        seen = []

        def step(*args):
            seen.append(1)
            if len(seen) == 3:
                session.rollback()  # the hand-over between chunks: the row is free
                press()
            return chunk(*args) if len(seen) < 3 else False

        return step

    monkeypatch.setattr(bulk, "_do_chunk", after_two(lambda: post(client, f"/bulk/{pk}/pause", page="/jobs/")))
    assert run_job(session, pk) == "waiting"
    monkeypatch.setattr(bulk, "_do_chunk", chunk)
    assert (job_of(pk).phase, counted(pk)) == ("paused", {"done": 20, "waiting": 40})
    assert "已暂停" in text(client.get(f"/jobs/{pk}"))
    post(client, f"/bulk/{pk}/resume", page=f"/jobs/{pk}")
    monkeypatch.setattr(bulk, "_do_chunk", after_two(lambda: post(client, f"/jobs/{pk}/cancel", page="/jobs/")))
    assert run_job(session, pk) == "cancelled"
    monkeypatch.setattr(bulk, "_do_chunk", chunk)
    assert counted(pk) == {"done": 40, "cancelled": 20}
    holds(pk)
    assert sum(state_of(i) == "suspended" for i in ids) == 40
    assert "成功40条，未办理0条，已取消20条。" in text(client.get(f"/jobs/{pk}"))
    assert run_job(session, pk) == "cancelled", "nothing starts again"


def test_a_killed_worker_loses_and_doubles_nothing(app, world, session, monkeypatch):
    """The process dies in the middle of a chunk: the chunk is undone with its lines, the next run goes on (I-25)."""
    monkeypatch.setattr(bulk, "CHUNK", 10)
    ids = many(world, 55)
    pk = chosen(session, world, "suspend", ids)
    confirmed(session, world, pk)
    do, calls = bulk._do_row, []

    class Killed(BaseException):
        pass

    for at in (7, 16, 31):

        def die(*args, at=at):
            calls.append(1)
            if len(calls) == at:
                raise Killed
            return do(*args)

        calls.clear()
        monkeypatch.setattr(bulk, "_do_row", die)
        with pytest.raises(Killed):
            run_job(session, pk)
        session.rollback()
        done = counted(pk).get("done", 0)
        assert done % 10 == 0
        assert sum(state_of(i) == "suspended" for i in ids) == done
    monkeypatch.setattr(bulk, "_do_row", do)
    assert run_job(session, pk) == "done"
    assert counted(pk) == {"done": 55}
    holds(pk)
    with as_system("test"):
        versions = select(Instrument.version).where(Instrument.id.in_(ids))
        assert len(set(db.session.scalars(versions))) == 1, "every row was done once"


def test_retrying_what_failed(app, world, session):
    ids = many(world, 3)
    for pk in ids:
        put(pk, "filing")
    client = login(app, world, "ua1")
    data = {"action": "suspend", "rowid": [str(i) for i in ids]}
    post(client, "/instruments/action_post", data, page="/instruments/list/")
    with as_system("test"):
        old = db.session.scalar(select(Job.id).where(Job.account_id == world.people["ua1"]).order_by(Job.id.desc()))
    assert counted(old) == {"failed": 3}
    put(ids[0], "in_use")
    page = post(client, f"/bulk/{old}/retry", page=f"/jobs/{old}", follow_redirects=True)
    assert "可以办理1条，不能办理2条。" in text(page)
    new = int(page.request.path.rsplit("/", 1)[1])
    done = text(post(client, f"/bulk/{new}/confirm", page=f"/jobs/{new}", follow_redirects=True))
    assert "成功1条，未办理2条。" in done
    assert [state_of(i) for i in ids] == ["suspended", "filing", "filing"]
    assert counted(old) == {"failed": 3}, "the first act stays as it was"


def test_foreign_rows_are_not_touched_and_not_told(app, world, session):
    own, foreign = many(world, 1)[0], many(world, 1, unit="ua2")[0]
    client = login(app, world, "ua1")
    data = {"action": "suspend", "rowid": [str(own), str(foreign), "99999999"]}
    said = text(post(client, "/instruments/action_post", data, page="/instruments/list/", follow_redirects=True))
    assert (state_of(own), state_of(foreign)) == ("suspended", "unfiled")
    assert "记录不存在或您无权查看。" in said
    assert row_of(foreign).serial_no not in said
    other = login(app, world, "ua2")
    with as_system("test"):
        job = db.session.scalar(select(Job.id).where(Job.account_id == world.people["ua1"]).order_by(Job.id.desc()))
    for address in (f"/jobs/{job}", f"/bulk/{job}/result.xlsx", f"/bulk/{job}/edit"):
        assert other.get(address).status_code == 404, address
    for step in ("confirm", "pause", "resume", "retry", "undo"):
        assert post(other, f"/bulk/{job}/{step}").status_code == 404, step


def test_an_institute_or_a_stranger_starts_nothing(app, world, session):
    pk = many(world, 1)[0]
    for who in ("recA", "adm"):
        answer = post(login(app, world, who), "/instruments/action_post", {"action": "suspend", "rowid": str(pk)})
        assert answer.status_code in {302, 403}, who
    answer = post(
        login(app, world, "regA1"), "/instruments/action_post", {"action": "scrap", "rowid": str(pk), **REASON}
    )
    assert answer.status_code == 403
    said = post(
        login(app, world, "regA1"),
        "/instruments/action_post",
        {"action": "suspend", "rowid": str(pk)},
        follow_redirects=True,
    )
    assert "请填写原因（5～500字）。" in text(said)
    assert state_of(pk) == "unfiled"


def test_a_cancelled_preview_does_nothing(app, world, session):
    ids = many(world, 51)
    pk = chosen(session, world, "delete", ids)
    assert bulk.preview_sentence(job_of(pk)) == "将删除51条，不可删除0条。"
    with world.acting("ua1") as actor:
        cancel_job(session, actor, pk)
        session.commit()
    assert counted(pk) == {"cancelled": 51}
    assert {state_of(i) for i in ids} == {"unfiled"}
