"""流程说明: every workflow in words, generated from its declaration, so that the page cannot differ from the rules."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, render_template
from flask_babel import gettext

from app.profiles import switch_on
from app.workflow.engine import REGISTRY, Workflow
from app.workflow.show import roles_of, target_of
from views.guards import roles
from views.workflow_drawing import draw
from views.workflow_view import chip

NOTE = re.compile(r"S[0-9]\b|own\b|WORKFLOWS|ROLES|BEYOND|[A-Z]{3}-[0-9]|replaces")
help_pages = Blueprint("help_pages", __name__, url_prefix="/help")


@help_pages.get("/workflows")
@roles()
def workflows() -> Any:
    """States, steps and a diagram of each machine."""
    shown = [_facts(w) for w in REGISTRY.values()]
    return render_template("pages/help_workflows.html", title=gettext("流程说明"), workflows=shown)


def law_of(basis: str) -> str:
    """The published rules a step rests on; the notes about manuals beside them are for those who maintain the code."""
    parts = (part.strip() for part in basis.split(";"))
    return "；".join(part for part in parts if part and not NOTE.match(part))


def _facts(workflow: Workflow) -> dict[str, Any]:
    steps = []
    for step in workflow.steps:
        start = "、".join(workflow.labels[s] for s in step.source) or gettext("（新建）")
        off = bool(step.switch) and not switch_on(step.switch or "")
        needs = "、".join(n.label for n in step.needs)
        steps.append(
            [step.label, start, target_of(workflow, step), roles_of(step, here=True), needs, law_of(step.basis), off]
        )
    states = [(chip(workflow, s.value), s in workflow.final) for s in workflow.states]
    return {"name": workflow.name, "label": workflow.label, "states": states, "steps": steps, "svg": draw(workflow)}
