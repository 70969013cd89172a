"""The invariants of TRUST section 8 as queries that must return nothing; run nightly, after tests and on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ScalarSelect, func, select, text
from sqlalchemy.orm import Session

from app import clock
from app.access.audit import broken_link
from app.operations import journal
from app.profiles import setting
from app.workdays import add_workdays, exceptions
from app.workflow import REGISTRY
from app.workflow.engine import Prior, Workflow
from app.workflow.item import SETTLING, header_state
from app.workflow.journal import AMEND
from models.appointment import Appointment, AppointmentItem
from models.log import TransitionLog


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant and how many rows break it."""

    id: str
    title: str
    violations: int

    def as_dict(self) -> dict[str, object]:
        return {"id": self.id, "title": self.title, "violations": self.violations}


LIVE = "('pending', 'assigned', 'accepted', 'received', 'verifying')"
HOLDS_A_PLACE = """(i.state IN ('assigned', 'accepted', 'received', 'verifying', 'done', 'aborted')
    OR (i.state = 'pending' AND a.state = 'admin_review'))"""
"""Which items hold a place of their appointment's slot (app/workflow/slots.py): from submission on, until the place
could still be given to somebody else. What was verified or broken off has used its place up and keeps it."""
ISSUED = "('issuing', 'issued', 'superseded', 'revoked')"

