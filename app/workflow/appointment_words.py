"""What each manual calls the states of an order, and the stages under which it lists them (APT-05, APT-16, APT-24, APT-35).

One machine stands behind three manuals: 001 tells a unit three states, 002 eleven, 004 one per menu. Who works on an
order (an institute) always reads the platform's own words, because the manuals' words for units run several of its
states together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.access.principal import current_principal
from app.profiles import setting
from models.enums import AppointmentState

S = AppointmentState

OWN: dict[AppointmentState, str] = {
    S.DRAFT: "待提交",
    S.ADMIN_REVIEW: "待行政确认",
    S.SUBMITTED: "已提交",
    S.ACCEPTED: "已受理",
    S.IN_PROGRESS: "检定中",
    S.WITHDRAW_REQUESTED: "撤销待审核",
    S.COMPLETED: "已完检",
    S.REJECTED: "被拒绝",
    S.SENT_BACK: "被退回",
    S.WITHDRAWN: "已撤销",
    S.RESTORE_REQUESTED: "恢复待审核",
    S.SPLIT: "已分单",
}
_ANSWERED = dict.fromkeys((S.ACCEPTED, S.IN_PROGRESS, S.COMPLETED, S.REJECTED, S.SENT_BACK), "已反馈")
MANUALS: dict[str, dict[AppointmentState, str]] = {
    "own": {},
    "national": {**_ANSWERED, S.WITHDRAWN: "已取消"},
    "zhejiang": {
        S.SUBMITTED: "受理中",
        S.ACCEPTED: "检定机构已受理",
        S.IN_PROGRESS: "检定机构已受理",
        S.COMPLETED: "检定完成",
        S.REJECTED: "退回待处理",
        S.SENT_BACK: "退回待处理",
    },
    "guangdong": {
        S.SUBMITTED: "预约中",
        S.ACCEPTED: "已确认",
        S.IN_PROGRESS: "已确认",
        S.COMPLETED: "完检",
        S.WITHDRAWN: "已取消",
    },
}
"""Manual → the words in which it differs from the platform's own."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A tab of the list and a choice of its filter: several states that the manual tells as one."""

    key: str
    word: str
    states: tuple[AppointmentState, ...]


STAGES: dict[str, tuple[Stage, ...]] = {
    "own": (),
    "national": (
        Stage("draft", "待提交", (S.DRAFT,)),
        Stage("sent", "已提交", (S.SUBMITTED, S.ADMIN_REVIEW, S.WITHDRAW_REQUESTED, S.RESTORE_REQUESTED)),
        Stage("answered", "已反馈", tuple(_ANSWERED)),
        Stage("ended", "已取消", (S.WITHDRAWN,)),
    ),
    "zhejiang": (
        Stage("draft", "待提交", (S.DRAFT,)),
        Stage(
            "sent",
            "受理中",
            (S.ADMIN_REVIEW, S.SUBMITTED, S.ACCEPTED, S.IN_PROGRESS, S.WITHDRAW_REQUESTED, S.RESTORE_REQUESTED),
        ),
        Stage("done", "检定完成", (S.COMPLETED,)),
        Stage("back", "退回待处理", (S.REJECTED, S.SENT_BACK)),
        Stage("ended", "已撤销", (S.WITHDRAWN,)),
    ),
    "guangdong": (
        Stage("draft", "待提交", (S.DRAFT,)),
        Stage("sent", "预约中", (S.SUBMITTED, S.ADMIN_REVIEW)),
        Stage("confirmed", "已确认", (S.ACCEPTED, S.IN_PROGRESS, S.WITHDRAW_REQUESTED, S.RESTORE_REQUESTED)),
        Stage("refused", "被拒绝", (S.REJECTED,)),
        Stage("returned", "被退回", (S.SENT_BACK,)),
        Stage("history", "历史查询", (S.COMPLETED, S.WITHDRAWN)),
    ),
}
"""Manual → its stages, each state but 已分单 in exactly one of them; none where the platform's own tabs serve."""

URGENCY = (
    S.DRAFT,
    S.RESTORE_REQUESTED,
    S.WITHDRAW_REQUESTED,
    S.ADMIN_REVIEW,
    S.SUBMITTED,
    S.ACCEPTED,
    S.IN_PROGRESS,
    S.SENT_BACK,
    S.REJECTED,
    S.WITHDRAWN,
    S.COMPLETED,
)
"""Open states first, each from the one that needs most attention on; then how an order can have ended."""


def manual() -> str:
    """Whose words the deployment speaks."""
    return str(setting("appointment", "words"))


def stages() -> tuple[Stage, ...]:
    """The stages of the deployment's manual."""
    return STAGES[manual()]


def word_of(state: AppointmentState) -> Callable[[], str]:
    """The word of a state, chosen each time it is read."""

    def ask() -> str:
        reader = current_principal()
        if reader is not None and reader.of_institute:
            return OWN[state]
        return MANUALS[manual()].get(state, OWN[state])

    return ask


def worst(states: Iterable[str]) -> AppointmentState | None:
    """What an application that was split is said to be: its worst open order, else the worst end; None without any."""
    present = set(states)
    return next((state for state in URGENCY if state.value in present), None)
