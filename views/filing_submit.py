"""提交备案 in three ways (FIL-02): the ticked instruments, those a search found, or all that are not yet filed.

The page names the mode; which instruments that means is worked out here, again when the form comes back, and must
then be as many as the person was shown. How many of them can be filed is said before: on the page for up to a thousand,
by the dry run of the bulk act for more. Up to 200 are filed within the click, more by a worker; either way every row
keeps its outcome for download (app.operations.bulk).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from flask_babel import gettext
from sqlalchemy import select

from app.access.roles import UNIT
from app.errors import InvalidInputError, QuanhengError, StaleVersionError
from app.operations import bulk
from app.operations.account import institutes_for
from app.operations.filing import AT_ONCE, check_submission, declared, pending, refusal, statement_of
from app.operations.ledger_query import ledger_query
from app.profiles import setting, switch_on
from app.workflow import INSTRUMENT
from app.workflow.live import foreseen
from models import Institute, Instrument
from models.base import db
from views.bulk import failures, follow
from views.guards import roles
from views.workflow_view import chip, me

filing_submit = Blueprint("filing_submit", __name__, url_prefix="/filings")
MODES = ("ids", "query", "all")
MOST = 50_000
SHOWN = 50
MAX_IDS = 200


def chosen_set(mode: str, query: str, ids: str) -> list[int]:
    """Keys of the instruments that a mode means for this person now, in order."""
    session = db.session()
    if mode == "ids":
        keys = {int(k) for k in ids.split(",") if k.isascii() and k.isdecimal() and len(k) < 19}
        wanted = sorted(keys)[:MAX_IDS]
        statement = select(Instrument.id).where(Instrument.id.in_(wanted), Instrument.unit_id == me().unit_id)
        return list(session.scalars(statement.order_by(Instrument.id)))
    found = ledger_query(session, query if mode == "query" else "")
    found = found.filter(pending(), Instrument.unit_id == me().unit_id)
    rows: list[Any] = found.with_entities(Instrument.id).order_by(Instrument.id).limit(MOST).all()
    return [int(row.id) for row in rows]


def offered_institutes(keys: Sequence[int]) -> list[Institute]:
    """The institutes that serve at least one of the places of use, nearest first."""
    session = db.session()
    statement = select(Instrument.use_division).where(Instrument.id.in_(list(keys)[:5_000])).distinct()
    found: dict[int, Institute] = {}
    for division in sorted(session.scalars(statement)):
        for institute in institutes_for(session, division, levels=setting("filing", "selectable_levels")):
            found.setdefault(institute.id, institute)
    return list(found.values())


def tried(keys: Sequence[int]) -> tuple[int, list[tuple[str, int]]] | None:
    """How many of these can be filed, and why the others cannot, most frequent first; None where they are too many to be
    asked within a click. What depends on the institute is not asked yet."""
    if len(keys) > bulk.TRIED_AT_ONCE:
        return None
    session, actor = db.session(), me()
    reasons: Counter[str] = Counter()
    with foreseen(session, keys):
        for row in session.execute(select(Instrument).where(Instrument.id.in_(list(keys)))).scalars():
            if said := refusal(session, actor, row, {}):
                reasons[said] += 1
    return len(keys) - sum(reasons.values()), reasons.most_common()


def _mode() -> tuple[str, str, str]:
    """Mode, query string and ids, from the address or from the form."""
    if request.method == "POST":
        mode, query, ids = (request.form.get(k, "") for k in ("mode", "query", "ids"))
    else:
        mode = request.args.get("mode", "ids")
        query, ids = request.query_string.decode("utf-8", "replace"), request.args.get("ids", "")
    return (mode if mode in MODES else "ids"), query[:4_000], ids[:4_000]


def _page(problems: dict[str, str] | None = None, loose: Sequence[str] = (), keys: Sequence[int] | None = None) -> str:
    mode, query, ids = _mode()
    keys = chosen_set(mode, query, ids) if keys is None else keys
    statement = select(Instrument).where(Instrument.id.in_(list(keys)[:SHOWN])).order_by(Instrument.id)
    rows = db.session.execute(statement).scalars().all()
    institutes = offered_institutes(keys)
    typed = request.form.get("institute_id", "")
    if not typed and len(institutes) == 1:
        typed = str(institutes[0].id)
    return render_template(
        "pages/filing_submit.html",
        base_template="layout.html",
        title=gettext("提交备案"),
        rows=rows,
        count=len(keys),
        mode=mode,
        query=query,
        ids=ids,
        institutes=institutes,
        typed=typed,
        statement=statement_of(db.session()),
        tried=tried(keys),
        problems=problems or {},
        loose=list(loose),
        chip=lambda state: chip(INSTRUMENT, state),
        declared=bool(request.form.get("declaration")),
        province=bool(request.form.get("allow_province")),
        can_province=switch_on("filing.to_province"),
        shown=SHOWN,
        modes=[("ids", gettext("选中")), ("query", gettext("查询结果")), ("all", gettext("全部待备案"))],
    )


@filing_submit.get("/submit")
@roles(*UNIT)
def form() -> Any:
    """What would be filed, and the form."""
    return _page()


@filing_submit.post("/submit")
@roles(*UNIT)
def submit() -> Any:
    """File the set; a row that cannot be filed is skipped with its sentence, the others go on."""
    mode, query, ids = _mode()
    keys = chosen_set(mode, query, ids)
    data = {
        "institute_id": request.form.get("institute_id", ""),
        "declaration": bool(request.form.get("declaration")),
        "allow_province": bool(request.form.get("allow_province")),
    }
    if request.form.get("count") != str(len(keys)):
        sentence = gettext("可提交的器具已变为 %(n)s 台，请核对后重新确认。", n=len(keys))
        return _page(loose=[sentence], keys=keys), 409
    try:
        check_submission(keys, data)
        data = declared(db.session(), data, request.form.get("statement_version"))
        job = bulk.choose(db.session(), me(), "file", keys, data)
        if len(keys) > AT_ONCE:
            bulk.prepare(db.session(), me(), job)
            return follow(job)
        bulk.do_at_once(db.session(), me(), job)
    except StaleVersionError:
        db.session.rollback()
        return _page(loose=[gettext("责任声明已更新，请重新阅读后确认。")], keys=keys), 409
    except QuanhengError as error:
        db.session.rollback()
        problems = error.problems if isinstance(error, InvalidInputError) else {}
        return _page(problems, [] if problems else [error.sentence]), 422
    counts: Any = job.counts
    if not counts.get("failed"):
        flash(gettext("已提交 %(n)s 台器具的备案。", n=counts.get("done", 0)), "success")
        return redirect("/filings/list/?state=submitted", 303)
    return render_template(
        "pages/filing_result.html",
        base_template="layout.html",
        title=gettext("提交备案"),
        done=counts.get("done", 0),
        said=bulk.sentence(job),
        skipped=failures(job.id, AT_ONCE),
        job=job,
    )
