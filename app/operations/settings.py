"""Settings that the administrator changes without a restart (SUP-08).

A change is a row over the profile's files; the next request reads it, in every process. Settings that bear on security
wait as proposed until the security administrator, who is somebody else, has confirmed them (三员分立).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import profiles
from app.access.audit import audit
from app.access.constraints import sentence_for
from app.access.principal import Principal
from app.errors import ConflictError, InvalidInputError, NotAllowedError, NotVisibleError
from app.operations.band_changes import band_changes
from app.operations.logins import security_administrators
from app.profiles.schema import BY_KEY, SECTIONS, SETTINGS, Setting, in_words, keys_of, problem_with
from app.workflow import REGISTRY
from app.workflow.outgoing import message
from models.enums import Role, SettingState
from models.site import ProfileSetting

STATES = {SettingState.PROPOSED: "等待安全管理员确认", SettingState.IN_FORCE: "已生效"}
TRICOLOR_PAIR = {"tricolor": (("reminder.yellow_days", "reminder.notice_days"),)}
SOURCES = {"default": "默认", "deployment": "部署配置", "administrator": "管理员修改"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A setting as the page shows it."""

    setting: Setting
    value: Any
    source: str
    proposal: ProfileSetting | None

    @property
    def words(self) -> str:
        """The value in force as people read it."""
        return in_words(self.setting, self.value)

    @property
    def proposed_words(self) -> str:
        """What the security administrator is asked to confirm."""
        return in_words(self.setting, self.proposal.value) if self.proposal else ""


def setting_of(key: str) -> Setting:
    """The description of a key; unknown keys look like a missing page."""
    if key not in BY_KEY:
        raise NotVisibleError
    return BY_KEY[key]


def file_value(key: str) -> Any:
    """What the deployment's files say: the value that "restore" leads back to."""
    return profiles.value_at(profiles.load(str(current_app.config["PROFILE"])), key)


def value_in_force(key: str) -> Any:
    """What holds at this moment."""
    return profiles.value_at(profiles.profile(), key)


def page(session: Session) -> list[tuple[str, str, list[Shown]]]:
    """(section, its word, settings) in the order of the schema."""
    rows = list(session.execute(select(ProfileSetting)).scalars())
    changed = {row.key for row in rows if row.state == SettingState.IN_FORCE}
    proposals = {row.key: row for row in rows if row.state == SettingState.PROPOSED}
    defaults = dict(keys_of(profiles.defaults()))
    found: dict[str, list[Shown]] = {section: [] for section in SECTIONS}
    for setting in SETTINGS:
        source = "administrator" if setting.key in changed else "deployment"
        if source == "deployment" and file_value(setting.key) == defaults[setting.key]:
            source = "default"
        shown = Shown(setting, value_in_force(setting.key), source, proposals.get(setting.key))
        found[setting.section].append(shown)
    return [(section, SECTIONS[section], rows_) for section, rows_ in found.items() if rows_]


def check(key: str, value: Any) -> None:
    """Raise InvalidInputError when the value cannot be taken, alone or beside the others."""
    setting = setting_of(key)
    problem = problem_with(setting, value) or _problem_together(key, value)
    if problem:
        raise InvalidInputError(problem, field="value")


def _problem_together(key: str, value: Any) -> str | None:
    """What one value would do to its neighbours."""
    if key == "login.methods" and "password" not in value:
        return "须保留“用户名和密码”，管理员只能用它登录。"
    if (key, value) == ("switches.filing", False) and not value_in_force("switches.ledger.direct"):
        return "关闭“器具备案”前须先打开“直接录入台账”，否则不能新增器具。"
    if (key, value) == ("switches.ledger.direct", False) and not value_in_force("switches.filing"):
        return "“器具备案”已关闭，不能再关闭“直接录入台账”，否则不能新增器具。"
    for low, high in (
        ("password.minimum", "password.maximum"),
        ("appointment.deadline_workdays", "appointment.extended_workdays"),
        *TRICOLOR_PAIR.get(str(value_in_force("reminder.scheme")), ()),
        ("reminder.filing_due_days", "reminder.filing_invalid_days"),
    ):
        if key in {low, high}:
            both = {low: value_in_force(low), high: value_in_force(high), key: value}
            if both[low] > both[high]:
                return f"“{BY_KEY[low].label}”不能大于“{BY_KEY[high].label}”。"
    return None


