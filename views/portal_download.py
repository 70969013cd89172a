"""计量检测电子证书下载 (/d/): papers and progress for the number and password of a 委托单, without an account (VER-07)."""

from __future__ import annotations

from tempfile import TemporaryFile
from typing import Any
from urllib.parse import quote

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, send_file
from flask_babel import gettext

from app.errors import NotVisibleError, TooOftenError
from app.operations import commission_download as papers
from app.profiles import profile, setting
from models.base import db
from views.answers import ids_of, pdf
from views.edge import clean
from views.portal import not_indexed

portal_download = Blueprint("portal_download", __name__, url_prefix="/d")
portal_download.after_request(not_indexed)
TICKET = 400


@portal_download.after_request
def kept_nowhere(answer: Any) -> Any:
    """What the password opened stays in no cache."""
    answer.headers["Cache-Control"] = "no-store"
    return answer


@portal_download.route("/", methods=["GET", "POST"])
def page() -> Any:
    """The form, and what it finds; a wrong number and a wrong password give the same nothing."""
    number = clean(request.values.get("number"), 20)
    if request.method == "GET":
        return _page(number, papers.Found())
    secret = clean(request.form.get("secret"), 40)
    if not number or not secret:
        problems = {} if number else {"number": gettext("请填写“委托单号”。")}
        problems |= {} if secret else {"secret": gettext("请填写“客户密码”。")}
        return _page(number, papers.Found(), problems=problems), 422
    try:
        found = papers.look_up(db.session(), number, secret, request.remote_addr or "")
    except TooOftenError as error:
        db.session.rollback()
        answer = make_response(_page(number, papers.Found(), problems={"": error.sentence}), error.status)
        answer.headers["Retry-After"] = str(error.seconds)
        return answer
    return _page(number, found, asked=True)


def _page(number: str, found: papers.Found, *, asked: bool = False, problems: dict[str, str] | None = None) -> str:
    return render_template(
        "portal/download.html",
        title=gettext("计量检测电子证书下载"),
        number=found.number or number,
        found=found,
        asked=asked,
        problems=problems or {},
        phone=str(setting("commission", "hotline") or profile().get("hotline", "")),
    )


@portal_download.get("/paper/<int:pk>")
def paper(pk: int) -> Any:
    """One paper, for ten minutes after the password was given."""
    name, data = papers.one_paper(db.session(), clean(request.args.get("t"), TICKET), pk)
    g.keep_writes = True  # the download leaves its line
    return pdf(data, name)


@portal_download.post("/papers")
def chosen() -> Any:
    """电子证书批量下载: the chosen ones with a link each. 批量压缩打包下载: the chosen ones in one zip."""
    ticket = clean(request.form.get("t"), TICKET)
    found = papers.again(db.session(), ticket)
    everything = request.form.get("all") == "1"
    ids = [row.id for row in found.rows] if everything else ids_of("rowid") if "rowid" in request.form else []
    if not ids:
        flash(gettext("请先选中需要下载的证书。"), "warning")
        return _page(found.number, found, asked=True), 422
    if request.form.get("act") == "zip":
        return _zip(ticket, ids)
    known = {row.id: row for row in found.rows}
    if not set(ids) <= known.keys():
        raise NotVisibleError
    if len(ids) == 1:
        return redirect(f"/d/paper/{ids[0]}?t={quote(ticket, safe='')}", 303)
    rows = [known[pk] for pk in known if pk in set(ids)]
    return render_template(
        "portal/download_files.html", title=gettext("电子证书批量下载"), rows=rows, ticket=ticket, number=found.number
    )


def _zip(ticket: str, ids: list[int]) -> Any:
    out = TemporaryFile()  # noqa: SIM115 - send_file reads from it after this function and closes it with the answer
    name = papers.zipped(db.session(), ticket, ids, out)
    out.seek(0)
    return send_file(out, mimetype=papers.ZIP_TYPE, as_attachment=True, download_name=name, max_age=0)
