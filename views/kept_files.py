"""Uploads that survive a refused form: the bytes go to the file store, the page carries a signed ticket for them.

A browser never sends a chosen file twice by itself. The ticket names the file's fingerprint and is bound to the
visitor's own session, so that it opens nothing for anybody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask import current_app, request, session
from itsdangerous import BadData, URLSafeTimedSerializer

from app import filestore
from app.errors import InvalidInputError
from app.operations.registration import Paper

LIFETIME = 12 * 3600  # seconds, as long as the form's own token


@dataclass(frozen=True, slots=True)
class Kept:
    """What the page shows of a file already received."""

    filename: str
    kilobytes: int
    ticket: str


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.config["SECRET_KEY"]), salt="kept-file")


def _owner() -> str:
    return str(session.get("csrf_token", ""))


def received(labels: Mapping[str, str], accepts: Mapping[str, str] | None = None) -> dict[str, Paper]:
    """The papers of this request by kind: newly chosen ones, else those that a ticket names.

    `accepts` says by kind what a file may be (filestore.ACCEPTS).
    """
    found = {}
    for kind, label in labels.items():
        paper = _uploaded(kind, label) or _ticketed(kind, label)
        if paper is not None:
            found[kind] = replace(paper, accept=(accepts or {}).get(kind, paper.accept))
    return found


def _uploaded(kind: str, label: str) -> Paper | None:
    file = request.files.get(kind)
    if file is None or not file.filename:
        return None
    # one byte beyond the limit is enough to refuse it
    return Paper(kind, label, file.filename, file.stream.read(filestore.MAX_PAPER + 1))


def _ticketed(kind: str, label: str) -> Paper | None:
    try:
        said: Any = _serializer().loads(request.form.get(f"kept_{kind}", ""), max_age=LIFETIME)
        if said["kind"] != kind or said["owner"] != _owner():
            return None
        return Paper(kind, label, said["name"], filestore.read(said["sha256"]))
    except (BadData, OSError):
        return None


def keep(papers: Iterable[Paper]) -> dict[str, Kept]:
    """Store the good ones and give each its ticket; a paper of the wrong kind is not kept."""
    found = {}
    for paper in papers:
        try:
            filestore.check_paper(paper.data, paper.label, paper.accept)
        except InvalidInputError:
            continue
        name = filestore.clean_filename(paper.filename)
        said = {"kind": paper.kind, "owner": _owner(), "name": name, "sha256": filestore.put(paper.data, private=True)}
        found[paper.kind] = Kept(name, max(len(paper.data) // 1024, 1), str(_serializer().dumps(said)))
    return found
