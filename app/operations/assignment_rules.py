"""指派规则 for the administrator: checking a rule, writing it into the audit log, and trying which institute takes what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.audit import audit
from app.errors import InvalidInputError
from app.profiles import switch_on
from app.workflow.assigning import nearest_institute, ruled_institute
from app.workflow.authorisation import lapsed
from models.booking import AssignmentRule
from models.organisation import Institute
from models.reference import Category, Division

PLACE = re.compile(r"[0-9]{2}(?:[0-9]{2}){0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """Which institute takes it, by which rule (None: the nearest authorised one), and why nobody does."""

    institute: Institute | None
    rule: AssignmentRule | None
    why: str


def check_rule(session: Session, rule: AssignmentRule) -> None:
    """Raise InvalidInputError naming the field that cannot stay."""
    rule.division_prefix = (rule.division_prefix or "").strip()
    rule.category_code = (rule.category_code or "").strip()
    if not PLACE.fullmatch(rule.division_prefix):
        raise InvalidInputError(
            "“行政区划”须为2位（省）、4位（市）或6位（区县）数字，例如 150823。", field="division_prefix"
        )
    whole = f"{rule.division_prefix:0<6}"
    if session.scalar(select(Division.code).where(Division.code == whole)) is None:
        raise InvalidInputError("没有这个行政区划，请核对代码。", field="division_prefix")
    if rule.category_code and not _is_category(session, rule.category_code):
        raise InvalidInputError("目录中没有以此开头的代码，请核对；不填表示全部种别。", field="category_code")
    if rule.valid_until is not None and rule.valid_until < rule.valid_from:
        raise InvalidInputError("“失效日期”不能早于“生效日期”。", field="valid_until")


def _is_category(session: Session, code: str) -> bool:
    statement = select(Category.id).where(Category.code.startswith(code, autoescape=True)).limit(1)
    return session.execute(statement).first() is not None


def written(session: Session, act: str, rule: AssignmentRule) -> None:
    """Leave the line of the audit log (add, edit, delete)."""
    facts: dict[str, Any] = {
        "position": rule.position,
        "place": rule.division_prefix,
        "category": rule.category_code,
        "mode": rule.mode or "",
        "institute": rule.institute_id,
        "active": rule.active,
    }
    audit(session, f"{act}_assignment_rule", entity="assignment_rule", entity_id=rule.id, **facts)


def who_takes(session: Session, category: Category, place: str, mode: str, day: date) -> Answer:
    """Which institute takes an instrument of this catalogue entry at this place, by this way, on this day."""
    rule = ruled_institute(session, category.id, place, mode, day)
    if rule is not None:
        return Answer(rule.institute, rule, "")
    near = nearest_institute(session, category.id, place, day)
    if near is not None:
        return Answer(near, None, "")
    return Answer(None, None, _why_nobody(session, category, place, day))


def _why_nobody(session: Session, category: Category, place: str, day: date) -> str:
    """Why the institutes of the place do not take it, each with its reason."""
    codes = {place[:6], f"{place[:4]}00", f"{place[:2]}0000"}
    statement = select(Institute).where(Institute.active, Institute.division_code.in_(codes)).order_by(Institute.id)
    said = [
        f"{institute.name}：{what}已失效或未登记"
        for institute in session.execute(statement).scalars()
        if (what := lapsed(session, institute.id, category.id, day))
    ]
    cure = "请登记检定能力，或增加一条指派规则。"
    return "；".join(said) + f"。{cure}" if said else f"该地及其上级没有登记检定机构。{cure}"


def filing_decides() -> bool:
    """Where there is filing the institute that approved it takes the instrument; rules are not asked."""
    return switch_on("filing")
