"""电子证书核对: whether a file is the one that was issued, by its SHA-256; the file itself never leaves the computer."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, current_app, redirect, render_template, request
from flask_babel import gettext

from app.access.limits import by_address, hit
from app.operations.public import check_hash
from models.base import db
from views.edge import clean
from views.portal import LOOKUPS, not_indexed, result_page

portal_hash = Blueprint("portal_hash", __name__)
portal_hash.after_request(not_indexed)
SHA256 = re.compile(r"[0-9a-f]{64}")


@portal_hash.get("/v/check")
def check() -> Any:
    """The form: a file that the browser measures, or a fingerprint pasted by hand."""
    asked = "sha256" in request.args
    typed = "".join(clean(request.args.get("sha256"), 200).split()).lower()
    if asked and SHA256.fullmatch(typed):
        return redirect(f"/v/hash/{typed}", 303)
    problem = gettext("文件指纹应为64位数字和字母a～f，请重新粘贴。") if asked else ""
    page = render_template("portal/check.html", title=gettext("电子证书核对"), typed=typed[:80], problem=problem)
    return page, 422 if problem else 200


@portal_hash.get("/v/hash/<sha256>")
def by_hash(sha256: str) -> Any:
    """What is known of the file. Unknown and misspelt fingerprints read the same, and count the same."""
    hit(by_address("lookup"), current_app.config.get("LOOKUP_LIMIT", LOOKUPS))
    sha256 = sha256.strip().lower()
    found = check_hash(db.session(), sha256) if SHA256.fullmatch(sha256) else None
    if found is not None:
        return result_page(found, gettext("文件与检定机构签发的电子证书完全一致。"))
    page = render_template(
        "portal/certificate.html",
        title=gettext("电子证书核对结果"),
        kind="danger",
        answer=gettext("未找到"),
        subject=gettext("未找到，文件可能被修改过"),
        means=gettext(
            "没有与该文件一致的电子证书：它不是从本平台下载的，或者下载后被修改、另存或转换过。"
            "已更正、已撤销证书的下载件带有水印，也不与原件一致。"
        )
        + gettext("请扫描证书上的二维码，或用证书编号和核验码核验。"),
    )
    return page, 404