def effects(key: str, value: Any, session: Session | None = None) -> list[str]:
    """What a change would do, in sentences, beyond the setting's own description."""
    setting, old = setting_of(key), value_in_force(key)
    found = [f"该项的作用：{setting.effect}"]
    if key.startswith("switches.") and value != old:
        name, verb = key.removeprefix("switches."), "将提供" if value else "不再提供"
        steps = [f"{w.label}“{s.label}”" for w in REGISTRY.values() for s in w.steps if s.switch == name]
        if steps:
            found.append(f"{verb}办理步骤：{'、'.join(steps)}。")
        found.append("已有的数据保留不变。")
    if session is not None and key.startswith("reminder."):
        found += band_changes(session, key, value)
    if setting.security:
        found.append("该项属于安全设置，须由安全管理员确认后才生效。")
    else:
        found.append("确定后立即生效，不需要重启。")
    return found


def fingerprint(key: str) -> str:
    """The value in force as the form remembers it: two administrators must not overwrite each other unseen."""
    return json.dumps(value_in_force(key), ensure_ascii=False, sort_keys=True)


def change(session: Session, actor: Principal, key: str, value: Any, *, seen: str | None = None) -> bool:
    """Put a value in force, or propose it when it bears on security; returns whether it is in force now.

    Raises ConflictError when somebody else changed the setting since the form was opened.
    """
    _require(actor, Role.ADM)
    setting = setting_of(key)
    check(key, value)
    old = value_in_force(key)
    if seen is not None and seen != fingerprint(key):
        raise ConflictError(sentence_for("uq_profile_setting_in_force") or "")
    if value == old:
        raise InvalidInputError(f"“{setting.label}”没有变化。", field="value")
    if setting.security:
        _propose(session, actor, setting, old, value)
        return False
    _put(session, key, value, changed_by=actor.account_id)
    audit(session, "setting_change", entity="setting", entity_id=key, old=old, new=value)
    profiles.forget()
    return True


def restore(session: Session, actor: Principal, key: str, *, seen: str | None = None) -> bool:
    """Back to what the deployment's files say; a security setting asks for confirmation as any change does."""
    return change(session, actor, key, file_value(key), seen=seen)


def _put(session: Session, key: str, value: Any, *, changed_by: int | None, confirmed_by: int | None = None) -> None:
    """The one row in force of a key; none when the value is the deployment's own."""
    row = session.execute(_row(key, SettingState.IN_FORCE).with_for_update()).scalar_one_or_none()
    if value == file_value(key):
        if row is not None:
            session.delete(row)
        session.flush()
        return
    if row is None:
        row = ProfileSetting(key=key, state=SettingState.IN_FORCE)
        session.add(row)
    row.value, row.changed_by_id, row.confirmed_by_id = value, changed_by, confirmed_by
    _flush(session)


def _row(key: str, state: SettingState) -> Any:
    return select(ProfileSetting).where(ProfileSetting.key == key, ProfileSetting.state == state)


def _flush(session: Session) -> None:
    """Two at the same moment: the index lets one through, the other one is told."""
    try:
        session.flush()
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", "") or ""
        raise ConflictError(sentence_for(name) or "该设置项刚被他人修改，请刷新后重试。") from error


