"""疑似重复 (/duplicates): suspicious pairs, side by side, choosing per field, merging and parting again (BEYOND 16)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request
from flask_babel import gettext
from markupsafe import Markup
from sqlalchemy import select

from app.errors import NotVisibleError, QuanhengError
from app.operations.duplicates import LEVELS, candidates, dismiss, dismissed, rows_of, suspect_again
from app.operations.journal_words import Words, label_of
from app.operations.merge import CHOOSABLE, DAYS, TWO_SERIALS, merge, merges_of, unmerge
from app.workflow import INSTRUMENT
from app.workflow.journal import plain
from app.workflow.live import ever_verified
from models import Instrument, InstrumentMerge
from models.base import db
from models.enums import Role
from views.guards import roles
from views.workflow_view import me

duplicate_pages = Blueprint("duplicates", __name__)
SHOWN = 100
TONES = {"sure": "danger", "likely": "warn", "possible": "info"}


@duplicate_pages.get("/duplicates")
@roles(Role.ENT, Role.SUB, Role.AFF)
def duplicates() -> str:
    """The pairs of the own unit, the surest first, and the merges that can still be undone."""
    found = candidates(db.session(), _unit())
    shown = found[:SHOWN]
    rows = rows_of(db.session(), shown)
    pairs = [(pair, rows[pair.a], rows[pair.b]) for pair in shown if pair.a in rows and pair.b in rows]
    return render_template(
        "pages/duplicates.html",
        title=gettext("疑似重复的器具"),
        pairs=pairs,
        count=len(found),
        levels=LEVELS,
        tones=TONES,
        merges=merges_of(db.session()),
        apart=dismissed(db.session()),
        days=DAYS,
    )


@duplicate_pages.get("/duplicates/compare")
@roles(Role.ENT, Role.SUB, Role.AFF)
def compare() -> str:
    """Two rows side by side."""
    return _compare(_row("a"), _row("b"))


@duplicate_pages.post("/duplicates/merge")
@roles(Role.ENT, Role.SUB, Role.AFF)
def do_merge() -> Any:
    """Keep one, take the chosen fields of the other."""
    a, b = _row("a"), _row("b")
    kept, other = (b, a) if request.form.get("kept") == str(b.id) else (a, b)
    chosen = [key for key in CHOOSABLE if request.form.get(f"field_{key}") == str(other.id)]
    sure = request.form.get("confirmed") == "1"
    try:
        merge(db.session(), me(), kept.id, other.id, chosen, confirmed=sure)
    except NotVisibleError:
        abort(404)
    except QuanhengError as error:
        db.session.rollback()
        return _compare(_row("a"), _row("b"), error.sentence), error.status
    flash(gettext("已合并为一台，%(days)s天内可以取消。", days=DAYS), "success")
    return redirect(f"/instruments/show/{kept.id}", 303)


@duplicate_pages.post("/duplicates/unmerge")
@roles(Role.ENT, Role.SUB, Role.AFF)
def do_unmerge() -> Any:
    """Part two rows again."""
    pk = _number(request.form.get("merge"))
    if db.session.scalar(select(InstrumentMerge.id).where(InstrumentMerge.id == pk)) is None:
        abort(404)
    try:
        back = unmerge(db.session(), me(), pk)
    except QuanhengError as error:
        return _refused(error)
    flash(gettext("已取消合并，两台器具恢复为合并前的内容。"), "success")
    return redirect(f"/instruments/show/{back.id}", 303)


@duplicate_pages.post("/duplicates/dismiss")
@roles(Role.ENT, Role.SUB, Role.AFF)
def do_dismiss() -> Any:
    """不是重复: the pair leaves the list."""
    a, b = _row("a"), _row("b")
    try:
        dismiss(db.session(), me(), a.id, b.id)
    except QuanhengError as error:
        return _refused(error)
    flash(gettext("已标为不是重复，不再列出；需要时可在本页下方撤回。"), "success")
    return redirect("/duplicates", 303)


@duplicate_pages.post("/duplicates/suspect")
@roles(Role.ENT, Role.SUB, Role.AFF)
def do_suspect() -> Any:
    """The pair is listed again."""
    try:
        suspect_again(db.session(), me(), _number(request.form.get("dismissal")))
    except QuanhengError as error:
        return _refused(error)
    flash(gettext("已撤回“不是重复”的标记。"), "success")
    return redirect("/duplicates", 303)


def _refused(error: QuanhengError) -> Any:
    """Back to the list with the sentence; what is not the person's is not there."""
    if isinstance(error, NotVisibleError):
        abort(404)
    db.session.rollback()
    flash(error.sentence, "danger")
    return redirect("/duplicates", 303)


def _compare(a: Instrument, b: Instrument, problem: str = "") -> str:
    words = Words(db.session(), [(INSTRUMENT, key, plain(getattr(r, key))) for key in CHOOSABLE for r in (a, b)])
    fields = []
    for key in CHOOSABLE:
        values = [words.of(INSTRUMENT, key, plain(getattr(row, key))) for row in (a, b)]
        fields.append((key, label_of(INSTRUMENT, key), *values))
    verified = [ever_verified(db.session(), row.id) for row in (a, b)]
    return render_template(
        "pages/duplicate_compare.html",
        title=gettext("核对并合并"),
        a=a,
        b=b,
        fields=fields,
        states=[INSTRUMENT.label_of(row.state) for row in (a, b)],
        papers=[row.certificate_no or Markup("—") for row in (a, b)],
        ask=TWO_SERIALS if all(verified) and a.serial_no != b.serial_no else "",
        problem=problem,
        kept=request.form.get("kept") or str(a.id),
        typed=request.form,
        days=DAYS,
    )


def _unit() -> int:
    unit_id = me().unit_id
    if unit_id is None:
        abort(403)
    return unit_id


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 18 else 0


def _row(name: str) -> Instrument:
    """One of the two, by the id in the address or form, through scope and of the own unit."""
    pk = _number(request.values.get(name))
    statement = select(Instrument).where(Instrument.id == pk, Instrument.unit_id == _unit())
    return db.session.scalars(statement).one_or_none() or abort(404)
