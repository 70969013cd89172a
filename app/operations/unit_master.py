"""我的企业信息 (ORG-12): the data of a unit's registration, looked at and changed later.

Address and the like count at once. Name, code, legal person and licence are what a reviewer compared: where
registrations are reviewed, a change of them is reviewed again and counts only when passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import filestore
from app.access.audit import audit
from app.access.principal import Principal
from app.access.validators import normal_code, valid_email, valid_id_number, valid_uscc
from app.errors import InvalidInputError
from app.operations.places import place_of_use
from app.operations.registration import Paper
from app.operations.unit_profile import writable_unit
from app.profiles import setting
from app.workflow import UNIT_CHANGE, bear
from app.workflow.engine import check_role
from app.workflow.unit_change import REVIEWED, write_reviewed
from models.account import Account
from models.affiliation import UnitChange
from models.attachment import Attachment
from models.enums import UnitChangeState
from models.organisation import Unit
from models.reference import Division

AT_ONCE = ("division_code", "address", "category", "email", "legal_id_number")
LENGTHS = {"name": 120, "address": 200, "category": 20, "email": 120, "legal_person": 40}
LICENCE = "统一社会信用代码证等证照"


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a form: fields written at once, and the change that waits for the reviewer, if any."""

    written: list[str]
    waiting: UnitChange | None


def is_reviewed() -> bool:
    """Whether changes of the reviewed fields wait for somebody."""
    return str(setting("registration", "review")["enterprise"]) != "none"


def pending_change(session: Session, unit_id: int) -> UnitChange | None:
    """The change that is being reviewed."""
    statement = select(UnitChange).where(UnitChange.unit_id == unit_id, UnitChange.state == UnitChangeState.PENDING)
    return session.execute(statement).unique().scalar_one_or_none()


def save_master(session: Session, actor: Principal, typed: Mapping[str, str], licence: Paper | None = None) -> Saved:
    """Store the form. A blank 法定代表人身份证号码 leaves the stored one.

    Raises InvalidInputError by field, NotAllowedError when a sub-user changes what only the main account may.
    """
    unit = writable_unit(session, actor)
    values = {name: (typed.get(name) or "").strip() for name in (*REVIEWED, *AT_ONCE) if name in typed}
    if values.get("code"):
        values["code"] = normal_code(values["code"])
    if problems := _problems(session, unit, values, licence):
        raise InvalidInputError("单位信息有误，请按提示修改。", problems=problems)
    asked = {
        name: [str(getattr(unit, name) or ""), values[name]]
        for name in REVIEWED
        if name in values and values[name] != (getattr(unit, name) or "")
    }
    if licence is not None:
        asked["licence"] = ["", filestore.clean_filename(licence.filename)]
    written = _write_at_once(unit, values)
    if asked:
        check_role(UNIT_CHANGE.step("submit"), actor)
    waiting = _ask(session, actor, unit, asked, licence) if asked and is_reviewed() else None
    if asked and waiting is None:
        _store_licence(session, actor, licence, "account", actor.account_id)
        write_reviewed(unit, asked)
        written += [name for name in asked if name != "licence"]
        session.flush()
    if written:
        audit(session, "edit_unit", entity="unit", entity_id=unit.id, fields=written)
    return Saved(written, waiting)


def _write_at_once(unit: Unit, values: Mapping[str, str]) -> list[str]:
    written = []
    for name in AT_ONCE:
        if name not in values or (name == "legal_id_number" and not values[name]):
            continue
        value = values[name] if name in {"address", "division_code"} else values[name] or None
        if getattr(unit, name) != value:
            setattr(unit, name, value)
            written.append(name)
    return written


def _problems(session: Session, unit: Unit, values: Mapping[str, str], licence: Paper | None) -> dict[str, str]:
    labels = {"name": "企业名称", "code": "统一社会信用代码", "address": "详细地址", "division_code": "所在地"}
    found = {k: f"请填写“{label}”。" for k, label in labels.items() if k in values and not values[k]}
    found |= {k: f"内容过长，最多{n}个字。" for k, n in LENGTHS.items() if len(values.get(k, "")) > n}
    code = values.get("code")
    if code and code != unit.code:
        if setting("validate", "uscc_checksum") and not valid_uscc(code):
            found["code"] = "统一社会信用代码校验位不正确，请核对。"
        elif len(code) > 18:
            found["code"] = "统一社会信用代码为18位，请核对。"
        elif _taken(session, code, unit.id):
            found["code"] = "该统一社会信用代码已注册，请联系本单位管理员或使用“找回账号”。"
    place = session.get(Division, values["division_code"]) if values.get("division_code") else None
    if values.get("division_code") and (place is None or not place_of_use(place)):
        found["division_code"] = "所在地须选择到区县，请重新选择。"
    if values.get("email") and not valid_email(values["email"]):
        found["email"] = "邮箱格式不正确，请核对，例如 name@example.com。"
    number = values.get("legal_id_number", "").upper()
    if number and setting("validate", "id_checksum") and not valid_id_number(number):
        found["legal_id_number"] = "身份证号码校验不正确。"
    if licence is not None:
        try:
            filestore.check_paper(licence.data, licence.label)
        except InvalidInputError as error:
            found["licence"] = error.sentence
    return found


def _taken(session: Session, code: str, but: int) -> bool:
    statement = select(Unit.id).where(Unit.code == code, Unit.active, Unit.id != but)
    # uniqueness is a question about all units, also about those the actor may not see
    return session.execute(statement.execution_options(unscoped=True)).first() is not None


def _ask(
    session: Session, actor: Principal, unit: Unit, asked: dict[str, list[str]], licence: Paper | None
) -> UnitChange:
    if pending_change(session, unit.id) is not None:
        raise InvalidInputError("本单位已有一项变更正在审核，请等待审核结果或先撤回。")
    account = session.get(Account, actor.account_id)
    local = str(setting("registration", "review")["enterprise"]) == "local_institute"
    change = UnitChange(
        unit_id=unit.id,
        account_id=actor.account_id,
        reviewer_institute_id=account.reviewer_institute_id if local and account else None,
        changes=asked,
    )
    change.unit = unit
    bear(session, change, "submit", actor, {"changed": asked})
    _store_licence(session, actor, licence, "unit_change", change.id)
    return change


def _store_licence(
    session: Session, actor: Principal, licence: Paper | None, owner_type: str, owner_id: int | None
) -> None:
    if licence is None:
        return
    if owner_type == "account":
        old = select(Attachment).where(
            Attachment.owner_type == owner_type, Attachment.owner_id == owner_id, Attachment.kind == "licence"
        )
        for row in session.execute(old).scalars():
            session.delete(row)
    session.add(
        Attachment(
            owner_type=owner_type,
            owner_id=owner_id,
            kind="licence",
            content_type=filestore.check_paper(licence.data, licence.label),
            filename=filestore.clean_filename(licence.filename),
            sha256=filestore.put(licence.data, private=True),
            size=len(licence.data),
            unit_id=actor.unit_id,
            account_id=actor.account_id,
        )
    )
    session.flush()