QUERIES: tuple[tuple[str, str, str], ...] = (
    (
        "I-1",
        "一台器具至多在一张有效预约单中",
        f"SELECT instrument_id FROM appointment_item WHERE state IN {LIVE} GROUP BY 1 HAVING count(*) > 1",
    ),
    (
        "I-2",
        "时段已约数等于占用名额的器具数且不超过容量",
        f"""SELECT s.id FROM slot s LEFT JOIN (
           SELECT a.slot_id, count(*) AS n FROM appointment a JOIN appointment_item i ON i.appointment_id = a.id
           WHERE {HOLDS_A_PLACE} GROUP BY 1) held ON held.slot_id = s.id
         WHERE s.taken > s.capacity OR s.taken <> coalesce(held.n, 0)""",
    ),
    (
        "I-4",
        "证书编号在机构内唯一",
        "SELECT institute_id, number FROM certificate WHERE number IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1",
    ),
    (
        "I-5",
        "已签发证书都有文件指纹",
        "SELECT id FROM certificate WHERE state IN ('issued', 'superseded', 'revoked') AND pdf_sha256 IS NULL",
    ),
    (
        "I-6",
        "检定员不是核验员、批准人",
        f"""SELECT id FROM certificate WHERE verifier_id IN (checker_id, approver_id)
         OR (state IN {ISSUED} AND (checker_id IS NULL OR approver_id IS NULL))""",
    ),
    (
        "I-7",
        "器具的检定结果、有效期与全部有效证书和已关联的检定记录一致",
        # of one day the own paper counts, not the record of another system (workflow/certificate.last_verification)
        """SELECT i.id FROM instrument i JOIN LATERAL (
           SELECT conclusion, verified_on, valid_until FROM (
             SELECT conclusion, verified_on, valid_until, 1 AS own, id, instrument_id FROM certificate
             WHERE state = 'issued'
             UNION ALL SELECT conclusion, verified_on, valid_until, 0, id, instrument_id FROM unmatched_record
             WHERE state IN ('linked', 'imported')) v
           WHERE v.instrument_id = ANY (i.id || ARRAY(SELECT m.id FROM instrument m
             WHERE m.merged_into_id = i.id AND m.state = 'merged'))
           ORDER BY verified_on DESC, own DESC, id DESC LIMIT 1) last ON i.state <> 'merged'
         WHERE i.last_result IS DISTINCT FROM last.conclusion OR i.verified_on IS DISTINCT FROM last.verified_on
            OR i.valid_until IS DISTINCT FROM CASE WHEN last.conclusion = 'pass' THEN last.valid_until END""",
    ),
    (
        "I-8",
        "每个器具、阈值、到期日的提醒只有一条",
        "SELECT instrument_id FROM reminder GROUP BY instrument_id, threshold, due_on, channel HAVING count(*) > 1",
    ),
    (
        "I-10",
        "导入的每个新行恰好对应一台器具",
        """SELECT job_id FROM import_row WHERE outcome = 'created' AND instrument_id IS NOT NULL
        GROUP BY job_id, instrument_id HAVING count(*) > 1
        UNION ALL SELECT r.job_id FROM import_row r JOIN job j ON j.id = r.job_id
        WHERE j.state = 'done' AND j.phase = 'commit' AND r.outcome = 'new' AND r.instrument_id IS NULL""",
    ),
    (
        "I-12c",
        "检定任务与器具、委托单的状态一致",
        """SELECT t.id FROM task t JOIN appointment_item i ON i.id = t.item_id
        WHERE (t.state IN ('queued', 'assigned') AND i.state <> 'received')
           OR (t.state IN ('in_progress', 'paused', 'recorded') AND i.state <> 'verifying')
           OR (t.state = 'closed' AND i.state <> 'done')
        UNION ALL SELECT c.id FROM commission c
        WHERE (c.state IN ('open', 'working')) <> EXISTS (
          SELECT 1 FROM task t WHERE t.commission_id = c.id AND t.state NOT IN ('closed', 'aborted'))
          AND c.state <> 'checking'""",
    ),
    (
        "I-13b",
        "办结的预约单没有在办的器具",
        f"""SELECT a.id FROM appointment a JOIN appointment_item i ON i.appointment_id = a.id AND i.state IN {LIVE}
        WHERE a.state IN ('completed', 'rejected', 'sent_back', 'withdrawn', 'split')""",
    ),
    (
        "I-16",
        "自动撤销的预约单没有送检的器具，且不早于送检期限",
        """SELECT a.id FROM appointment a WHERE a.auto_withdrawn AND (
           a.ended_at IS NULL OR a.deadline_at IS NULL OR a.ended_at <= a.deadline_at
           OR EXISTS (SELECT 1 FROM appointment_item i WHERE i.appointment_id = a.id AND i.received_at IS NOT NULL
                      AND i.received_at <= a.ended_at))""",
    ),
    (
        "I-19",
        "单位内在册器具查重键唯一",
        """SELECT unit_id FROM instrument
        WHERE state NOT IN ('purged', 'merged', 'former', 'scrapped') GROUP BY unit_id, dup_key HAVING count(*) > 1""",
    ),
    (
        "I-20",
        "未办结的备案恰有一个处理机构，每台器具至多一条",
        """SELECT id FROM filing WHERE state IN ('submitted', 'to_process', 'to_confirm') AND holder_institute_id IS NULL
        UNION ALL SELECT instrument_id FROM filing WHERE state <> 'closed' GROUP BY 1 HAVING count(*) > 1""",
    ),
    (
        "I-20b",
        "器具状态与备案状态一致",
        """SELECT i.id FROM instrument i JOIN filing f ON f.instrument_id = i.id AND f.state <> 'closed'
        WHERE (i.state = 'filing') <> (f.state IN ('submitted', 'to_process', 'to_confirm'))
           OR (i.state = 'in_use' AND f.state NOT IN ('approved', 'submitted'))""",
    ),
    (
        "I-21",
        "备案流转不重复退回同一区县",
        """SELECT f.id FROM filing f, jsonb_array_elements(f.route) hop WHERE hop->>'step' = 'refuse'
        GROUP BY f.id, hop->>'institute' HAVING count(*) > 1""",
    ),
    (
        "I-22",
        "转送省级须有授权",
        """SELECT f.id FROM filing f WHERE NOT f.allow_province
        AND EXISTS (SELECT 1 FROM jsonb_array_elements(f.route) hop WHERE hop->>'step' = 'transfer')""",
    ),
    (
        "I-22b",
        "转送省级之前已有授权",
        """SELECT l.id FROM transition_log l WHERE l.entity = 'filing' AND l.step = 'transfer' AND NOT EXISTS (
           SELECT 1 FROM transition_log e WHERE e.entity = 'filing' AND e.entity_id = l.entity_id AND e.id < l.id
             AND (e.input->'changed'->'allow_province'->>1 = 'true' OR e.input->'born'->>'allow_province' = 'true'))""",
    ),
    (
        "A-1",
        "关联个人的账号与其关联记录一致",
        """SELECT a.id FROM account a LEFT JOIN affiliation l ON l.account_id = a.id AND l.state = 'linked'
        WHERE a.kind = 'individual' AND a.state <> 'closed' AND (
           ('AFF' = ANY (a.roles)) <> (l.id IS NOT NULL)
           OR l.unit_id IS DISTINCT FROM a.unit_id OR l.institute_id IS DISTINCT FROM a.institute_id)""",
    ),
    (
        "A-2",
        "管理员、安全管理员、审计员互不兼任，也不兼任业务角色",
        """SELECT id FROM account WHERE roles && ARRAY['ADM', 'SEC', 'AUD', 'REG']::varchar[] AND cardinality(roles) > 1""",
    ),
    (
        "A-3",
        "使用单位的主账号至多一个",
        """SELECT unit_id FROM account WHERE 'ENT' = ANY (roles) AND state IN ('active', 'locked', 'disabled')
        GROUP BY unit_id HAVING count(*) > 1""",
    ),
    (
        "A-4",
        "同一统一社会信用代码至多一个在用单位",
        "SELECT code FROM unit WHERE active AND code IS NOT NULL GROUP BY code HAVING count(*) > 1",
    ),
    ("I-24", "发件箱没有放弃的消息", "SELECT id FROM outbox WHERE sent_at IS NULL AND tries >= 10"),
    (
        "I-24b",
        "同一件事每人只收到一条消息",
        """SELECT max(id) FROM outbox GROUP BY key HAVING count(*) > 1
        UNION ALL SELECT max(id) FROM message GROUP BY account_id, key HAVING count(*) > 1""",
    ),
    (
        "I-25",
        "完成的任务没有剩下的行，进行中的任务有人在办",
        """SELECT j.id FROM job j WHERE j.state = 'done' AND EXISTS (
           SELECT 1 FROM bulk_line b WHERE b.job_id = j.id AND b.outcome = 'waiting')
        UNION ALL SELECT id FROM job WHERE state = 'running' AND heartbeat_at < now() - interval '1 hour'""",
    ),
)


