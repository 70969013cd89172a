"""Merging keeps everything, parting puts everything back; both are refused where they would lose something."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app import clock
from app.access.principal import as_system
from app.errors import InvalidInputError, NotVisibleError, QuanhengError, WrongStateError
from app.operations import journal
from app.operations.duplicates import candidates
from app.operations.history import instrument_history
from app.operations.integrity import QUERIES, check_all
from app.operations.merge import CHOOSABLE, COMPUTED, TWO_SERIALS, merge, unmerge
from app.workflow import INSTRUMENT
from app.workflow.certificate import last_issued
from models import AppointmentItem, Attachment, Certificate, Filing, Instrument, InstrumentMerge, Reminder
from tests.client import login, post
from tests.client import text as body
from tests.world import booked, filed, instrument, issued

_numbers = itertools.count(1)


@pytest.fixture
def merging(app, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "all")


def serial() -> str:
    return f"MRG{next(_numbers):04d}{clock.now():%f}"


def verified(world, number: str, **more) -> int:
    order = booked(world, "ua1", serial_no=number, **more)
    issued(world, order.items[0])
    return order.instruments[0]


def facts(session, pk: int) -> dict:
    with as_system("test"):
        row = session.get(Instrument, pk, populate_existing=True)
        return {key: getattr(row, key) for key in (*CHOOSABLE, *COMPUTED, "state", "prior_state", "merged_into_id")}


def sums(session, *ids: int) -> dict[str, int]:
    with as_system("test"):
        found = {
            model.__tablename__: session.scalar(select(func.count()).where(model.instrument_id.in_(ids)))
            for model in (AppointmentItem, Filing, Reminder, Certificate)
        }
        files = select(func.count()).where(Attachment.owner_type == "instrument", Attachment.owner_id.in_(ids))
        return {**found, "attachment": session.scalar(files)}


def broken(session) -> dict[str, int]:
    with as_system("test"):
        wanted = {number for number, *_rest in QUERIES} | {"I-12"}
        return {f.id: f.violations for f in check_all(session) if f.id in wanted}


def hang_things_on(world, session, pk: int) -> None:
    with as_system("test"):
        for days in (30, 10):
            row = session.get(Instrument, pk)
            session.add(
                Reminder(
                    instrument_id=pk,
                    unit_id=row.unit_id,
                    use_division=row.use_division,
                    threshold=days,
                    due_on=clock.today() + timedelta(days=days),
                    channel="message",
                    run_on=clock.today(),
                )
            )
        session.add(
            Attachment(
                owner_type="instrument",
                owner_id=pk,
                kind="photo",
                filename="铭牌.png",
                content_type="image/png",
                sha256="0" * 64,
                size=9,
                unit_id=world.units["ua1"],
            )
        )
        session.commit()


def test_all_of_both_is_kept_and_parting_restores_every_column(world, session, merging):
    number = serial()
    kept, other = (
        verified(world, number),
        verified(world, f"{number[:3]}-{number[3:]}", place="仓库9号", model="ACS-15"),
    )
    hang_things_on(world, session, other)
    hang_things_on(world, session, kept)
    was, total, sound = (facts(session, kept), facts(session, other)), sums(session, kept, other), broken(session)
    with world.acting("ua1") as actor:
        lines = len(instrument_history(session, actor, kept)) + len(instrument_history(session, actor, other))
        done = merge(session, actor, kept, other, ["place", "model"], confirmed=True)
        session.commit()
        merge_id = done.id
        assert session.scalar(select(Instrument.id).where(Instrument.id == other)) is None
        assert len(instrument_history(session, actor, kept)) >= lines + 2
    now = facts(session, kept)
    assert (now["place"], now["model"], now["serial_no"]) == ("仓库9号", "ACS-15", number)
    assert (facts(session, other)["state"], facts(session, other)["merged_into_id"]) == ("merged", kept)
    assert sums(session, kept, other) == total
    assert broken(session) == sound
    with as_system("test"):
        items = select(func.count()).where(AppointmentItem.instrument_id == kept)
        assert session.scalar(items) == 2
        newest = session.scalar(select(func.max(Certificate.id)).where(Certificate.instrument_id.in_([kept, other])))
        assert last_issued(session, kept).id == newest
        assert list(journal.differing(session, INSTRUMENT, [kept, other])) == []
    with world.acting("ua1") as actor:
        assert unmerge(session, actor, merge_id).id == other
        session.commit()
    assert (facts(session, kept), facts(session, other)) == was
    assert sums(session, kept, other) == total
    assert broken(session) == sound
    with as_system("test"):
        assert session.scalar(select(func.count()).where(AppointmentItem.instrument_id == other)) == 1
        assert session.scalar(select(func.count()).where(Attachment.owner_id == other)) == 1
        assert list(journal.differing(session, INSTRUMENT, [kept, other])) == []


def test_an_edit_after_the_merge_survives_parting(world, session, merging):
    from app.operations.instrument import edit_instrument

    kept, other = instrument(world, "ua1").id, instrument(world, "ua1", place="乙地点2号", note="原样").id
    with world.acting("ua1") as actor:
        done = merge(session, actor, kept, other, ["place", "note"])
        session.commit()
        edit_instrument(session, actor, kept, {"place": "丙地点3号"}, seen_version=None)
        session.commit()
        unmerge(session, actor, done.id)
        session.commit()
    assert (facts(session, kept)["place"], facts(session, kept)["note"]) == ("丙地点3号", "")
    assert (facts(session, other)["place"], facts(session, other)["note"]) == ("乙地点2号", "原样")


def test_live_business_on_either_refuses(world, session, merging):
    busy, idle = booked(world, "ua1").instruments[0], filed(world, "ua1").id
    for kept, other in ((busy, idle), (idle, busy)):
        with world.acting("ua1") as actor, pytest.raises(QuanhengError) as error:
            merge(session, actor, kept, other)
        assert error.value.sentence == "器具有未办结业务，不能合并。"
        session.rollback()


def test_two_serials_on_papers_must_be_confirmed(world, session, merging):
    kept, other = verified(world, serial()), verified(world, serial())
    with world.acting("ua1") as actor:
        with pytest.raises(InvalidInputError) as error:
            merge(session, actor, kept, other)
        assert error.value.sentence == TWO_SERIALS
        session.rollback()
        merge(session, actor, kept, other, confirmed=True)
        session.commit()


def test_foreign_rows_are_not_there(world, session, merging):
    own, foreign = instrument(world, "ua1").id, instrument(world, "ua2").id
    for pair in ((own, foreign), (foreign, own)):
        with world.acting("ua1") as actor, pytest.raises(NotVisibleError):
            merge(session, actor, *pair)
        session.rollback()


def test_after_thirty_days_it_stays(world, session, merging):
    kept, other = instrument(world, "ua1").id, instrument(world, "ua1").id
    with world.acting("ua1") as actor:
        pk = merge(session, actor, kept, other).id
        session.commit()
        with clock.frozen(clock.today() + timedelta(days=31)), pytest.raises(WrongStateError):
            unmerge(session, actor, pk)
        session.rollback()
        with clock.frozen(clock.today() + timedelta(days=30)):
            unmerge(session, actor, pk)
            session.commit()
        with pytest.raises(WrongStateError):
            unmerge(session, actor, pk)
        session.rollback()
    with world.acting("ua2") as actor, pytest.raises(NotVisibleError):
        unmerge(session, actor, pk)


def test_a_paper_revoked_after_the_merge_counts_for_the_kept_row(world, session, merging):
    from app.workflow import CERTIFICATE, fire

    kept, other = verified(world, serial()), verified(world, serial())
    with world.acting("ua1") as actor:
        merge(session, actor, kept, other, confirmed=True)
        session.commit()
    with as_system("test"):
        issued_papers = select(Certificate.id).where(Certificate.state == "issued")
        (paper,) = session.scalars(issued_papers.where(Certificate.instrument_id == other))
        (older,) = session.scalars(issued_papers.where(Certificate.instrument_id == kept))
        assert facts(session, kept)["certificate_no"] == session.get(Certificate, paper).number
    sound, reason = broken(session), {"reason": "检定设备失准，结论无效"}
    for who, step in (("imgA", "ask_revocation"), ("aprA", "revoke")):
        with world.acting(who) as actor:
            fire(session, CERTIFICATE, paper, step, actor, reason)
            session.commit()
    with as_system("test"):
        assert facts(session, kept)["certificate_no"] == session.get(Certificate, older).number
    assert broken(session) == sound


def test_the_pages_from_pair_to_merge_and_back(app, world, session, merging):
    number = serial()
    a = instrument(world, "ua1", serial_no=number, manufacturer="上海大华电子秤厂").id
    b = instrument(
        world, "ua1", serial_no=f"{number[:4]}-{number[4:]}", manufacturer="上海大华电子秤厂有限公司", place="丁地点4号"
    ).id
    with world.acting("ua1"):
        assert (a, b) in {(p.a, p.b) for p in candidates(session, world.units["ua1"]) if p.level == "sure"}
    client = login(app, world, "ua1")
    assert f"/duplicates/compare?a={a}&amp;b={b}" in body(client.get("/duplicates"))
    page = body(client.get(f"/duplicates/compare?a={a}&b={b}"))
    assert "丁地点4号" in page
    assert "上海大华电子秤厂有限公司" in page
    answer = post(client, "/duplicates/merge", {"a": a, "b": b, "kept": a, "field_place": b})
    assert answer.status_code == 303
    assert answer.location.endswith(f"/instruments/show/{a}")
    shown = body(client.get(f"/instruments/show/{a}"))
    assert "丁地点4号" in shown
    assert "并入重复记录" in shown
    assert client.get(f"/instruments/show/{b}").status_code == 404
    with as_system("test"):
        pk = session.scalar(select(InstrumentMerge.id).where(InstrumentMerge.merged_id == b))
    stranger = login(app, world, "ua2")
    assert post(stranger, "/duplicates/unmerge", {"merge": pk}).status_code == 404
    assert stranger.get(f"/duplicates/compare?a={a}&b={b}").status_code == 404
    assert post(stranger, "/duplicates/merge", {"a": a, "b": b, "kept": a}).status_code == 404
    assert post(client, "/duplicates/unmerge", {"merge": pk}).status_code == 303
    assert client.get(f"/instruments/show/{b}").status_code == 200


def test_without_the_switch_there_is_no_page(app, world, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    assert login(app, world, "ua1").get("/duplicates").status_code == 404
