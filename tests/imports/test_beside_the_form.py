"""What an import owes the ledger besides its rows: births told, institutes assigned, other units' records respected."""

import itertools
from datetime import timedelta

import pytest

from app import clock, profiles
from app.access.principal import as_system
from app.operations import ledger_import
from app.operations.assignment import proposed_institute
from app.operations.import_assign import Assigner
from app.operations.import_report import report
from app.operations.journal import as_was, changes_of, lines_of
from app.operations.retention import run_retention
from app.workflow import INSTRUMENT
from models import Instrument, Job
from models.base import db
from tests.imports.support import book, checked, ledger_of, outcomes_of, rows_of, sentences_of, written
from tests.ledger.support import fresh_unit, work
from tests.world import category, instrument

_numbers = itertools.count(1)


@pytest.fixture
def unit(world, session):
    return fresh_unit(world, f"beside{next(_numbers)}")


def imported(world, unit, rows):
    pk = checked(world, unit, book(rows))
    assert written(world, unit, pk) == "done", sentences_of(pk)
    return ledger_of(world, unit)


def with_ledger(monkeypatch, **changes):
    """The profile with other settings of the ledger."""
    base = profiles.load("all")
    monkeypatch.setattr(profiles, "load", lambda _name: {**base, "ledger": {**base["ledger"], **changes}})
    profiles.forget()


def test_an_imported_instrument_tells_the_values_it_was_born_with(world, unit):
    made, called = imported(world, unit, [{"备注": "三楼"}, {"备注": "找13912345678"}])
    with as_system("test"):
        session = db.session()
        (line,) = lines_of(session, "instrument", made.id)
        born = line.input["born"]
        assert born["serial_no"] == made.serial_no
        assert born["note"] == "三楼"
        assert (born["quantity"], born["use_division"]) == (1, "440103")
        assert not {"search_text", "state", "dup_key"} & set(born)
        assert "" not in born.values()
        assert "13912345678" not in str(lines_of(session, "instrument", called.id)[0].input)
        made.place = "搬走以后"
        session.commit()
        then = as_was(session, INSTRUMENT, session.get(Instrument, made.id), line.at)
        assert then.known
        assert then.values["place"] == born["place"] != "搬走以后"
        assert any("place" in changes_of(each) for each in lines_of(session, "instrument", made.id))


def test_where_nothing_is_filed_the_import_assigns_as_the_form_does(app, world, unit, session, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "national")
    rows = imported(world, unit, [{"使用地点行政区划": code} for code in ("440103", "440104", "110101")])
    with as_system("test"):
        wanted = [proposed_institute(session, row.category_id, row.use_division) for row in rows]
        assert [row.institute_id for row in rows] == [found.id if found else None for found in wanted]
        assert any(wanted)
        assert not all(wanted)
        lines = [lines_of(session, "instrument", row.id)[0] for row in rows]
        assert [line.institute_id for line in lines] == [row.institute_id for row in rows]


def test_the_rule_for_many_is_the_rule_for_one(world, session):
    codes = ["440103", "440104", "440106", "440305", "440300", "330106", "110101", "", "44"]
    kinds = [category(name).id for name in ("非自动衡器", "燃油加油机", "水表", "电能表")]
    with as_system("test"):
        many = Assigner(session)
        for kind in kinds:
            for code in codes:
                one = proposed_institute(session, kind, code)
                assert many.institute_of(kind, code) == (one.id if one else None), (kind, code)


def test_filing_leaves_the_institute_to_the_filing(world, unit):
    (row,) = imported(world, unit, [{}])
    assert row.institute_id is None


def test_another_units_instrument_is_a_duplicate_where_the_platform_counts(world, unit, session, monkeypatch):
    number = f"WIDE-{next(_numbers)}"
    imported(world, unit, [{"出厂编号": number}])
    other = fresh_unit(world, f"beside{next(_numbers)}")
    with monkeypatch.context() as patch:
        with_ledger(patch, duplicate_scope="system")
        pk = checked(world, other, book([{"出厂编号": number}, {"出厂编号": f"{number}-B"}]))
        assert outcomes_of(pk) == ["refused", "new"]
        assert any("该器具已由其他单位录入" in said for said in sentences_of(pk)[0])
        again = checked(world, unit, book([{"出厂编号": number}]))
        assert outcomes_of(again) == ["unchanged"]
    profiles.forget()
    assert outcomes_of(checked(world, other, book([{"出厂编号": number}]))) == ["new"]


