"""Kept files by their id: the scoped session decides who may have them, the bytes come from the file store."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, abort, send_file
from sqlalchemy import select

from app import filestore
from models import Attachment
from models.base import db
from views.guards import roles

files = Blueprint("files", __name__)


@files.get("/files/<uuid:pk>")
@roles()
def download(pk: uuid.UUID) -> Any:
    """One attachment, always as a download: nothing that somebody uploaded is ever shown inside the site."""
    row = db.session.execute(select(Attachment).where(Attachment.id == pk)).scalar_one_or_none()
    if row is None:
        abort(404)
    path = filestore.path_of(row.sha256)
    if not path.is_file():
        abort(404)
    answer = send_file(path, mimetype=row.content_type, as_attachment=True, download_name=row.filename, max_age=0)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
