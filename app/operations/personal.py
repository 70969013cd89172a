"""A person's own data: handing it out (PIPL 45), erasing it (PIPL 47), and who had read it (PIPL 57).

What belongs to an account is found from the metadata: every table with a column that refers to `account`, so a new
table is handed out and its blind indexes are looked at without anybody adding it here. The logs are not erased: law
asks for them (网络安全法 21, 等保 8.1.5), and they hold no phone, ID number or address, see app/access/masking.py.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from flask_appbuilder.security.sqla.models import User
from sqlalchemy import Select, Table, select
from sqlalchemy.orm import Session

from app import clock, filestore
from app.access.audit import audit
from app.access.principal import as_system
from app.errors import InvalidInputError
from models.account import Account
from models.attachment import Attachment
from models.base import metadata
from models.log import AuditLog, TransitionLog

HIDDEN = ("_hash", "_index", "totp_", "activation_", "former_name", "session_epoch")
"""Columns that are no information about the person but keys and fingerprints of the platform; nobody gets them."""
READING = ("unmask", "export_personal_data", "read_paper")
"""Audit actions by which somebody saw a person's data in full."""


def account_named(session: Session, username: str) -> Account:
    """The account of a user name, for commands; raises InvalidInputError."""
    statement = select(Account).join(User, User.id == Account.user_id).where(User.username == username)
    found = session.execute(statement).unique().scalar_one_or_none()
    if found is None:
        raise InvalidInputError(f"没有账号 {username}，请核对。")
    return found


# -- export -----------------------------------------------------------------------------------------------------------


def belonging(of: Any = metadata) -> Iterator[tuple[Table, str]]:
    """(table, column) of every reference to an account that says whose row it is."""
    for each in of.sorted_tables:
        if each.name != "account" and "account_id" in each.columns:
            yield each, "account_id"


def personal_data(session: Session, account: Account) -> dict[str, Any]:
    """Everything the platform keeps about a person, by table, with the Chinese names of the fields."""
    tables = metadata.tables
    found: dict[str, Any] = {"导出时间": clock.now().isoformat()}
    found["登录用户"] = _user(account.user)
    found["账号"] = _rows(session, tables["account"].select().where(tables["account"].c.id == account.id))
    if account.unit_id is not None and "ENT" in account.roles:
        unit, contacts = tables["unit"], tables["unit_contact"]
        found["使用单位"] = _rows(session, unit.select().where(unit.c.id == account.unit_id))
        found["单位联系人"] = _rows(session, contacts.select().where(contacts.c.unit_id == account.unit_id))
    for each, column in belonging():
        if rows := _rows(session, each.select().where(each.c[column] == account.id)):
            found[NAMES.get(each.name, each.name)] = rows
    steps, acts = tables[TransitionLog.__tablename__], tables[AuditLog.__tablename__]
    found["办理记录"] = _rows(session, steps.select().where(steps.c.actor_id == account.id).order_by(steps.c.id))
    found["操作日志"] = _rows(session, acts.select().where(acts.c.actor_id == account.id).order_by(acts.c.seq))
    return found


NAMES = {
    "affiliation": "关联",
    "unit_change": "单位信息变更",
    "recovery_request": "找回申请",
    "external_identity": "第三方登录",
    "consent": "同意记录",
    "web_session": "登录设备",
    "attachment": "文件",
    "message": "站内信",
    "job": "任务",
    "captcha": "图形验证码",
}


def _user(user: User) -> dict[str, Any]:
    return {
        "用户名": user.username,
        "登录次数": user.login_count,
        "最近登录": _plain(user.last_login),
        "创建时间": _plain(user.created_on),
    }


def _rows(session: Session, statement: Select[Any]) -> list[dict[str, Any]]:
    columns = {c.name: c for c in statement.selected_columns}
    shown = [name for name in columns if name not in {"data", "hash"} and not any(part in name for part in HIDDEN)]
    words = {name: str(columns[name].comment or name) for name in shown}
    return [
        {words[name]: _plain(row[name]) for name in shown if row[name] is not None}
        for row in session.execute(statement).mappings()
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(clock.ZONE).isoformat(timespec="seconds")
    if isinstance(value, (date, UUID)):
        return str(value)
    return value


def export_person(session: Session, account: Account) -> bytes:
    """A zip with the data as JSON and the papers the person handed in; leaves its audit line."""
    with as_system("a person is given the own data (PIPL 45)"):
        data = personal_data(session, account)
        papers = select(Attachment).where(Attachment.owner_type == "account", Attachment.owner_id == account.id)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("个人数据.json", json.dumps(data, ensure_ascii=False, indent=2))
            for n, paper in enumerate(session.execute(papers.order_by(Attachment.kind)).scalars(), 1):
                try:
                    archive.writestr(f"文件/{n}_{paper.filename}", filestore.read(paper.sha256))
                except OSError:
                    archive.writestr(f"文件/{n}_{paper.filename}.缺失.txt", "文件已不在存储中。")
    audit(session, "export_personal_data", entity="account", entity_id=account.id, field="all")
    return out.getvalue()


# -- who was affected -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """One time somebody saw a person's data in full."""

    at: datetime
    who: str
    who_id: int | None
    ip: str | None
    action: str
    entity: str
    entity_id: str
    field: str
    reason: str


def affected(session: Session, begin: datetime, end: datetime) -> list[Reading]:
    """Rows and fields that were read in full between two moments (PIPL 57), oldest first."""
    statement = (
        select(AuditLog)
        .where(AuditLog.at >= begin, AuditLog.at < end, AuditLog.action.in_(READING), AuditLog.outcome == "done")
        .order_by(AuditLog.seq)
    )
    with as_system("finding whom a breach affects (PIPL 57)"):
        return [_reading(row) for row in session.execute(statement).scalars()]


def _reading(row: AuditLog) -> Reading:
    detail = row.detail
    words = [str(detail.get(key) or "") for key in ("field", "reason")]
    return Reading(
        row.at, row.actor_name, row.actor_id, row.ip, row.action, row.entity or "", row.entity_id or "", *words
    )
