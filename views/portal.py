"""The public portal: home, search of instruments, checking a certificate, the two texts. Sets no cookie by itself."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import Blueprint, current_app, redirect, render_template, request
from flask_babel import gettext

from app.access.limits import by_address, check, hit
from app.access.principal import ANONYMOUS, acting_as
from app.fab.parts import state_chip
from app.operations.public import CAP, PAGE, PublicCertificate, PublicInstrument, check_certificate, search
from app.profiles import profile, setting
from models.base import db
from views.edge import clean
from views.site_texts import text

portal = Blueprint("portal", __name__)
MAX_PAGE = CAP // PAGE
SEARCHES, LOOKUPS, WRONG_CODES = "30 per minute", "50 per hour", "5 per 15 minutes"


@portal.get("/")
def home() -> str:
    """The first page: what one may look up, and the ways in."""
    entry = bool(setting("login", "regulator_entry"))
    return render_template("portal/home.html", title=gettext("首页"), regulator_entry=entry)


ROBOTS = "User-agent: *\nDisallow: /instruments\nDisallow: /v\nDisallow: /register\nDisallow: /recover\nAllow: /$\n"
"""Search engines may know the first page; what is looked up by name is not theirs to keep (must-never case 84)."""


@portal.get("/robots.txt")
def robots() -> Any:
    """What search engines are asked to leave alone."""
    return current_app.response_class(ROBOTS, mimetype="text/plain")


@portal.after_request
def not_indexed(answer: Any) -> Any:
    """Pages with units' names say so themselves too: a link from elsewhere passes by robots.txt."""
    if request.path != "/":
        answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return answer


# -- instruments -----------------------------------------------------------------------------------------------------


@portal.get("/instruments")
def instruments() -> Any:
    """Instruments in use with a result, by name, unit or number: the public columns only."""
    term = clean(request.args.get("q"), 50)
    page = _page(request.args.get("page"))
    rows: list[PublicInstrument] = []
    count, more = 0, False
    if len(term) >= 2:
        hit(by_address("public-search"), current_app.config.get("SEARCH_LIMIT", SEARCHES))
        with acting_as(ANONYMOUS):
            rows, count, more = search(db.session(), term, page)
    heads = [
        gettext("器具名称"),
        gettext("使用单位"),
        gettext("出厂编号"),
        gettext("检定机构"),
        gettext("检定结论"),
        gettext("有效期至"),
        gettext("使用地"),
        gettext("状态"),
    ]
    pages = min(-(-count // PAGE), MAX_PAGE)
    return render_template(
        "portal/instruments.html",
        title=gettext("器具查询"),
        term=term,
        short=bool(term) and len(term) < 2,
        heads=heads,
        rows=[_cells(row) for row in rows],
        count=f"{count}+" if more else count,
        page=page,
        pages=pages,
    )


def _page(text: str | None) -> int:
    """A page number from 1 to the depth that is offered; anything else is the first page."""
    text = text or ""
    if not (text.isascii() and text.isdecimal()) or len(text) > 6:
        return 1
    return min(max(int(text), 1), MAX_PAGE)


def _cells(row: PublicInstrument) -> list[Any]:
    return [
        row.name,
        row.unit,
        row.serial_no,
        row.institute,
        row.result,
        row.valid_until,
        row.county,
        state_chip(row.tone, row.standing),
    ]


# -- certificates ----------------------------------------------------------------------------------------------------


@portal.get("/v")
def verify() -> Any:
    """The form for number and code; the answer has an address of its own, the one in the QR code."""
    number, code = clean(request.args.get("number"), 40), clean(request.args.get("code"), 20)
    asked = "number" in request.args or "code" in request.args
    if number and code:
        return redirect(f"/v/{quote(number, safe='')}/{quote(code, safe='')}", 303)
    problems = {}
    if asked and not number:
        problems["number"] = gettext("请填写“证书编号”。")
    if asked and not code:
        problems["code"] = gettext("请填写“核验码”。")
    page = render_template("portal/verify.html", title=gettext("证书核验"), number=number, code=code, problems=problems)
    return page, 422 if problems else 200


@portal.get("/v/<path:number>/<code>")
def verified(number: str, code: str) -> Any:
    """What the platform knows of the paper. A wrong code and a missing number read the same, and count the same."""
    number, code = clean(number, 40), clean(code, 20)
    config = current_app.config
    wrong = f"wrong-code:{number.upper()}"
    hit(by_address("lookup"), config.get("LOOKUP_LIMIT", LOOKUPS))
    check(wrong, config.get("WRONG_CODE_LIMIT", WRONG_CODES))
    found = check_certificate(db.session(), number, code)
    if found is None:
        hit(wrong, config.get("WRONG_CODE_LIMIT", WRONG_CODES))
        return _not_found(number), 404
    return result_page(found)


def result_page(found: PublicCertificate, said: str = "") -> str:
    """The answer about a paper: its state in words and colour, the facts on it, and where its successor is."""
    return render_template(
        "portal/certificate.html",
        title=gettext("证书核验结果"),
        kind=found.tone,
        answer=found.answer,
        subject=found.number,
        sections=[("", _facts(found))],
        means=said + found.meaning,
        calls=_whom_to_call(found),
        newer=found.newer,
    )


def _not_found(number: str) -> str:
    hotline = profile().get("hotline", "")
    advice = gettext("请核对证书编号和核验码（印在证书二维码下方）后重试。仍查不到的，请联系出具证书的检定机构。")
    calls = gettext("怀疑证书是伪造的，请拨打服务热线 %(phone)s。", phone=hotline) if hotline else ""
    return render_template(
        "portal/certificate.html",
        title=gettext("证书核验结果"),
        kind="muted",
        answer=gettext("未找到"),
        subject=number,
        means=gettext("没有与该编号和核验码相符的证书。") + advice,
        calls=calls,
    )


def _facts(found: PublicCertificate) -> list[tuple[str, Any]]:
    facts = [
        (gettext("状态"), state_chip(found.tone, found.answer)),
        (gettext("证书类型"), found.kind),
        (gettext("证书编号"), found.number),
        (gettext("器具名称"), found.instrument),
        (gettext("型号规格"), found.model or "—"),
        (gettext("出厂编号"), found.serial_no),
        (gettext("使用地"), found.county or "—"),
        (gettext("检定机构"), found.institute),
        (gettext("检定结论"), found.result),
        (gettext("检定日期"), found.verified_on.isoformat()),
        (gettext("有效期至"), _until(found)),
    ]
    if found.sha256:
        facts.append((gettext("电子证书指纹（SHA-256）"), found.sha256))
    return facts


def _until(found: PublicCertificate) -> Any:
    """The last day in the colour of the state, with the word: 2027-11-20 有效."""
    if found.valid_until is None:
        return "—"
    return state_chip(found.tone, f"{found.valid_until.isoformat()} {found.answer}")


def _whom_to_call(found: PublicCertificate) -> str:
    hotline = profile().get("hotline", "")
    said = gettext(
        "对证书内容有疑问，请联系%(name)s（电话 %(phone)s）。", name=found.institute, phone=found.institute_phone
    )
    return said + (gettext("服务热线 %(phone)s。", phone=hotline) if hotline else "")


# -- texts -----------------------------------------------------------------------------------------------------------


@portal.get("/agreement")
def agreement() -> str:
    """《系统服务使用协议》 in force."""
    return text("agreement")


@portal.get("/privacy")
def privacy() -> str:
    """《个人信息隐私政策》 in force."""
    return text("privacy")
