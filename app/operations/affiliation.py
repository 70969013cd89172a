"""关联企业信息 (ORG-03 to ORG-06): a person asks to act for one unit or institute; 30 days without an answer refuse.

All that a person learns of the body before being linked is its name; ten tries a day keep codes from being searched.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import clock
from app.access.constraints import sentence_for
from app.access.limits import hit
from app.access.principal import Principal
from app.access.validators import normal_code, valid_org_code
from app.errors import ConflictError, InvalidInputError, QuanhengError
from app.profiles import setting
from app.workflow import AFFILIATION, bear, fire
from app.workflow.engine import check_role
from models.affiliation import Affiliation
from models.enums import AffiliationState
from models.organisation import Institute, Unit

TRIES = "10 per day"
UNKNOWN = "未找到该统一社会信用代码/组织机构代码对应的企业或机构。"
ORDER = {AffiliationState.LINKED: 0, AffiliationState.REQUESTED: 1}


def request_link(session: Session, actor: Principal, code: str) -> Affiliation:
    """Ask to be linked to the body of that code.

    Raises InvalidInputError for a missing or unknown code and by the guards (another link, refused too often),
    TooOftenError after ten tries a day, ConflictError when another tab was faster.
    """
    check_role(AFFILIATION.step("request"), actor)
    wanted = normal_code(code)
    if not wanted:
        raise InvalidInputError("请填写“统一社会信用代码/组织机构代码”。", field="code")
    hit(f"affiliation:{actor.account_id}", TRIES)
    body = _body_of(session, wanted)
    if body is None:
        raise InvalidInputError(UNKNOWN, field="code")
    try:
        with session.begin_nested():
            return _ask(session, actor, body)
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or "uq_affiliation_live"
        raise ConflictError(sentence_for(name) or str(sentence_for("uq_affiliation_live"))) from error


def _ask(session: Session, actor: Principal, body: Unit | Institute) -> Affiliation:
    unit_id, institute_id = (body.id, None) if isinstance(body, Unit) else (None, body.id)
    mine = Affiliation.unit_id == unit_id if unit_id else Affiliation.institute_id == institute_id
    old = (
        session.execute(select(Affiliation).where(Affiliation.account_id == actor.account_id, mine))
        .unique()
        .scalar_one_or_none()
    )
    if old is not None and old.state in {AffiliationState.REQUESTED, AffiliationState.LINKED}:
        raise ConflictError("企业和机构只能关联一个，请先删除现有关联。")
    if old is not None:
        old.body_name = body.name
        return fire(session, AFFILIATION, old.id, "request_again", actor)
    link = Affiliation(
        account_id=actor.account_id,
        unit_id=unit_id,
        institute_id=institute_id,
        requested_at=clock.now(),
        body_name=body.name,
    )
    return bear(session, link, "request", actor)


def _body_of(session: Session, code: str) -> Unit | Institute | None:
    """The unit or institute that is open for business under the code; an organisation code is part of the long one."""
    unit = select(Unit).where(Unit.active, Unit.code == code)
    institute = select(Institute).where(Institute.active, func.upper(Institute.unified_code) == code)
    if valid_org_code(code):
        unit = select(Unit).where(Unit.active, or_(Unit.code == code, func.substr(Unit.code, 9, 9) == code))
        inside = func.substr(func.upper(Institute.unified_code), 9, 9)
        institute = select(Institute).where(
            Institute.active, or_(func.upper(Institute.unified_code) == code, inside == code)
        )
    for statement in (unit, institute):
        # a stranger's body lies outside every scope of the person who asks; only its name is passed on
        found = session.execute(statement.limit(2).execution_options(unscoped=True)).unique().scalars().all()
        if len(found) == 1:
            return found[0]
    return None


def current_link(session: Session, actor: Principal) -> Affiliation | None:
    """The link that the person's page shows: linked, else asked for, else the one decided last."""
    statement = select(Affiliation).where(Affiliation.account_id == actor.account_id)
    rows = session.execute(statement).unique().scalars().all()
    return min(rows, key=lambda r: (ORDER.get(AffiliationState(r.state), 2), -r.updated_at.timestamp()), default=None)


def code_of(session: Session, link: Affiliation) -> str:
    """The code that the person typed to find the body."""
    model, key = (Unit, link.unit_id) if link.unit_id is not None else (Institute, link.institute_id)
    column = Unit.code if link.unit_id is not None else Institute.unified_code
    return session.scalar(select(column).where(model.id == key).execution_options(unscoped=True)) or ""


def expire_links(session: Session, system: Principal) -> int:
    """Refuse what nobody answered for `organisation.affiliation_days` days; commits each by itself."""
    last = clock.now() - timedelta(days=int(setting("organisation", "affiliation_days")))
    statement = select(Affiliation.id).where(
        Affiliation.state == AffiliationState.REQUESTED, Affiliation.requested_at < last
    )
    count = 0
    for link_id in session.execute(statement).scalars().all():
        try:
            fire(session, AFFILIATION, link_id, "expire", system, {"reason": "申请超时未处理"})
            session.commit()
            count += 1
        except QuanhengError:
            session.rollback()  # answered at the last second
    return count
