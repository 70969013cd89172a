"""Kept files by their id: the scoped session decides who may have them, the bytes come from the file store."""

from __future__ import annotations

import io
import uuid
from typing import Any

from flask import Blueprint, abort, g, send_file
from sqlalchemy import select

from app import filestore
from app.access.audit import audit
from models import Attachment
from models.base import db
from views.guards import roles
from views.workflow_view import me

files = Blueprint("files", __name__)


@files.get("/files/<uuid:pk>")
@roles()
def download(pk: uuid.UUID) -> Any:
    """One attachment, always as a download: nothing that somebody uploaded is ever shown inside the site."""
    row = db.session.execute(select(Attachment).where(Attachment.id == pk)).scalar_one_or_none()
    if row is None:
        abort(404)
    try:
        content = _content(row)
    except OSError:
        abort(404)
    answer = send_file(content, mimetype=row.content_type, as_attachment=True, download_name=row.filename, max_age=0)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _content(row: Attachment) -> Any:
    """The file as it lies, or the plain bytes of a private one; reading another person's paper leaves its line."""
    if not filestore.is_private(row.sha256):
        path = filestore.path_of(row.sha256)
        if not path.is_file():
            abort(404)
        return path
    content = io.BytesIO(filestore.read(row.sha256))
    if row.account_id != me().account_id:
        about = row.owner_id if row.owner_type == "account" else row.account_id
        audit(db.session(), "read_paper", entity="account", entity_id=about, field=row.kind, attachment=str(row.id))
        g.keep_writes = True
    return content