def _propose(session: Session, actor: Principal, setting: Setting, old: Any, value: Any) -> None:
    if session.execute(_row(setting.key, SettingState.PROPOSED)).first():
        raise ConflictError(sentence_for("uq_profile_setting_proposed") or "")
    row = ProfileSetting(key=setting.key, value=value, state=SettingState.PROPOSED, changed_by_id=actor.account_id)
    session.add(row)
    _flush(session)
    audit(session, "setting_propose", entity="setting", entity_id=setting.key, old=old, new=value)
    for account_id in security_administrators(session):
        words = f"安全设置“{setting.label}”的修改等待您确认。"
        message(session, account_id, words, "", "/settings/", key=f"setting-{row.id}")


def proposal_of(session: Session, proposal_id: int) -> ProfileSetting:
    """A change that waits, locked; NotVisibleError when it was answered meanwhile."""
    statement = select(ProfileSetting).where(
        ProfileSetting.id == proposal_id, ProfileSetting.state == SettingState.PROPOSED
    )
    row = session.execute(statement.with_for_update()).scalar_one_or_none()
    if row is None:
        raise ConflictError("这项修改已被处理或撤回，请刷新后查看。")
    return row


def confirm(session: Session, actor: Principal, proposal_id: int) -> ProfileSetting:
    """Put a proposed value in force; never by the person who proposed it."""
    _require(actor, Role.SEC)
    row = proposal_of(session, proposal_id)
    if row.changed_by_id == actor.account_id:
        raise NotAllowedError("不能确认自己提出的修改，须由另一位安全管理员确认。")
    check(row.key, row.value)
    key, value, old, by = row.key, row.value, value_in_force(row.key), row.changed_by_id
    session.delete(row)
    session.flush()  # one row per key and state: the proposal must be gone before the value is in force
    _put(session, key, value, changed_by=by, confirmed_by=actor.account_id)
    audit(session, "setting_confirm", entity="setting", entity_id=key, old=old, new=value, proposed_by=by)
    _tell(session, by, f"安全设置“{setting_of(key).label}”的修改已确认生效。", proposal_id)
    profiles.forget()
    return row


def refuse(session: Session, actor: Principal, proposal_id: int, reason: str) -> ProfileSetting:
    """Turn a proposed value down, with the reason."""
    _require(actor, Role.SEC)
    words = reason.strip()
    if not 5 <= len(words) <= 500:
        raise InvalidInputError("请填写原因（5～500字）。", field="reason")
    row = proposal_of(session, proposal_id)
    session.delete(row)
    audit(session, "setting_refuse", entity="setting", entity_id=row.key, new=row.value, reason=words)
    _tell(session, row.changed_by_id, f"安全设置“{setting_of(row.key).label}”的修改未通过，原因：{words}", proposal_id)
    return row


def withdraw(session: Session, actor: Principal, proposal_id: int) -> ProfileSetting:
    """An administrator takes a proposal back."""
    _require(actor, Role.ADM)
    row = proposal_of(session, proposal_id)
    session.delete(row)
    audit(session, "setting_withdraw", entity="setting", entity_id=row.key, new=row.value)
    return row


def _tell(session: Session, account_id: int | None, words: str, proposal_id: int) -> None:
    if account_id:
        message(session, account_id, words, "", "/settings/", key=f"setting-{proposal_id}-answer")


def _require(actor: Principal, role: Role) -> None:
    if not actor.has(role):
        word = "系统管理员" if role == Role.ADM else "安全管理员"
        raise NotAllowedError(f"只有{word}可以办理此项。")


def as_yaml(values: Mapping[str, Any], depth: int = 0) -> str:
    """A profile as YAML: block mappings, scalars and lists as JSON, which every YAML reader understands."""
    lines = []
    for key, value in values.items():
        head = "  " * depth + json.dumps(key, ensure_ascii=False) + ":"
        if isinstance(value, Mapping) and value:
            lines += [head, as_yaml(value, depth + 1).rstrip("\n")]
        else:
            lines.append(f"{head} {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"
