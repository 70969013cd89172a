"""Error pages: what happened, what to do next, and a number to quote. JSON for programs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from flask import Flask, g, jsonify, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ErrorText:
    """A title, what it means, and the cure."""

    title: Any
    meaning: Any
    cure: Any


TEXTS = {
    400: ErrorText(_("无法理解这次请求"), _("提交的内容不完整或格式不对。"), _("请返回上一页，核对后重新提交。")),
    403: ErrorText(
        _("您没有办理这项业务的权限"),
        _("当前账号的角色不能打开这个页面。"),
        _("如工作需要，请联系本单位管理员开通权限。"),
    ),
    404: ErrorText(
        _("没有找到这个页面"),
        _("内容可能已被删除、地址有误，或不在您的管辖范围内。"),
        _("请从菜单或首页重新进入，或用搜索查找。"),
    ),
    405: ErrorText(_("打开方式不对"), _("这个地址不能直接打开。"), _("请返回上一页，使用页面上的按钮办理。")),
    409: ErrorText(
        _("内容已发生变化"), _("您打开页面后，别人办理过这条记录。"), _("请返回并刷新页面，按最新状态继续办理。")
    ),
    413: ErrorText(_("提交的内容过大"), _("文件或所选记录超过了上限。"), _("请压缩文件或分批办理后再提交。")),
    422: ErrorText(_("内容不符合要求"), _("有内容没有通过核对。"), _("请返回上一页，按提示修改后重新提交。")),
    429: ErrorText(_("操作过于频繁"), _("短时间内的请求次数超过了上限。"), _("请稍等几分钟再试。")),
    500: ErrorText(
        _("系统出现意外"),
        _("这次操作没有完成，也没有保存任何内容。"),
        _("请稍后再试；仍有问题请联系我们，并报下面的编号。"),
    ),
    503: ErrorText(_("系统正在维护"), _("暂时无法提供服务。"), _("请稍后再试。")),
}
CSRF_TEXT = ErrorText(
    _("页面停留过久，请重新提交"),
    _("为了您的账号安全，页面打开太久后不能直接提交。这次没有保存任何内容。"),
    _("请重新打开要办理的页面再提交；登录已失效的，请先登录。"),
)


def wants_json() -> bool:
    """A program asked: an API address, or JSON preferred to HTML."""
    if request.path.startswith("/api/"):
        return True
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json" and request.accept_mimetypes[best] > request.accept_mimetypes["text/html"]


CODES = {400: "G-BAD", 401: "G-LOGIN", 403: "G-ROLE", 404: "G-SCOPE", 409: "G-CONFLICT", 422: "G-FIELD", 429: "G-RATE"}
"""What programs know an error by when the refusal itself does not say (WORKFLOWS 0.3)."""


def error_page(
    code: int, text: ErrorText | None = None, detail: str = "", *, reason: str = "", fix_url: str | None = None
) -> Any:
    """The answer for an error; `detail` is a sentence written for the person and replaces the meaning. Programs also get
    `reason` (a stable code) and `fix_url`, where the person can cure it."""
    text = text or TEXTS.get(code) or TEXTS[400 if code < 500 else 500]
    meaning = detail or str(text.meaning)
    number = g.get("request_id", "")
    if wants_json():
        sentence = detail or f"{text.title}{gettext('：')}{meaning}"
        told = {"code": reason or CODES.get(code, "G-ERROR"), "sentence": sentence, "fix_url": fix_url}
        return jsonify(error=sentence, request_id=number, **told), code
    # A failed request may have no usable database: its page asks nothing about the account.
    inside = code < 500 and _logged_in()
    g.setdefault("_menu_counts", {})  # a wrong address costs no counting of what waits
    template = "errors/inside.html" if inside else "errors/outside.html"
    return render_template(template, code=code, text=text, meaning=meaning, number=number, fix_url=fix_url), code


def _logged_in() -> bool:
    try:
        return bool(current_user and current_user.is_authenticated)
    except Exception:  # noqa: BLE001 - the account could not be loaded; the error page must come out all the same
        return False


def _own_sentence(error: HTTPException) -> str:
    """abort(409, "中文句子") is meant for the person; werkzeug's English descriptions are not."""
    said = error.description
    return str(said) if said and str(said) != str(type(error).description) and not str(said).isascii() else ""


def init_errors(app: Flask) -> None:
    """Register the handlers; after CSRFProtect and AppBuilder, so that nothing registered by them wins."""

    @app.errorhandler(CSRFError)
    def csrf(error: CSRFError) -> Any:
        return error_page(400, CSRF_TEXT)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Any:
        if error.response is not None and error.code is None:
            return error.response
        code = error.code or 500
        if code < 400:  # redirects raised as exceptions
            return error
        page = app.make_response(error_page(code, detail=_own_sentence(error)))
        for name, value in error.get_headers():
            if name in ("Retry-After", "Allow"):
                page.headers[name] = value
        return page

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> Any:
        log.error("request %s failed", g.get("request_id", ""), exc_info=error)
        _rollback(app)
        return error_page(500)


def _rollback(app: Flask) -> None:
    """A broken transaction must not break the error page."""
    try:
        app.appbuilder.session.rollback()  # type: ignore[attr-defined]
    except Exception:
        log.exception("rollback after a failed request failed")
