"""`/clocks/`: who waits for whom, and what runs out next."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask_babel import gettext

from app.operations import clocks as rules
from models.base import db
from models.enums import Role
from views.guards import roles
from views.switched import offered_here
from views.workflow_view import me

clock_pages = Blueprint("clocks", __name__)
READERS = (Role.ENT, Role.SUB, Role.AFF, Role.REC, Role.VER, Role.APR, Role.IMG, Role.REG)


@clock_pages.get("/clocks/")
@roles(*READERS)
def index() -> str:
    """The board, every number a link to the rows it counts."""
    return render_template(
        "pages/clocks.html",
        title=gettext("时限看板"),
        clocks=rules.board(db.session(), me()),
        running=rules.next_out(db.session()) if offered_here("/appointments/list/") else [],
        of_unit=me().of_unit,
    )
