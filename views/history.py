"""The 历史 tab of every entity: the time line in words, and the row as it was on a day (BEYOND 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import request
from flask_babel import gettext
from markupsafe import Markup
from sqlalchemy import select

from app.errors import InvalidInputError
from app.fab.parts import DetailTab
from app.operations.history import Line, row_as_was
from app.operations.journal import moment_of
from app.workflow.engine import Workflow
from app.workflow.journal import AMEND, NET
from models import Certificate
from models.base import db
from models.enums import CertificateState
from views.edge import clean

TONES = {"add": "ok", "publish": "ok", "filing_ok": "ok", "purge": "danger", "scrap": "warn", "suspend": "warn"}
PUBLISHED = (CertificateState.ISSUED, CertificateState.SUPERSEDED, CertificateState.REVOKED)


def history_tab(workflow: Workflow, item: Any, lines: Sequence[Line]) -> DetailTab:
    """The panel: the newest line first, and above it the row as it was when `?as_of=` asks for a day or a moment."""
    papers = _papers(lines)
    steps = [_step(line, papers) for line in reversed(lines)]
    context: dict[str, Any] = {"steps": steps}
    if workflow.model.__tablename__ in NET:  # of persons the history keeps too little to show a page of the past
        asked = clean(request.args.get("as_of"), 32)
        context |= {"asked": asked, "day": asked[:10], **_then(workflow, item, asked)}
    return DetailTab("history", gettext("历史"), "kinds/_history.html", context, count=len(steps))


def _then(workflow: Workflow, item: Any, asked: str) -> dict[str, Any]:
    """What the row was, or the sentence about the date."""
    if not asked:
        return {"problem": "", "then": None, "rows": []}
    try:
        then, rows = row_as_was(db.session(), workflow, item, moment_of(asked))
    except InvalidInputError as error:
        return {"problem": error.sentence, "then": None, "rows": []}
    if not then.known:
        return {"problem": gettext("%(day)s时还没有这条记录。", day=asked), "then": None, "rows": []}
    state = workflow.label_of(then.state), workflow.label_of(item.state)
    return {"problem": "", "then": then, "rows": [(gettext("状态"), *state), *rows]}


def _step(line: Line, papers: set[int]) -> dict[str, Any]:
    who = "，".join(w for w in (line.who, line.body) if w)
    notes = [] if line.step_name == AMEND else [_way(line)]
    if line.reason:
        notes.append(gettext("原因：%(reason)s", reason=line.reason))
    notes += [f"{c.label}：{c.old} → {c.new}" for c in line.changes]
    notes += ["；".join(f"{c.label}：{c.new}" for c in line.born)] if line.born else []
    file: Any = ""
    if line.entity_name == "certificate" and line.step_name == "publish" and line.entity_id in papers:
        file = Markup('<a href="/certificates/pdf/{}">{}</a>').format(line.entity_id, gettext("下载 PDF"))
    return {
        "time": line.at,
        "who": f"{who}（{line.role}）· {line.channel}" if line.channel else f"{who}（{line.role}）",
        "what": f"{line.entity}：{line.step}",
        "note": "\n".join(notes),
        "file": file,
        "kind": TONES.get(line.step_name, "info"),
    }


def _way(line: Line) -> str:
    return f"{line.before} → {line.after}" if line.before != line.after else line.after


def _papers(lines: Sequence[Line]) -> set[int]:
    """Which of the papers in the time line the person may open."""
    wanted = {line.entity_id for line in lines if line.entity_name == "certificate"}
    if not wanted:
        return set()
    statement = select(Certificate.id).where(Certificate.id.in_(wanted), Certificate.state.in_(PUBLISHED))
    return set(db.session.scalars(statement))
