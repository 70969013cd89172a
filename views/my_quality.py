"""我的质量信息 (/me/quality, ORG-14): for units and the persons linked to one."""

from __future__ import annotations

from flask import Blueprint, abort, render_template
from flask_babel import gettext

from app.operations.band import LABELS, Band
from app.operations.quality import BANDS, quality_of
from models.base import db
from models.enums import Role
from views.guards import roles
from views.workflow_view import me

quality_pages = Blueprint("my_quality", __name__)


@quality_pages.get("/me/quality")
@roles(Role.ENT, Role.SUB, Role.AFF)
def quality() -> str:
    """Numbers that are links to the rows they count."""
    if me().unit_id is None:
        abort(403)
    found = quality_of(db.session(), me())
    words = {**LABELS, Band.GOOD: gettext("有效期内")}
    figures = [(found.in_use, gettext("在用器具（台）"), "/instruments/list/?state=in_use")]
    figures += [
        (found.bands[band], gettext("%(word)s（台）", word=words[band]), f"/instruments/list/?band={band.value}")
        for band in BANDS
    ]
    results = [
        (gettext("检定合格的证书（份）"), found.passed),
        (gettext("检定不合格的证书（份）"), found.failed),
        (gettext("合格率"), "—" if found.rate is None else f"{found.rate}%"),
    ]
    return render_template(
        "pages/my_quality.html", title=gettext("我的质量信息"), figures=figures, sections=[("", results)]
    )