def check_all(session: Session) -> list[Finding]:
    """Every invariant that exists so far, in the order of their numbers."""
    found = [_query(session, *entry) for entry in QUERIES]
    found += [Finding(i, t, f(session)) for i, t, f in COMPUTED]
    return sorted(found, key=lambda f: (int(f.id.split("-")[1].rstrip("bc")), f.id))


def _query(session: Session, number: str, title: str, sql: str) -> Finding:
    count = session.execute(text(f"SELECT count(*) FROM ({sql}) broken")).scalar_one()
    return Finding(number, title, int(count))


def _replay(session: Session) -> int:
    """I-12: replaying each row's log gives its present state, by allowed arrows only."""
    wrong = 0
    for workflow in REGISTRY.values():
        allowed = _arrows(workflow)
        states: dict[int, str] = dict(session.execute(select(workflow.model.id, workflow.model.state)).tuples().all())
        last: dict[int, str] = {}
        rows = session.execute(
            select(TransitionLog.entity_id, TransitionLog.step, TransitionLog.from_state, TransitionLog.to_state)
            .where(TransitionLog.entity == workflow.name)
            .order_by(TransitionLog.id)
            .execution_options(yield_per=5_000)
        )
        for entity_id, step, before, after in rows:
            wrong += before != last.get(entity_id) or not _fits(allowed.get(step), before, after)
            last[entity_id] = after
        wrong += sum(last.get(pk) != state for pk, state in states.items())
    return wrong


AMENDED: tuple[set[str | None], str] = (set(), Prior.SAME.value)
"""A write outside a step: the state stays."""


def _arrows(workflow: Workflow) -> dict[str, tuple[set[str | None], str]]:
    found: dict[str, tuple[set[str | None], str]] = {
        # a step that says where it goes (a deletion that keeps the row, a unit that must file again) may end elsewhere
        s.name: ({x.value for x in s.source} or {None}, Prior.BEFORE.value if s.goes else s.target.value)
        for s in workflow.steps
    }
    return {**found, AMEND: AMENDED}


def _fits(arrow: tuple[set[str | None], str] | None, before: str | None, after: str) -> bool:
    if arrow is AMENDED:
        return before == after is not None
    if arrow is None or before not in arrow[0]:
        return False
    return {Prior.SAME.value: before == after, Prior.BEFORE.value: True}.get(arrow[1], arrow[1] == after)


def _headers(session: Session) -> int:
    """I-13: from acceptance on, a header's state is the function of its items' states."""
    wrong = 0
    states: dict[int, list[str]] = {}
    rows = session.execute(select(AppointmentItem.appointment_id, AppointmentItem.state)).tuples()
    for appointment_id, state in rows:
        states.setdefault(appointment_id, []).append(state)
    watched = [s.value for s in SETTLING] + ["accepted"]
    headers = session.execute(
        select(Appointment.id, Appointment.state).where(
            Appointment.state.in_(watched), Appointment.accepted_at.is_not(None)
        )
    ).tuples()
    for pk, state in headers:
        wrong += header_state(states.get(pk, []), state) != state
    return wrong


def _terms(session: Session) -> int:
    """I-15: no accepted order waits longer than the longest term after its acceptance or its restoration."""
    most, table = int(setting("appointment", "extended_workdays")), exceptions(session)
    rows = session.execute(
        select(Appointment.deadline_at, func.greatest(Appointment.accepted_at, _restored_at()))
        .where(Appointment.state == "accepted", Appointment.deadline_at.is_not(None))
        .execution_options(yield_per=5_000)
    ).tuples()
    wrong = 0
    for term, begun in rows:
        last = add_workdays(begun.astimezone(clock.ZONE).date(), most, table) if begun else None
        wrong += last is None or term is None or term.astimezone(clock.ZONE).date() > last
    return wrong


def _restored_at() -> ScalarSelect[datetime]:
    """When an order was last given a new term."""
    return (
        select(func.max(TransitionLog.at))
        .where(
            TransitionLog.entity == "appointment",
            TransitionLog.entity_id == Appointment.id,
            TransitionLog.step == "restore_ok",
        )
        .scalar_subquery()
    )


def _chain(session: Session) -> int:
    """I-14: the audit chain is unbroken."""
    return 0 if broken_link(session) is None else 1


COMPUTED: tuple[tuple[str, str, Callable[[Session], int]], ...] = (
    ("I-12", "流程日志重放得到当前状态", _replay),
    ("I-12b", "变更记录重放得到当前内容", journal.broken),
    ("I-13", "预约单状态由器具状态决定", _headers),
    ("I-14", "审计日志链完整", _chain),
    ("I-15", "送检期限不超过受理后最长期限", _terms),
)
