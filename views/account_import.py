"""`/accounts/import`: many accounts from one workbook. The answer to the upload shows the links, and no address does."""

from __future__ import annotations

import base64
import io
import tempfile
from pathlib import Path
from typing import Any

from flask import Blueprint, make_response, render_template, request, send_file
from flask_babel import gettext

from app.access.roles import KINDS
from app.documents.xlsx import write_rows
from app.errors import QuanhengError
from app.intake.guard import MAX_FILE
from app.operations.account import activation_url
from app.operations.issue_workbook import TEMPLATES, Issued, RowsRefusedError, issue_from_workbook, template
from app.operations.site import SHEET
from app.workflow.account import TRUSTED
from models.base import db
from models.enums import AccountKind, Role
from models.types import mask_phone
from views.guards import roles
from views.workflow_view import me

account_import = Blueprint("account_import", __name__, url_prefix="/accounts/import")


@account_import.get("")
@roles(Role.ADM)
def page() -> str:
    """Templates and the upload."""
    return _page("", [])


def _page(problem: str, rows: list[str], chosen: str = "staff") -> str:
    return render_template(
        "pages/account_import.html",
        title=gettext("批量派发账号"),
        templates={kind: title for kind, (title, _columns) in TEMPLATES.items()},
        problem=problem,
        rows=rows,
        chosen=chosen,
    )


@account_import.get("/staff.xlsx")
@roles(Role.ADM)
def staff_template() -> Any:
    """账号派发模板."""
    return _template("staff")


@account_import.get("/experts.xlsx")
@roles(Role.ADM)
def experts_template() -> Any:
    """专家账号导入模板."""
    return _template("experts")


def _template(kind: str) -> Any:
    name = f"{TEMPLATES[kind][0]}.xlsx"
    return send_file(io.BytesIO(template(kind)), mimetype=SHEET, as_attachment=True, download_name=name, max_age=0)


@account_import.post("")
@roles(Role.ADM)
def upload() -> Any:
    """Issue all rows, or say of every wrong one what is wrong with it."""
    kind, file = request.form.get("kind", ""), request.files.get("file")
    kind = kind if kind in TEMPLATES else "staff"
    if file is None or not file.filename:
        return _page(gettext("请选择要上传的 .xlsx 文件。"), [], kind), 422
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "upload.xlsx"
            path.write_bytes(file.stream.read(MAX_FILE + 1))
            issued = issue_from_workbook(db.session(), me(), kind, path, file.filename)
    except QuanhengError as error:
        db.session.rollback()
        return _page(error.sentence, error.rows if isinstance(error, RowsRefusedError) else [], kind), 422
    lines = [_line(one) for one in issued]
    answer = make_response(
        render_template(
            "pages/account_import_done.html",
            title=gettext("已派发%(n)s个账号", n=len(lines)),
            lines=lines,
            workbook=_workbook(lines),
        )
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


HEADS = ("行", "用户名", "姓名", "账号类型", "链接发送到", "激活链接")


def _line(one: Issued) -> tuple[Any, ...]:
    """A line of the result; links of auditors and security administrators are shown to nobody."""
    account = one.account
    if not one.token:
        sent, link = gettext("会签后发给本人"), ""
    else:
        sent = account.email or mask_phone(account.phone) or gettext("请当面交付")
        link = "" if account.kind in TRUSTED else activation_url(one.token)
    return one.row, account.user.username, account.name, KINDS[AccountKind(account.kind)], sent, link


def _workbook(lines: list[tuple[Any, ...]]) -> str:
    """The result as a workbook inside the page: it is kept nowhere and cannot be asked for again."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "issued.xlsx"
        write_rows(out, HEADS, lines, sheet_name="派发结果")
        return f"data:{SHEET};base64,{base64.b64encode(out.read_bytes()).decode()}"
