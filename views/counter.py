"""前台受理 (/counter/): find the order by its sheet, compare instrument by instrument, open the 委托单; walk-ins; hotline."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app import clock
from app.access.roles import RECEPTION
from app.errors import InvalidInputError, QuanhengError, WrongStateError
from app.operations import counter as desk
from app.operations.commission import hotline as find_by_phone
from app.profiles import switch_on
from app.workflow import COMMISSION, ITEM
from app.workflow.commission_rules import TICKS, due_day
from app.workflow.item import COUNTER, RETURN_KIND
from models.base import db
from models.commission import Commission
from models.enums import CommissionState, ItemState
from models.instrument import Instrument
from models.types import mask_phone
from views.answers import ids_of
from views.appointment import MODES, mode_word
from views.edge import clean
from views.guards import roles
from views.workflow_view import me

counter = Blueprint("counter", __name__, url_prefix="/counter")
WALK_IN_FIELDS = ("code", "name", "phone", "mode")
TICK_WORDS = {
    "name": _("名称"),
    "model": _("型号"),
    "serial": _("出厂编号"),
    "unit": _("使用单位"),
    "condition": _("状态"),
}


@counter.get("/")
@roles(*COUNTER)
def desk_page() -> Any:
    """The field for number or scan; with one, the order or the sentence why not."""
    typed = clean(request.args.get("q"), 300)
    order, sentence = desk.find_order(db.session(), me(), typed) if typed else (None, "")
    with_sheets = switch_on("commission")
    running = desk.visit_of(db.session(), order.id) if order is not None else None
    if running is not None and with_sheets:
        return redirect(f"/counter/visit/{running.id}", 303)
    rows = order.items if order is not None else []
    return _desk(typed, order, sentence, rows, {}, {})


def _desk(typed: str, order: Any, sentence: str, rows: Any, values: dict[str, str], problems: dict[str, str]) -> Any:
    with_sheets = switch_on("commission")
    waiting = [row for row in rows if row.state == ItemState.ACCEPTED]
    page = render_template(
        "pages/counter.html",
        title=gettext("前台受理"),
        typed=typed,
        order=order,
        sentence=sentence,
        rows=rows,
        waiting=waiting,
        receive_url="/items/receive?ids=" + ",".join(str(row.id) for row in waiting),
        with_sheets=with_sheets,
        walk_ins=with_sheets and switch_on("commission.walk_in"),
        hotline=with_sheets and me().has(*RECEPTION),
        unfinished=desk.unfinished(db.session()) if with_sheets else [],
        labels=ITEM.labels,
        mode_word=mode_word,
        values=values,
        problems=problems,
    )
    return page, 422 if problems else 200


@counter.post("/start")
@roles(*COUNTER)
def start() -> Any:
    """Register who came; the same order is never registered twice at once."""
    values = {key: clean(request.form.get(key), 40) for key in ("name", "phone")}
    ids = ids_of("appointment_id")
    if not ids:
        abort(404)
    try:
        visit = desk.start_visit(db.session(), me(), ids[0], **values)
    except InvalidInputError as error:
        db.session.rollback()
        order = desk.order_here(db.session(), ids[0])
        problems = error.problems or {"": error.sentence}
        return _desk(str(order.number), order, "", order.items, values, problems)
    return redirect(f"/counter/visit/{visit.id}", 303)


# -- the visit ---------------------------------------------------------------------------------------------------------


def _visit(pk: int) -> Commission:
    statement = (
        select(Commission)
        .where(Commission.id == pk, Commission.institute_id == me().institute_id)
        .options(selectinload(Commission.unit), selectinload(Commission.appointment))
    )
    return db.session.execute(statement).scalar_one_or_none() or abort(404)


@counter.get("/visit/<int:pk>")
@roles(*COUNTER)
def visit(pk: int) -> Any:
    """The instruments of the order, each with its five points."""
    row = _visit(pk)
    if row.state != CommissionState.CHECKING:
        return redirect(f"/commissions/show/{pk}", 303)
    return _visit_page(row, {}, {})


def _visit_page(row: Commission, lines: dict[int, desk.Checked], problems: dict[str, str]) -> Any:
    items = desk.items_of(db.session(), row)
    settled = [i for i in items if i.state != ItemState.ACCEPTED]
    received = [i for i in items if i.state == ItemState.RECEIVED]
    page = render_template(
        "pages/counter_visit.html",
        title=gettext("逐台核对"),
        visit=row,
        waiting=[(i, lines.get(i.id)) for i in items if i.state == ItemState.ACCEPTED],
        settled=settled,
        received=received,
        ticks=[(key, TICK_WORDS[key]) for key, _word in TICKS],
        kinds=RETURN_KIND.choices,
        labels=ITEM.labels,
        mode_word=mode_word,
        phone=mask_phone(row.bringer_phone),
        promised=due_day(db.session(), clock.today(), row.mode),
        problems=problems,
    )
    return page, 422 if problems else 200


@counter.post("/visit/<int:pk>/check")
@roles(*COUNTER)
def check(pk: int) -> Any:
    """Receive or send back every line that has a verdict; all of them or none."""
    row = _visit(pk)
    lines = {item_id: _typed_line(item_id) for item_id in ids_of("line")}
    if row.state == CommissionState.CHECKING and (undecided := _undecided(lines)):
        return _visit_page(row, lines, undecided)
    try:
        done = desk.check_lines(db.session(), me(), pk, lines.values())
    except InvalidInputError as error:
        db.session.rollback()
        return _visit_page(_visit(pk), lines, error.problems or {"": error.sentence})
    except WrongStateError as error:
        db.session.rollback()
        flash(error.sentence, "warning")
        return redirect(f"/commissions/show/{pk}", 303)
    if done:
        flash(gettext("已核对%(n)s台。", n=done), "success")
        if row.state == CommissionState.VOID:
            flash(gettext("送检的器具全部退单，本次登记已自动作废。"), "info")
    return redirect(f"/counter/visit/{pk}", 303)


def _undecided(lines: dict[int, desk.Checked]) -> dict[str, str]:
    """What would be lost: ticks without a verdict are kept nowhere; nor is anything when no line has one."""
    said = gettext("请选择“收样”或“退单”，勾选的内容才会保存；暂不处理的请去掉勾选。")
    found = {f"line-{pk}": said for pk, line in lines.items() if line.ticks and not line.verdict}
    if not found and not any(line.verdict for line in lines.values()):
        return {"": gettext("请先选择各台器具的核对结论。")}
    return found


def _typed_line(item_id: int) -> desk.Checked:
    def field(name: str, limit: int = 200) -> str:
        return clean(request.form.get(f"{name}-{item_id}"), limit)

    verdict = field("verdict", 10)
    return desk.Checked(
        item_id=item_id,
        verdict=verdict if verdict in {"receive", "return"} else "",
        ticks=tuple(clean(t, 20) for t in request.form.getlist(f"ticks-{item_id}")),
        kind=field("kind", 20),
        reason=field("reason", 500),
        accessories=field("accessories"),
        condition_note=field("condition"),
    )


@counter.post("/visit/<int:pk>/open")
@roles(*COUNTER)
def open_it(pk: int) -> Any:
    """开具委托单: number and password stand in this answer and in no other."""
    _visit(pk)
    try:
        row, secret = desk.open_commission(db.session(), me(), pk, promised_on=_day(request.form.get("promised_on")))
    except InvalidInputError as error:
        db.session.rollback()
        return _visit_page(_visit(pk), {}, error.problems or {"": error.sentence})
    except WrongStateError:
        db.session.rollback()
        flash(gettext("委托单已开具。客户密码只显示一次，没有记下的请点“重置客户密码”。"), "warning")
        return redirect(f"/commissions/show/{pk}", 303)
    db.session.flush()
    return secret_page(row, secret, gettext("委托单已开具"))


def _day(text: str | None) -> date | None:
    text = clean(text, 20)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        sentence = gettext("“承诺完成日期”不是有效的日期，请按 2026-11-20 的格式填写。")
        raise InvalidInputError(sentence, field="promised_on") from error


def secret_page(row: Commission, secret: str, title: str) -> Any:
    """Number and password, shown by the answer to a POST alone and kept by no cache (must-never case 52)."""
    page = render_template(
        "pages/commission_secret.html",
        title=title,
        commission=row,
        secret=secret,
        label=COMMISSION.label,
        at_counter=me().of_institute,
    )
    answer = make_response(page)
    answer.headers["Cache-Control"] = "no-store"
    return answer


# -- people without an order -------------------------------------------------------------------------------------------


@counter.route("/walk-in", methods=["GET", "POST"])
@roles(*COUNTER)
def walk_in() -> Any:
    """没有预约: the unit by its credit code, then what it brought."""
    values = {key: clean(request.form.get(key), 40) for key in WALK_IN_FIELDS}
    chosen, unit = set(ids_of("rowid")), None
    rows: list[Instrument] = []
    problems: dict[str, str] = {}
    if request.method == "POST":
        try:
            if request.form.get("act") == "start":
                made = desk.walk_in(db.session(), me(), instrument_ids=sorted(chosen), **_start(values))
                return redirect(f"/counter/visit/{made.id}", 303)
            unit, rows = desk.unit_of_code(db.session(), me(), values["code"])
        except QuanhengError as error:
            if error.status in {403, 404}:
                raise
            db.session.rollback()
            problems = getattr(error, "problems", None) or {"": error.sentence}
            unit, rows = _again(values["code"], problems)
    page = render_template(
        "pages/counter_walk_in.html",
        title=gettext("前台直接受理"),
        values=values,
        chosen=chosen,
        unit=unit,
        rows=rows,
        modes=MODES,
        problems=problems,
    )
    return page, 422 if problems else 200


def _start(values: dict[str, str]) -> dict[str, Any]:
    mode = values["mode"] if values["mode"] in {m.value for m, _word in MODES} else MODES[0][0].value
    return {**values, "mode": mode}


def _again(code: str, problems: dict[str, str]) -> tuple[Any, list[Any]]:
    """The list once more after a refusal, unless it is the code that is wrong."""
    if "code" in problems:
        return None, []
    return desk.unit_of_code(db.session(), me(), code)


# -- hotline -----------------------------------------------------------------------------------------------------------


@counter.route("/hotline", methods=["GET", "POST"])
@roles(*RECEPTION)
def hotline() -> Any:
    """客服查询: unit and phone give the numbers; the password is never told again, a new one is given."""
    values = {"unit": clean(request.form.get("unit"), 60), "phone": clean(request.form.get("phone"), 20)}
    rows: list[Commission] | None = None
    problems: dict[str, str] = {}
    if request.method == "POST":
        try:
            rows = find_by_phone(db.session(), me(), values["unit"], values["phone"])
        except InvalidInputError as error:
            db.session.rollback()
            problems = error.problems
    page = render_template(
        "pages/counter_hotline.html",
        title=gettext("委托单号查询"),
        values=values,
        rows=rows,
        problems=problems,
        labels=COMMISSION.labels,
    )
    return page, 422 if problems else 200
