"""A workflow in words and as a diagram, generated from its declaration: for the help page and the command line."""

from __future__ import annotations

from app.access.roles import LABELS
from app.workflow.engine import Prior, Step, Workflow
from models.enums import Role


def roles_of(step: Step, *, here: bool = False) -> str:
    """受理员、机构负责人 …; with `here` those of this deployment alone."""
    order = list(Role)
    return "、".join(LABELS[r] for r in sorted(step.takers if here else step.by, key=order.index))


def target_of(workflow: Workflow, step: Step) -> str:
    """The word of where a step leads."""
    if step.target is Prior.SAME:
        return "（不变）"
    if step.target is Prior.BEFORE:
        return "（此前状态）"
    return workflow.labels[workflow.states(step.target)]


def mermaid(workflow: Workflow) -> str:
    """A state diagram in Mermaid's notation."""
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{workflow.labels[s]}" as {s.value}' for s in workflow.states]
    for step in workflow.steps:
        if step.target is Prior.BEFORE:
            lines += [f"    {s.value} --> {s.value}: {step.label}（回到此前状态）" for s in step.source]
            continue
        for start in [s.value for s in step.source] or ["[*]"]:
            end = start if step.target is Prior.SAME else step.target.value
            lines.append(f"    {start} --> {end}: {step.label}")
    lines += [f"    {s.value} --> [*]" for s in workflow.states if s in workflow.final]
    return "\n".join(lines)


def as_text(workflow: Workflow) -> str:
    """States, steps and diagram, as `workflow show` prints them."""
    lines = [f"{workflow.label}（{workflow.name}）", "", "状态："]
    lines += [f"  {s.value:<20}{workflow.labels[s]}{'（终）' if s in workflow.final else ''}" for s in workflow.states]
    lines += ["", "步骤："]
    for step in workflow.steps:
        start = "、".join(workflow.labels[s] for s in step.source) or "（新建）"
        lines.append(f"  {step.name:<24}{step.label}：{start} → {target_of(workflow, step)}；{roles_of(step)}")
    return "\n".join([*lines, "", "状态图：", mermaid(workflow)])


def matrix(workflow: Workflow) -> str:
    """State × step × role as Markdown, for the approved file that tests compare with: one line per allowed triple."""
    lines = [f"# {workflow.label} {workflow.name}", ""]
    lines += ["| 状态 | 步骤 | 目标 | 角色 | 开关 | 依据 |", "|---|---|---|---|---|---|"]
    for step in workflow.steps:
        for source in step.source or (None,):
            start = workflow.labels[source] if source else "（新建）"
            lines.append(
                f"| {start} | {step.name} {step.label} | {target_of(workflow, step)} | {roles_of(step)} "
                f"| {step.switch or ''} | {step.basis} |"
            )
    return "\n".join(lines) + "\n"