def test_an_instrument_that_another_unit_enters_between_check_and_writing_stays_out(world, unit, session, monkeypatch):
    number = f"LATE-{next(_numbers)}"
    with_ledger(monkeypatch, duplicate_scope="system")
    pk = checked(world, unit, book([{"出厂编号": number}, {"出厂编号": f"{number}-B"}]))
    other = fresh_unit(world, f"beside{next(_numbers)}")
    imported(world, other, [{"出厂编号": number}])
    assert written(world, unit, pk) == "done"
    assert outcomes_of(pk) == ["rival", "created"]
    assert [row.serial_no for row in ledger_of(world, unit)] == [f"{number}-B"]


@pytest.fixture(autouse=True)
def own_profile(session):
    """What a test has set is not remembered for the next one."""
    yield
    profiles.forget()


def test_an_instrument_scrapped_meanwhile_still_counts(world, unit, session):
    pk = checked(world, unit, book([{"出厂编号": "GONE-1"}, {"出厂编号": "GONE-2"}]))
    with as_system("test"):
        scrapped = instrument(world, unit, serial_no="GONE-1", manufacturer="大华", state="scrapped")
        key = next(row.dup_key for row in rows_of(pk))
        db.session.get(Instrument, scrapped.id).dup_key = key
        db.session.commit()
    assert written(world, unit, pk) == "done"
    assert outcomes_of(pk) == ["rival", "created"]


def later(days):
    """A clock that stands so many days after now."""
    moment = clock.now() + timedelta(days=days)
    return lambda: moment


def test_rows_of_an_ended_import_go_after_their_time_and_its_counts_stay(world, unit, session, monkeypatch):
    pk = checked(world, unit, book([{}, {"器具用途": "做生意"}]))
    draft = checked(world, fresh_unit(world, f"beside{next(_numbers)}"), book([{}]))
    assert written(world, unit, pk) == "waiting"
    with world.acting(unit):
        ledger_import.give_up(db.session(), pk)
        db.session.commit()
    monkeypatch.setattr(clock, "now", later(29))
    with as_system("test"):
        run_retention(session)
    assert len(rows_of(pk)) == 2
    monkeypatch.setattr(clock, "now", later(2))
    with as_system("test"):
        assert run_retention(session, dry_run=True)["imports"] >= 1
        assert len(rows_of(pk)) == 2
        run_retention(session)
        session.expire_all()
        assert rows_of(pk) == []
        assert len(rows_of(draft)) == 1, "nobody has decided about it"
        job = session.get(Job, pk)
        assert (job.counts["created"], job.counts["refused"], job.counts["rows"]) == (1, 1, 2)
        told = report(session, job)
        assert (told["created"], told["refused"], told["rows"]) == (1, 1, 2)
    assert len(ledger_of(world, unit)) == 1


def test_a_job_that_dies_at_the_same_place_is_given_up_and_one_that_gets_on_is_not(world, unit, session, monkeypatch):
    from app.operations import job as jobs

    class Killed(BaseException):
        pass

    with world.acting(unit) as actor:
        job = ledger_import.start_import(db.session(), actor, filename="台账.xlsx", data=book([{}]))
        db.session.commit()
        pk = job.id
    limit = 4
    monkeypatch.setattr(jobs, "MAX_ATTEMPTS", limit)

    def dying(get_to):
        def run(session, job, _actor):
            jobs.beat(job, 0)
            for done in range(1, get_to + 1):
                jobs.beat(job, done)
                session.commit()
            raise Killed

        return run

    for further in range(1, 3 * limit):
        monkeypatch.setitem(jobs.RUNNERS, ledger_import.KIND, dying(further))
        with pytest.raises(Killed):
            work(pk)
    died = 0
    while died <= limit:
        try:
            state = work(pk)
            break
        except Killed:
            died += 1
    assert (state, died) == ("failed", limit - 2)  # getting on leaves two attempts on the account
    with as_system("test"):
        assert "任务多次中断" in db.session.get(Job, pk).error
