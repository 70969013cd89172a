"""The rule table 五类内容填写 (CAT-01): read for forms and imports, shown as help, kept by administrators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import filestore
from app.access.audit import audit
from app.access.principal import Principal
from app.errors import InvalidInputError, NotAllowedError, NotVisibleError
from app.intake.fields import DELIVERY_MODES, PURPOSES
from app.intake.guidance import RowPolicy
from app.intake.rulebook import FillRule, RuleBook
from models.attachment import Attachment
from models.enums import Role
from models.reference import Category, CategoryRule

OWNER = "category_rule"
MAX_PICTURES = 6
MODE_WORDS = {choice.value: choice.label for choice in DELIVERY_MODES}
PURPOSE_WORDS = {choice.value: choice.label for choice in PURPOSES}
EITHER_WAY = "现场检或送检,根据实际情况"
"""What the manual says where a rule proposes neither 送检 nor 现场检."""
_SAME = tuple(name for name in FillRule.__dataclass_fields__ if name not in {"id", "names"})


def rows(session: Session, *, active: bool = True) -> list[CategoryRule]:
    """The rules in their order."""
    statement = select(CategoryRule).order_by(CategoryRule.position)
    if active:
        statement = statement.where(CategoryRule.active)
    return list(session.execute(statement).scalars())


def rule_book(session: Session) -> RuleBook:
    """The rules in force, as the intake reads them."""
    return RuleBook(
        FillRule(
            id=row.id,
            names=tuple(line.strip() for line in row.names.splitlines() if line.strip()),
            **{name: getattr(row, name) for name in _SAME},
        )
        for row in rows(session)
    )


# -- the proposal while typing ---------------------------------------------------------------------------------------


def proposal(session: Session, policy: RowPolicy, *, name: str, code: str) -> dict[str, Any]:
    """What the form's script is told when a name was typed or an entry chosen: values to fill in, notes and examples.

    Nothing is decided here; the same rules judge the row on saving.
    """
    entry = session.execute(select(Category).where(Category.code == code)).scalar_one_or_none() if code else None
    rule = policy.book.fitting(name, entry.level2 if entry else "")
    if rule is None:
        return {}
    chosen = entry
    if chosen is None and rule.pinned:
        chosen = session.execute(select(Category).where(Category.level2 == rule.pinned)).scalar_one_or_none()
    redirected = ""
    if policy.redirects and rule.redirect_to and (chosen is None or chosen.level2 in rule.options):
        target = session.execute(select(Category).where(Category.level2 == rule.redirect_to)).scalar_one_or_none()
        redirected, chosen = (rule.redirect_to, target) if target is not None else ("", chosen)
    return {
        "rule": rule.id,
        "category": chosen.code if chosen else "",
        "level1": chosen.level1 if chosen else rule.level1,
        "level2": chosen.level2 if chosen else "",
        "options": list(rule.options),
        "redirected": redirected,
        "delivery_mode": rule.delivery_mode,
        "delivery_note": "" if rule.delivery_mode else EITHER_WAY,
        "purpose": rule.purpose,
        "emphasis": rule.emphasis,
        "examples": {
            key: value
            for key, value in (
                ("model", rule.model_example),
                ("measuring_range", rule.range_example),
                ("accuracy_class", rule.accuracy_example),
                ("serial_no", rule.serial_example),
            )
            if value
        },
        "help": f"/help/categories#rule-{rule.id}" if rule.help_title else "/help/categories",
    }


# -- pictures --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Picture:
    """A name-plate picture beside an example."""

    id: str
    filename: str


def pictures(session: Session) -> dict[int, list[Picture]]:
    """Pictures by rule. They are published: everybody may see them."""
    statement = select(Attachment).where(Attachment.owner_type == OWNER).order_by(Attachment.created_at)
    found: dict[int, list[Picture]] = {}
    # uploaded by administrators for everybody, so no scope narrows them
    for row in session.execute(statement.execution_options(unscoped=True)).scalars():
        found.setdefault(int(row.owner_id or 0), []).append(Picture(str(row.id), row.filename))
    return found


def picture(session: Session, picture_id: Any) -> tuple[bytes, str]:
    """(bytes, content type) of a published picture; raises NotVisibleError."""
    row = _picture(session, picture_id)
    return filestore.read(row.sha256), row.content_type


def _picture(session: Session, picture_id: Any) -> Attachment:
    statement = select(Attachment).where(Attachment.id == picture_id, Attachment.owner_type == OWNER)
    row = session.execute(statement.execution_options(unscoped=True)).scalar_one_or_none()
    if row is None:
        raise NotVisibleError
    return row


def add_picture(session: Session, actor: Principal, rule_id: int, *, filename: str, data: bytes) -> Attachment:
    """Put a picture beside a rule's example; raises InvalidInputError when it is none."""
    _administrator(actor)
    rule = session.get(CategoryRule, rule_id)
    if rule is None:
        raise NotVisibleError
    if len(pictures(session).get(rule_id, [])) >= MAX_PICTURES:
        raise InvalidInputError(f"每条规则最多{MAX_PICTURES}张图片，请先删除不用的。", field="picture")
    kind = filestore.check_paper(data, "图片", "image")
    row = Attachment(
        owner_type=OWNER,
        owner_id=rule_id,
        kind="picture",
        filename=filestore.clean_filename(filename),
        content_type=kind,
        sha256=filestore.put(data),
        size=len(data),
        account_id=actor.account_id,
    )
    session.add(row)
    session.flush()
    audit(session, "edit_category_rule", entity=OWNER, entity_id=rule_id, picture=row.filename)
    return row


def remove_picture(session: Session, actor: Principal, picture_id: Any) -> None:
    """Take a picture away."""
    _administrator(actor)
    row = _picture(session, picture_id)
    audit(session, "edit_category_rule", entity=OWNER, entity_id=int(row.owner_id or 0), removed=row.filename)
    session.delete(row)
    session.flush()


def _administrator(actor: Principal) -> None:
    if not actor.has(Role.ADM):
        raise NotAllowedError("只有系统管理员可以维护填写规则。")
