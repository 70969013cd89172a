"""Machine 8 of WORKFLOWS: the verification task, one instrument of one commission."""

from __future__ import annotations

from app import clock
from app.access.roles import SYSTEM
from app.workflow.authorisation import lapsed
from app.workflow.commission_rules import (
    abort_asked,
    abort_item,
    ask_abort,
    at_mine,
    begin_item,
    give_to,
    is_assignee,
    pause,
    recorded,
    resume,
    self_fits,
    settle_commission,
    take,
    verifier_fits,
)
from app.workflow.engine import REASON, Context, Field, Guard, Prior, Step, Workflow
from models.commission import Task
from models.enums import Role, TaskState

S = TaskState
IMG = frozenset({Role.IMG})
VERIFIER = frozenset({Role.VER})


def _nothing_lapsed(ctx: Context) -> str | None:
    what = lapsed(ctx.session, ctx.obj.institute_id, ctx.obj.instrument.category_id, clock.today())
    return f"{what}已失效，不能开展检定，请先更新授权信息。" if what else None


PAUSES = (("parts", "待配件"), ("customer", "待用户"), ("equipment", "设备故障"))

TASK = Workflow(
    name="task",
    label="检定任务",
    model=Task,
    states=S,
    labels={
        S.QUEUED: "待分派",
        S.ASSIGNED: "待检定",
        S.IN_PROGRESS: "检定中",
        S.PAUSED: "暂停",
        S.RECORDED: "待出证",
        S.CLOSED: "已完成",
        S.ABORTED: "已终止",
    },
    tones={
        S.QUEUED: "info",
        S.ASSIGNED: "info",
        S.IN_PROGRESS: "warning",
        S.PAUSED: "danger",
        S.RECORDED: "warning",
        S.CLOSED: "success",
    },
    final=frozenset({S.CLOSED, S.ABORTED}),
    steps=(
        Step("create", "生成任务", (), S.QUEUED, SYSTEM, basis="own"),
        Step(
            "assign",
            "分派",
            (S.QUEUED, S.ASSIGNED, S.PAUSED),
            S.ASSIGNED,
            IMG,
            relation=at_mine,
            needs=(Field("verifier_id", "检定员", "verifier"),),
            guards=(Guard("verifier", verifier_fits, needs_input=True, fix="/verifier-projects/list/"),),
            effects=(give_to,),
            primary=True,
            bulk=True,
            basis="计量法 art. 20",
        ),
        Step(
            "take",
            "领取任务",
            (S.QUEUED,),
            S.ASSIGNED,
            VERIFIER,
            relation=at_mine,
            switch="task.take",
            guards=(Guard("self", self_fits, fix=None),),
            effects=(take,),
            primary=True,
            bulk=True,
            basis="own",
        ),
        Step(
            "begin",
            "开始检定",
            (S.ASSIGNED,),
            S.IN_PROGRESS,
            VERIFIER,
            relation=is_assignee,
            primary=True,
            bulk=True,
            needs=(
                Field("place", "检定地点", required=False),
                Field("temperature", "温度(℃)", required=False),
                Field("humidity", "相对湿度(%)", required=False),
            ),
            guards=(Guard("authorised", _nothing_lapsed, fix=None), Guard("self", self_fits, fix=None)),
            effects=(begin_item, settle_commission),
            basis="计量法 art. 10; 细则 8",
        ),
        Step(
            "pause",
            "暂停",
            (S.IN_PROGRESS,),
            S.PAUSED,
            VERIFIER,
            relation=is_assignee,
            needs=(Field("kind", "暂停原因", "choice", choices=PAUSES), REASON),
            effects=(pause,),
            basis="浙江省条例 art. 20 另有约定",
        ),
        Step(
            "resume",
            "继续检定",
            (S.PAUSED,),
            S.IN_PROGRESS,
            VERIFIER,
            relation=is_assignee,
            effects=(resume,),
            primary=True,
            basis="own",
        ),
        Step(
            "record",
            "录入结果",
            (S.IN_PROGRESS,),
            S.RECORDED,
            VERIFIER,
            relation=is_assignee,
            own_page=True,
            primary=True,
            effects=(recorded,),
            basis="S2 §2.2; 印证 (231号)",
        ),
        Step("rework", "退回重检", (S.RECORDED,), S.IN_PROGRESS, SYSTEM, basis="own"),
        Step("close", "完成", (S.RECORDED,), S.CLOSED, SYSTEM, effects=(settle_commission,), basis="own"),
        Step(
            "ask_abort",
            "提出终止",
            (S.ASSIGNED, S.IN_PROGRESS, S.PAUSED),
            Prior.SAME,
            VERIFIER,
            relation=is_assignee,
            needs=(REASON,),
            effects=(ask_abort,),
            danger=True,
            basis="own",
        ),
        Step(
            "abort",
            "确认终止",
            (S.ASSIGNED, S.IN_PROGRESS, S.PAUSED),
            S.ABORTED,
            IMG,
            relation=at_mine,
            needs=(REASON,),
            guards=(Guard("asked", abort_asked, fix=None),),
            effects=(abort_item,),
            danger=True,
            basis="own",
        ),
        Step(
            "void",
            "随委托单作废",
            (S.QUEUED, S.ASSIGNED),
            S.ABORTED,
            SYSTEM,
            needs=(REASON,),
            effects=(settle_commission,),
            basis="WORKFLOWS 7",
        ),
    ),
)
