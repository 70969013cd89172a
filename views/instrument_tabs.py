"""What else belongs to an instrument: its filings, its bookings and its papers, as panels of its page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.fab.formats import plain
from app.fab.parts import DetailTab
from app.workflow import CERTIFICATE, FILING, ITEM
from app.workflow.merged import family, of_family
from models import AppointmentItem, Attachment, Certificate, Filing
from models.appointment import Appointment
from models.base import db
from models.enums import CertificateState
from views.workflow_view import chip

SHOWN = 100
PUBLISHED = {CertificateState.ISSUED, CertificateState.SUPERSEDED, CertificateState.REVOKED}


def _panel(name: str, title: str, heads: Sequence[str], rows: list[list[Any]], nothing: str) -> DetailTab:
    context = {"heads": list(heads), "rows": rows, "nothing": nothing}
    return DetailTab(name, title, "pages/instrument_rows.html", context, count=len(rows))


def _link(url: str, text: Any) -> Markup:
    return Markup('<a href="{}">{}</a>').format(url, text)


def filing_tab(item: Any) -> DetailTab:
    """备案: where it was filed and how that ended."""
    statement = select(Filing).where(Filing.instrument_id == item.id).order_by(Filing.id.desc()).limit(SHOWN)
    found = db.session.execute(statement.options(selectinload(Filing.target_institute))).scalars().all()
    rows = [
        [
            _link(f"/filings/show/{f.id}", gettext("查看备案")),
            chip(FILING, f.state),
            f.final_institute or f.holder_institute or f.target_institute,
            f.submitted_at,
            f.decided_at,
            f.reason,
        ]
        for f in found
    ]
    heads = (
        gettext("备案"),
        gettext("状态"),
        gettext("技术机构"),
        gettext("提交时间"),
        gettext("审核时间"),
        gettext("原因"),
    )
    return _panel("filings", gettext("备案"), heads, rows, gettext("还没有备案"))


def booking_tab(item: Any) -> DetailTab:
    """预约: the appointments it stood in."""
    statement = (
        select(AppointmentItem)
        .where(AppointmentItem.instrument_id == item.id)
        .order_by(AppointmentItem.id.desc())
        .limit(SHOWN)
        .options(selectinload(AppointmentItem.appointment).selectinload(Appointment.institute))
    )
    rows = []
    for row in db.session.execute(statement).scalars():
        order = row.appointment
        title = _link(f"/appointments/show/{order.id}", order.number or gettext("草稿")) if order is not None else "—"
        body = order.institute.name if order is not None else "—"
        rows.append([title, chip(ITEM, row.state), body, row.received_at])
    heads = (gettext("预约单号"), gettext("器具进度"), gettext("检定机构"), gettext("收样时间"))
    return _panel("bookings", gettext("预约"), heads, rows, gettext("还没有预约"))


def certificate_tab(item: Any) -> DetailTab:
    """证书: every paper the principal may see, published ones with their file."""
    mine = of_family(db.session(), Certificate.instrument_id, item.id)
    statement = select(Certificate).where(mine).order_by(Certificate.id.desc())
    found = db.session.execute(statement.limit(SHOWN).options(selectinload(Certificate.institute))).scalars().all()
    rows = []
    for paper in found:
        file = _link(f"/certificates/pdf/{paper.id}", gettext("下载 PDF")) if paper.state in PUBLISHED else plain(None)
        word = gettext("合格") if paper.conclusion == "pass" else gettext("不合格")
        rows.append(
            [
                _link(f"/certificates/show/{paper.id}", paper.number or gettext("未编号")),
                word,
                paper.institute.name,
                paper.verified_on,
                paper.valid_until,
                chip(CERTIFICATE, paper.state),
                file,
            ]
        )
    heads = (
        gettext("证书编号"),
        gettext("结论"),
        gettext("检定机构"),
        gettext("检定日期"),
        gettext("有效期至"),
        gettext("状态"),
        gettext("文件"),
    )
    return _panel("certificates", gettext("证书"), heads, rows, gettext("还没有证书"))


KINDS = {
    "type_approval": "型式评价证书",
    "label": "铭牌照片",
    "photo": "照片",
    "paper": "资料",
    "certificate": "检定证书",
}


def file_tab(item: Any) -> DetailTab:
    """文件: what was uploaded to the instrument, and its certificates as files."""
    mine = family(db.session(), item.id)
    kept = select(Attachment).where(Attachment.owner_type == "instrument", Attachment.owner_id.in_(mine))
    rows: list[list[Any]] = [
        [_link(f"/files/{file.id}", file.filename), KINDS.get(file.kind, file.kind), _size(file.size), file.created_at]
        for file in db.session.scalars(kept.order_by(Attachment.created_at.desc()).limit(SHOWN))
    ]
    papers = select(Certificate).where(Certificate.instrument_id.in_(mine), Certificate.state.in_(PUBLISHED))
    rows += [
        [
            _link(f"/certificates/pdf/{paper.id}", f"{paper.number}.pdf"),
            gettext("检定证书") if paper.conclusion == "pass" else gettext("检定结果通知书"),
            _size(paper.pdf_size or 0),
            paper.published_at,
        ]
        for paper in db.session.scalars(papers.order_by(Certificate.id.desc()).limit(SHOWN))
    ]
    heads = (gettext("文件名"), gettext("用途"), gettext("大小"), gettext("时间"))
    return _panel("files", gettext("文件"), heads, rows, gettext("还没有文件"))


def _size(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 1024 / 1024:.1f} MB" if size >= 1024 * 1024 else f"{max(size // 1024, 1)} kB"
