"""Answers for selects that ask the server: divisions by name or code, the mandatory catalogue."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request
from sqlalchemy import or_, select
from sqlalchemy.orm import aliased

from app.access.roles import EVERYBODY
from models.base import db
from models.reference import Category, Division
from views.edge import clean
from views.guards import roles

options = Blueprint("options", __name__, url_prefix="/options")
PAGE = 20
PAGES = 20


def _answer(rows: list[tuple[Any, str]], page: int) -> Any:
    shown = [{"id": key, "text": text} for key, text in rows[:PAGE]]
    return jsonify(results=shown, pagination={"more": len(rows) > PAGE and page < PAGES})


def _page() -> int:
    text = request.args.get("page", "1")
    return min(max(int(text), 1), PAGES) if text.isascii() and text.isdecimal() and len(text) < 4 else 1


def division_text(division: Division, parent: Division | None = None) -> str:
    """How a county reads where it is chosen: 广州市越秀区[440103]."""
    above = parent.name if parent is not None and division.level == "county" else ""
    return f"{above}{division.name}[{division.code}]"


def county_like() -> Any:
    """Divisions that an instrument may stand in: counties, and cities without counties."""
    return or_(Division.level == "county", (Division.level == "city") & Division.has_children.is_(False))


@options.get("/divisions")
@roles(*EVERYBODY)
def divisions() -> Any:
    """Counties by part of their name, of their city's name, or by the beginning of their code."""
    term, page = clean(request.args.get("term"), 30), _page()
    above = aliased(Division)
    statement = select(Division, above).outerjoin(above, above.code == Division.parent_code).where(county_like())
    if term.isdecimal():
        statement = statement.where(Division.code.startswith(term, autoescape=True))
    elif term:
        whole = above.name.concat(Division.name)
        statement = statement.where(
            or_(Division.name.contains(term, autoescape=True), whole.contains(term, autoescape=True))
        )
    statement = statement.order_by(Division.code).offset((page - 1) * PAGE).limit(PAGE + 1)
    return _answer([(d.code, division_text(d, up)) for d, up in db.session.execute(statement).tuples()], page)


@options.get("/categories")
@roles(*EVERYBODY)
def categories() -> Any:
    """Lines of the catalogue by part of either level."""
    term, page = clean(request.args.get("term"), 30), _page()
    statement = select(Category).order_by(Category.code)
    if term:
        statement = statement.where(
            or_(Category.level1.contains(term, autoescape=True), Category.level2.contains(term, autoescape=True))
        )
    rows = db.session.execute(statement.offset((page - 1) * PAGE).limit(PAGE + 1)).scalars()
    return _answer([(c.id, f"{c.level1} · {c.level2}" if c.level1 != c.level2 else c.level2) for c in rows], page)
