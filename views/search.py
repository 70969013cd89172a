"""The page of the one search box: instruments, orders, certificates and units, each through the principal's scope."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request
from flask_babel import gettext

from app.operations.search import MOST, find
from models.base import db
from views.edge import clean
from views.guards import roles
from views.switched import offered_here
from views.workflow_view import me

search_pages = Blueprint("search_pages", __name__)


def kinds() -> dict[str, str]:
    """Kind of a hit → the heading of its group."""
    return {
        "instruments": gettext("器具"),
        "appointments": gettext("预约单"),
        "certificates": gettext("证书"),
        "units": gettext("使用单位"),
    }


@search_pages.get("/search")
@roles()
def search() -> Any:
    """Everything the words lead to, at most 20 of a kind; a single row is opened at once."""
    term = clean(request.args.get("q"), 100)
    groups = [g for g in find(db.session(), me(), term) if offered_here(f"/{g.kind}")] if term else []
    hits = [hit for group in groups for hit in group.hits]
    if len(hits) == 1:
        return redirect(f"/{hits[0].kind}/show/{hits[0].key}", 302)
    return render_template(
        "pages/search.html", title=gettext("搜索"), term=term, groups=groups, words=kinds(), most=MOST
    )
