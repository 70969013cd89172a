"""Many certificates at once: each by itself, one zip, one print job, or stickers; the bar above the list offers them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from flask import flash, redirect, request, send_file
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext

from app.access.roles import INSTITUTE, UNIT
from app.fab.parts import Button
from app.fab.urls import local_path
from app.operations import certificate_files as files
from models.base import db
from views.answers import ids_of
from views.workflow_view import me

if TYPE_CHECKING:
    Host = Any  # the view this is mixed into supplies the list, its filters and url
else:
    Host = object

STICKERS, EACH = "stickers", "certificate_files"
ACTS = (files.ZIP, files.PRINT, EACH, STICKERS)


class CertificateBatch(Host):
    """Mixed into CertificateView, in front of WorkflowView."""

    def bulk_actions(self) -> list[Button]:
        """The steps, then what anybody may do with papers that he sees."""
        address = self.url("action_post")
        found = [
            Button(files.ZIP, gettext("压缩打包"), address),
            Button(files.PRINT, gettext("批量打印"), address),
            Button(EACH, gettext("批量下载"), address),
        ]
        if me().has(*UNIT, *INSTITUTE):
            found.append(Button(STICKERS, gettext("打印贴纸"), address))
        return [*super().bulk_actions(), *found]

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Any:
        """Papers of the ticked rows, or of the whole filtered list; every other act is a step."""
        name = request.form.get("action", "")
        if name not in ACTS or not self.may("list"):
            return super().action_post()
        keys = self.bulk_keys(name)
        return self.hand_out(name, keys) if isinstance(keys, list) else keys

    def bulk_job(self, name: str, filters: Any) -> Any:
        """More rows than a click: the ids as the list shows them now go to the job."""
        if name not in files.KINDS:
            return super().bulk_job(name, filters)
        _count, rows = self.datamodel.query(filters, page=0, page_size=files.MOST + 1)
        return self.hand_out(name, [row.id for row in rows])

    def hand_out(self, name: str, keys: list[int]) -> Any:
        """Give what was asked for; few papers at once, more through a job."""
        back = local_path(request.form.get("back"), self.get_redirect())
        session = db.session()
        ids = [row.id for row in files.chosen(session, keys)]
        if not ids:
            flash(gettext("请先勾选已签发的证书。"), "warning")
            return redirect(back, 303)
        if len(ids) < len(keys):
            flash(gettext("%(n)s 份证书尚未签发，已跳过。", n=len(keys) - len(ids)), "warning")
        joined = ",".join(str(pk) for pk in ids)
        if name == STICKERS:
            return redirect(f"/stickers?ids={joined}", 303)
        if name == EACH:
            return redirect(self.url("files", ids=joined), 303)
        if len(ids) > files.AT_ONCE:
            return redirect(f"/jobs/{files.start_batch(session, me(), name, ids).id}", 303)
        return packed(name, ids)

    @expose("/files")
    @has_access
    @permission_name("list")
    def files(self) -> Any:
        """The chosen papers with a link each, for those who want single files."""
        rows = files.chosen(db.session(), ids_of())
        return self.render_template(
            "pages/certificate_files.html",
            title=gettext("批量下载"),
            rows=[(row, files.name_of(row), self.url("pdf", pk=row.id)) for row in rows],
            view=self,
            zip_act=files.ZIP,
        )


def packed(kind: str, ids: list[int]) -> Any:
    """A zip or a print job of a few papers, as the answer itself."""
    out = io.BytesIO()
    files.write_files(db.session(), ids, kind, out)
    files.log_download(db.session(), ids, kind)
    out.seek(0)
    answer = send_file(
        out,
        mimetype=files.KINDS[kind][2],
        as_attachment=kind == files.ZIP,
        download_name=files.batch_name(kind),
        max_age=0,
    )
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
