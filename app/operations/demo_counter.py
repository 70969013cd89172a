"""The demonstration's counter and bench (委托单, 检定任务), and results that came from other systems (未匹配检定记录)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.operations.certificate import publish_certificate, record_result
from app.workflow import CERTIFICATE, bear, fire
from app.workflow.commission import COMMISSION
from app.workflow.commission_rules import TICKS, task_of
from app.workflow.task import TASK
from app.workflow.unmatched import UNMATCHED
from models.appointment import Appointment
from models.commission import Commission, Task
from models.enums import RecordSource
from models.instrument import Instrument
from models.organisation import Institute, Unit
from models.unmatched import UnmatchedRecord

if TYPE_CHECKING:
    from app.operations.demo_business import Walk

ALL_FIVE = [key for key, _word in TICKS]


def counter(w: Walk, order: int, items: list[int], moment: datetime, *, send_back: int | None = None) -> int:
    """A visit: every instrument compared, one of them sent back if wished, the commission opened. Gives its id."""
    with w.at(moment, f"rec{w.place.home}") as actor:
        head = w.b.session.get(Appointment, order)
        assert head is not None
        row = Commission(
            appointment_id=head.id,
            unit_id=head.unit_id,
            institute_id=actor.institute_id,
            use_division=head.use_division,
            mode=head.mode,
            bringer_name=head.contact_name,
            bringer_phone=head.contact_phone,
        )
        bear(w.b.session, row, "start", actor)
        for item in items:
            line: dict[str, Any] = {"item_id": item, "verdict": "receive", "ticks": ALL_FIVE, "accessories": "电源线"}
            if item == send_back:
                line |= {"verdict": "return", "kind": "fault", "reason": "显示屏缺划，请维修后再送检。", "ticks": []}
            fire(w.b.session, COMMISSION, row.id, "check_line", actor, line)
        fire(w.b.session, COMMISSION, row.id, "open", actor)
        return row.id


def tasks_of(w: Walk, commission: int) -> list[int]:
    """The tasks of a commission, in order."""
    with as_system("choosing the demonstration's tasks"):
        found = select(Task.id).where(Task.commission_id == commission).order_by(Task.id)
        return list(w.b.session.scalars(found))


def assign(w: Walk, tasks: list[int], moment: datetime) -> None:
    """The head gives the tasks to the verifier."""
    for task in tasks:
        verifier = str(w.b.staff[f"ver{w.place.home}"])
        w.step(moment, f"img{w.place.home}", TASK, task, "assign", verifier_id=verifier)


def begin(w: Walk, tasks: list[int], moment: datetime) -> None:
    """The verifier begins."""
    for task in tasks:
        w.step(moment, f"ver{w.place.home}", TASK, task, "begin", temperature="20.5", humidity="48")


def certify(w: Walk, item: int, moment: datetime) -> None:
    """From the result to the published paper, three people's work."""
    from app.operations.demo_business import form_of

    home, session = w.place.home, w.b.session
    with w.at(moment, f"ver{home}") as actor:
        form = form_of(w, item, moment.astimezone(clock.ZONE).date(), passed=True)
        paper = record_result(session, actor, item, form)
        task = task_of(session, item)
        if task is not None and task.state == "in_progress":
            fire(session, TASK, task.id, "record", actor, {"conclusion": form["conclusion"]})
        if paper.state == "draft":
            fire(session, CERTIFICATE, paper.id, "submit", actor)
        pk = paper.id
    w.step(moment + timedelta(hours=1), f"chk{home}", CERTIFICATE, pk, "check")
    with w.at(moment + timedelta(hours=2), f"apr{home}") as actor:
        fire(session, CERTIFICATE, pk, "issue", actor)
        publish_certificate(session, pk)


# -- the states in which a visit can stand today -----------------------------------------------------------------------


def registered(w: Walk, order: int, items: list[int], moment: datetime) -> None:
    """On the shelf: the tasks wait to be given out."""
    counter(w, order, items, moment, send_back=items[1] if len(items) > 1 else None)


def on_the_bench(w: Walk, order: int, items: list[int], moment: datetime) -> None:
    """One is being verified, the next is assigned or waits for parts."""
    tasks = tasks_of(w, counter(w, order, items, moment))
    assign(w, tasks, moment + timedelta(hours=1))
    begin(w, tasks, moment + timedelta(hours=2))
    if len(tasks) > 1:
        why = {"kind": "parts", "reason": "等待厂家寄来打印头后继续检定。"}
        w.step(moment + timedelta(hours=3), f"ver{w.place.home}", TASK, tasks[1], "pause", **why)


def to_be_collected(w: Walk, order: int, items: list[int], moment: datetime) -> None:
    """All verified; where the unit brought them they wait to be fetched."""
    tasks = tasks_of(w, counter(w, order, items, moment))
    assign(w, tasks, moment + timedelta(minutes=20))
    begin(w, tasks, moment + timedelta(minutes=40))
    for item in items:
        certify(w, item, moment + timedelta(hours=1))


VISITS = (registered, on_the_bench, to_be_collected)


# -- results of other systems ------------------------------------------------------------------------------------------


def other_systems(w: Walk) -> None:
    """The institute sends four results: one is recognised, one waits, one is disputed, one is not of this unit."""
    with as_system("what other systems verified of the demonstration's unit"):
        account = w.b.acting(w.unit)
        unit = w.b.session.get(Unit, account.unit_id)
        usable = select(Instrument).where(Instrument.unit_id == account.unit_id, Instrument.state == "in_use")
        known = w.b.session.scalars(usable.order_by(Instrument.id.desc()).limit(1)).first()
        institute = w.b.session.get(Institute, w.b.institutes[w.place.home])
    if unit is None or institute is None or known is None:
        return
    now = clock.now() - timedelta(days=2)
    day = (now - timedelta(days=3)).astimezone(clock.ZONE).date()
    sent = [
        _send(w, unit, now, day, number, name, serial)
        for number, (name, serial) in enumerate(
            (
                (known.name, known.serial_no),
                ("数字式绝缘电阻表", f"JY{w.unit:05d}A"),
                ("电子天平", f"TP{w.unit:05d}B"),
                ("测速仪", f"CS{w.unit:05d}C"),
            )
        )
    ]
    if sent[2].state == "pending":
        why = {"reason": "证书上的出厂编号与铭牌不一致，请核对。"}
        w.step(now + timedelta(hours=3), "", UNMATCHED, sent[2].id, "dispute", **why)
    if sent[3].state == "pending":
        w.step(now + timedelta(hours=4), "", UNMATCHED, sent[3].id, "not_ours", reason="本单位没有这台仪器。")


def _send(w: Walk, unit: Unit, now: datetime, day: date, number: int, name: str, serial: str) -> UnmatchedRecord:
    with w.at(now, f"rec{w.place.home}") as actor:
        row = UnmatchedRecord(
            source=RecordSource.FORM.value,
            institute_id=actor.institute_id,
            unit_id=unit.id,
            unit_code=unit.code or "",
            unit_name=unit.name,
            use_division=unit.division_code[:6],
            certificate_no=f"YX{day:%Y%m%d}{unit.id:04d}{number}",
            instrument_name=name,
            serial_no=serial,
            conclusion="pass",
            verified_on=day,
            valid_until=day.replace(year=day.year + 1) - timedelta(days=1),
            verifier_name="外检员",
        )
        bear(w.b.session, row, "arrive", actor)
        return row
