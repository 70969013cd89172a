"""证书: list, detail with readings, signers and QR code, the paper itself, and the verifier's draft."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, g, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from markupsafe import Markup
from sqlalchemy.orm import selectinload

from app.access.roles import INSTITUTE, REGULATOR, UNIT
from app.documents.qr import qr_svg
from app.errors import QuanhengError
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab, Tab
from app.operations.certificate import correct_certificate, edit_result, paper, preview, verify_url
from app.operations.certificate_files import log_download
from app.workflow import CERTIFICATE
from app.workflow.engine import check_role, why_not
from models.base import db
from models.certificate import Certificate
from models.enums import CertificateKind, CertificateState, Conclusion, Role
from models.types import mask_name
from views.answers import pdf, whole
from views.certificate_batch import CertificateBatch
from views.certificate_draft import DraftForm, fill_snapshot, typed_draft
from views.edge import clean
from views.item import result_page
from views.result_form import add_rows, fill_from_certificate
from views.stickers import sticker_button
from views.workflow_view import WorkflowView, me, put_on_form

S = CertificateState
KINDS = ((CertificateKind.CERTIFICATE, _("检定证书")), (CertificateKind.REJECTION, _("检定结果通知书")))
UNSIGNED = {S.DRAFT, S.CHECKING, S.APPROVING}
UNPUBLISHED = ("draft", "checking", "approving", "issuing")
PRINTED = {S.ISSUED, S.SUPERSEDED, S.REVOKED}
FACTS = (
    ("place", _("检定地点")),
    ("temperature", _("温度")),
    ("humidity", _("湿度")),
    ("accuracy_result", _("结论中的准确度等级")),
    ("failures", _("不合格项")),
    ("record_no", _("原始记录号")),
    ("authorisation_no", _("授权证书编号")),
)


class CertificateView(CertificateBatch, WorkflowView):
    """Certificates and notices of rejection the principal may see: a unit and a regulator only those published."""

    workflow = CERTIFICATE
    datamodel = PGInterface(
        Certificate,
        load=(
            selectinload(Certificate.instrument),
            selectinload(Certificate.unit),
            selectinload(Certificate.institute),
        ),
    )
    class_permission_name = "CertificateView"
    route_base = "/certificates"
    noun, unit_word = _("证书"), _("份")
    show_template = "pages/certificate_show.html"
    list_columns = [
        "number",
        "kind",
        "instrument.name",
        "instrument.serial_no",
        "unit",
        "conclusion",
        "verified_on",
        "valid_until",
        "state",
    ]
    show_fieldsets = [
        (
            "",
            {
                "fields": [
                    "number",
                    "kind",
                    "instrument.name",
                    "instrument.model",
                    "instrument.serial_no",
                    "unit",
                    "institute",
                    "conclusion",
                    "verified_on",
                    "cycle_months",
                    "valid_until",
                    "validity_reason",
                ]
            },
        ),
        (_("签字"), {"fields": ["verifier", "checker", "approver", "issued_at", "reason"]}),
    ]
    search_columns = [
        "number",
        "instrument",
        "institute",
        "verified_on",
        "state",
        "unit",
        "conclusion",
        "valid_until",
    ]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["verified_on", "valid_until"]
    base_order = ("id", "desc")
    label_columns = {
        "unit": _("使用单位"),
        "institute": _("检定机构"),
        "instrument": _("器具或出厂编号"),
        "verifier": _("检定员"),
        "checker": _("核验员"),
        "approver": _("批准人"),
        "instrument.name": _("器具名称"),
        "instrument.serial_no": _("出厂编号"),
        "instrument.model": _("型号规格"),
    }
    options_urls = {
        "unit": "/units/options",
        "instrument": "/instruments/options",
        "institute": "/institutes/options",
    }
    choices = {
        "kind": KINDS,
        "conclusion": ((Conclusion.PASS, _("合格"), "ok"), (Conclusion.FAIL, _("不合格"), "danger")),
    }
    tab_states = (*UNPUBLISHED, "issued", "superseded", "revoked")
    base_permissions = ["can_list", "can_show", "can_step", "can_preview", "can_correct"]
    grants = {
        "can_list": UNIT | INSTITUTE | REGULATOR,
        "can_show": UNIT | INSTITUTE | REGULATOR,
        "can_step": frozenset({Role.VER, Role.APR, Role.IMG}),
        "can_preview": INSTITUTE,
        "can_correct": frozenset({Role.VER}),
    }

    def tabs(self) -> list[Tab]:
        """A unit or a regulator sees published papers only."""
        found = super().tabs()
        return found if me().of_institute else found[:1] + found[1 + len(UNPUBLISHED) :]

    def row_label(self, item: Any) -> str:
        return str(item)

    def show_value(self, item: Any, column: str) -> Any:
        if column == "number":
            return str(item)
        if column in {"verifier", "checker", "approver"}:
            return signer(item, column)
        if column.startswith("instrument."):  # what stands on the paper, whatever the ledger says today
            key = {
                "instrument.name": "instrument_name",
                "instrument.model": "model",
                "instrument.serial_no": "serial_no",
            }
            return item.facts.get(key[column]) or "—"
        return super().show_value(item, column)

    # -- detail --------------------------------------------------------------------------------------------------

    def extra_buttons(self, item: Any) -> list[Button]:
        found: list[Button] = []
        if item.state in PRINTED:
            found.append(Button("pdf", gettext("下载"), self.url("pdf", pk=item.id), "get", icon="download"))
            found.append(Button("look", gettext("查看"), self.url("pdf", pk=item.id, inline=1), "get", icon="file"))
            if item.state == S.ISSUED and me().has(*UNIT, *INSTITUTE):
                found.append(sticker_button([item.id]))
        elif item.state in UNSIGNED and self.may("preview"):
            found.append(Button("preview", gettext("预览"), self.url("preview", pk=item.id), "get", icon="file"))
        address = f"/instruments/show/{item.instrument_id}"
        found.append(Button("instrument", gettext("查看器具"), address, "get", icon="scale"))
        found += self._page_step(item, "edit", self.url("draft", pk=item.id))
        found += self._page_step(item, "begin_correction", self.url("correct", pk=item.id))
        return found

    def _page_step(self, item: Any, name: str, address: str) -> list[Button]:
        """A step with a page of its own, offered to whom it belongs, with the reason when it is not possible."""
        step, actor = CERTIFICATE.step(name), me()
        if item.state not in step.source or not actor.has(*step.by):
            return []
        if step.relation and not step.relation(item, actor):
            return []
        why = why_not(db.session(), CERTIFICATE, item, step, actor)
        return [Button(name, step.label, address, "get", why_not=why)]

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        facts = dict(item.facts)
        rows = [[str(c) for c in row] for row in facts.get("readings") or []]
        facts_shown = [(label, facts.get(key)) for key, label in FACTS if facts.get(key)]
        context = {
            "rows": rows,
            "facts": facts_shown,
            "standards": facts.get("standards") or [],
            "regulations": facts.get("regulations") or [],
            "links": linked(item),
        }
        tabs = [DetailTab("readings", gettext("检定结果"), "pages/certificate_readings.html", context, count=len(rows))]
        if item.state in PRINTED:
            title = gettext("扫码核验证书 %(number)s", number=item.number)
            code = qr_svg(verify_url(item), title=title)  # built from a number and a code of our own, escaped inside
            context = {"svg": Markup(code), "url": verify_url(item), "code": item.lookup_code}  # noqa: S704
            tabs.append(DetailTab("qr", gettext("核验二维码"), "pages/certificate_qr.html", context))
        return [*tabs, *super().detail_tabs(item)]

    # -- papers --------------------------------------------------------------------------------------------------

    @expose("/preview/<pk>")
    @has_access
    def preview(self, pk: str) -> Any:
        """The paper of a draft, for the institute's own people before it is signed."""
        item = self.load_item(pk)
        if item.state not in UNSIGNED or item.institute_id != me().institute_id:
            abort(404)
        answer = pdf(preview(item), gettext("证书草稿_%(pk)s.pdf", pk=item.id))
        answer.headers["Content-Disposition"] = answer.headers["Content-Disposition"].replace("attachment", "inline")
        return answer

    @expose("/pdf/<pk>")
    @has_access
    @permission_name("show")
    def pdf(self, pk: str) -> Any:
        """The stored paper as it was issued; a marked copy of one that no longer holds."""
        item = self.load_item(pk)
        certificate, data = paper(db.session(), item.id)
        log_download(db.session(), [item.id], "single")
        g.keep_writes = True
        word = next(str(w) for k, w in KINDS if k == certificate.kind)
        return pdf(data, f"{word}_{certificate.number}.pdf")

    # -- steps with a page of their own --------------------------------------------------------------------------

    @expose("/draft/<pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("step")
    def draft(self, pk: str) -> Any:
        """The verifier corrects the own draft, for instance after it was sent back."""
        item, actor = self.load_item(pk), me()
        step = CERTIFICATE.step("edit")
        check_role(step, actor)
        why = why_not(db.session(), CERTIFICATE, item, step, actor)
        if why:
            flash(why, "warning")
            return redirect(self.url("show", pk=pk), 303)
        form, problems, seen = DraftForm(), [], request.form.get("seen_version", str(item.version))
        if request.method == "GET":
            fill_from_certificate(form, item)
            fill_snapshot(form, item)
        elif not add_rows(form) and form.validate():
            try:
                edit_result(db.session(), actor, item.id, typed_draft(form), seen_version=whole(seen))
                flash(gettext("检定结果已修改。"), "success")
                return redirect(self.url("show", pk=pk), 303)
            except QuanhengError as error:
                db.session.rollback()
                item = self.load_item(pk)
                problems = put_on_form(form, error)
        title, back = gettext("修改检定结果"), self.url("show", pk=pk)
        return result_page(self, form, problems, item.item, title, back, {"seen_version": seen})

    @expose("/correct/<pk>", methods=["GET", "POST"])
    @has_access
    def correct(self, pk: str) -> Any:
        """Begin to replace an issued paper: it stays in force until the new one has walked the whole path."""
        item, actor = self.load_item(pk), me()
        step = CERTIFICATE.step("begin_correction")
        why = why_not(db.session(), CERTIFICATE, item, step, actor)
        if why:
            flash(why, "warning")
            return redirect(self.url("show", pk=pk), 303)
        problem, seen = "", request.form.get("seen_version", str(item.version))
        reason = clean(request.form.get("reason"))
        if request.method == "POST":
            try:
                fresh = correct_certificate(db.session(), actor, item.id, reason, seen_version=whole(seen))
                flash(gettext("已生成更正用的证书草稿，请修改后提交核验；新证书签发前原证书继续有效。"), "success")
                return redirect(self.url("show", pk=fresh.id), 303)
            except QuanhengError as error:
                db.session.rollback()
                item, problem = self.load_item(pk), error.sentence
        page = self.render_template(
            "pages/certificate_correct.html",
            title=step.label,
            item=item,
            view=self,
            problem=problem,
            reason=reason,
            seen=seen,
            cancel_url=self.url("show", pk=pk),
        )
        return page, 422 if problem else 200


def signer(certificate: Certificate, which: str) -> str:
    """Who signed: names in full for the own institute, family names only for others (ROLES 5)."""
    account = getattr(certificate, which)
    name = certificate.facts.get(which) or (account.name if account else None)
    if not name:
        return "—"
    p = me()
    known = p.institute_id == certificate.institute_id or p.has(Role.REG)
    return str(name) if known or certificate.state in PRINTED else mask_name(str(name))


def linked(certificate: Certificate) -> list[tuple[str, str, str]]:
    """(word, text, address) of the paper this one corrects and of the one that corrects it."""
    from sqlalchemy import select

    found = []
    if certificate.supersedes_id and (old := db.session.get(Certificate, certificate.supersedes_id)):
        found.append((gettext("更正自"), str(old), f"/certificates/show/{old.id}"))
    newer = select(Certificate).where(Certificate.supersedes_id == certificate.id).order_by(Certificate.id)
    for row in db.session.execute(newer).scalars():
        found.append((gettext("已由以下证书更正"), str(row), f"/certificates/show/{row.id}"))
    return found
