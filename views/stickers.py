"""贴纸: a sheet of QR stickers for chosen certificates (?ids=) or instruments (?instruments=)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, g, render_template, request
from flask_babel import gettext

from app.access.roles import INSTITUTE, UNIT
from app.documents.stickers import LABELS, USUAL, grid
from app.fab.parts import Button
from app.operations import stickers
from app.operations.certificate_files import log_download
from models.base import db
from views.answers import ids_of, pdf, whole
from views.guards import roles

sticker_pages = Blueprint("stickers", __name__)


def sticker_button(certificates: list[int] | None = None, instruments: list[int] | None = None) -> Button:
    """The link that other pages show: 打印贴纸."""
    pairs = (("ids", certificates), ("instruments", instruments))
    query = "&".join(f"{key}={','.join(str(pk) for pk in ids)}" for key, ids in pairs if ids)
    return Button("stickers", gettext("打印贴纸"), f"/stickers?{query}", "get", icon="print")


def _chosen() -> stickers.Chosen:
    return stickers.choose(db.session(), ids_of("ids"), ids_of("instruments"))


@sticker_pages.get("/stickers")
@roles(*UNIT, *INSTITUTE)
def choose() -> Any:
    """What will be printed, what not and why, the size of the labels, and where on the sheet to begin."""
    found = _chosen()
    return render_template(
        "pages/stickers.html",
        base_template="layout.html",
        title=gettext("打印贴纸"),
        chosen=found,
        ids=",".join(str(row.id) for row in found.ready),
        labels=[(name, *LABELS[name], *grid(name)) for name in LABELS],
        usual=USUAL,
    )


@sticker_pages.get("/stickers/sheet.pdf")
@roles(*UNIT, *INSTITUTE)
def sheet() -> Any:
    """The sheets themselves."""
    found = _chosen()
    label = request.args.get("label", USUAL)
    if not found.ready or label not in LABELS:
        abort(404)
    columns, rows = grid(label)
    first = min(max(whole(request.args.get("first")) or 1, 1), columns * rows)
    data = stickers.sheet(found.ready, label=label, skip=first - 1)
    log_download(db.session(), [row.id for row in found.ready], "stickers")
    g.keep_writes = True
    return pdf(data, gettext("检定信息贴纸.pdf"))
