"""The papers of a registration: licence, letter of authorisation, certificate, photographs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import filestore
from app.profiles.forms import FormField, RegistrationForm
from models.account import Account
from models.attachment import Attachment


@dataclass(frozen=True, slots=True)
class Paper:
    """An uploaded file: what it proves, its name and its bytes; `accept` says what it may be (filestore.ACCEPTS)."""

    kind: str
    label: str
    filename: str
    data: bytes
    accept: str = "paper"


PAPERS = {"licence": "统一社会信用代码证等证照", "authorisation": "法人授权书"}
"""What a unit hands in on the way of commands and fixtures (`register_unit`)."""
WORDS = {
    **PAPERS,
    "certificate": "计量授权证书",
    "photo": "照片",
    "publicity": "企业宣传照片",
}
"""What a stored paper of any form is called where its form is not at hand."""


def accept_of(field: FormField, answers: Mapping[str, str], form: RegistrationForm) -> str:
    """What a file may be: the field's own rule, or what the 上传类型 before it was set to."""
    chooser = form.field(field.upload_type) if field.upload_type else None
    if chooser is None:
        return field.accept
    chosen = answers.get(chooser.name) or chooser.default
    return chosen if chosen in dict(chooser.options) else chooser.default


def accepts(form: RegistrationForm, answers: Mapping[str, str]) -> dict[str, str]:
    """What each file of a form may be, by name."""
    return {f.name: accept_of(f, answers, form) for f in form.fields if f.kind == "file"}


def store_papers(session: Session, account: Account, papers: Iterable[Paper]) -> None:
    """Keep the papers of a registration; a new one replaces the last of its kind."""
    for paper in papers:
        content_type = filestore.check_paper(paper.data, paper.label, paper.accept)
        old = select(Attachment).where(
            Attachment.owner_type == "account", Attachment.owner_id == account.id, Attachment.kind == paper.kind
        )
        for row in session.execute(old).scalars():
            session.delete(row)
        session.add(
            Attachment(
                owner_type="account",
                owner_id=account.id,
                kind=paper.kind,
                content_type=content_type,
                filename=filestore.clean_filename(paper.filename),
                sha256=filestore.put(paper.data, private=True),
                size=len(paper.data),
                unit_id=account.unit_id,
                account_id=account.id,
            )
        )


def paper_names(session: Session, account_id: int) -> dict[str, str]:
    """File names of the papers handed in, by kind."""
    statement = select(Attachment.kind, Attachment.filename).where(
        Attachment.owner_type == "account", Attachment.owner_id == account_id
    )
    return dict(session.execute(statement).tuples().all())
