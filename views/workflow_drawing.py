"""A workflow as a plain SVG: states in rows by their distance from the beginning, arrows beside them.

No script and no style attribute, so that the strict content policy lets it through; colours are presentation
attributes. States that lie at the same distance share a row.
"""

from __future__ import annotations

from enum import StrEnum

from markupsafe import Markup

from app.workflow.engine import Prior, Workflow

WIDTH, HEIGHT = 132, 34
GAP_X, GAP_Y = 40, 46
MARGIN = 16
STROKES = {"success": "#1a7f37", "warning": "#9a6700", "danger": "#b42318", "info": "#0b5cad", "muted": "#57606a"}


def ranks(workflow: Workflow) -> dict[StrEnum, int]:
    """How many steps lie between the beginning and a state, at least."""
    found: dict[StrEnum, int] = {}
    edge = [workflow.states(s.target) for s in workflow.steps if s.is_birth and not isinstance(s.target, Prior)]
    depth = 0
    while edge:
        for state in edge:
            found.setdefault(state, depth)
        depth += 1
        targets = [
            workflow.states(s.target)
            for s in workflow.steps
            if not isinstance(s.target, Prior) and any(x in edge for x in s.source)
        ]
        edge = [t for t in dict.fromkeys(targets) if t not in found]
    for state in workflow.states:
        found.setdefault(state, depth)
    return found


def arrows(workflow: Workflow) -> dict[tuple[StrEnum, StrEnum], list[str]]:
    """Labels of the steps between two different states."""
    found: dict[tuple[StrEnum, StrEnum], list[str]] = {}
    for step in workflow.steps:
        if isinstance(step.target, Prior):
            continue
        target = workflow.states(step.target)
        for source in step.source:
            if source != target:
                found.setdefault((source, target), []).append(step.label)
    return found


def draw(workflow: Workflow) -> Markup:
    """The diagram; the same facts stand in the table below it, so a screen reader needs only its title."""
    rank = ranks(workflow)
    rows: dict[int, list[StrEnum]] = {}
    for state in workflow.states:
        rows.setdefault(rank[state], []).append(state)
    widest = max(len(row) for row in rows.values())
    total = MARGIN * 2 + widest * WIDTH + (widest - 1) * GAP_X
    tall = MARGIN * 2 + len(rows) * HEIGHT + (len(rows) - 1) * GAP_Y
    place: dict[StrEnum, tuple[float, float]] = {}
    for depth, row in sorted(rows.items()):
        left = (total - len(row) * WIDTH - (len(row) - 1) * GAP_X) / 2
        for n, state in enumerate(row):
            place[state] = (left + n * (WIDTH + GAP_X), MARGIN + depth * (HEIGHT + GAP_Y))
    body = [_arrow(workflow, place, a, b, labels) for (a, b), labels in arrows(workflow).items()]
    body += [_box(workflow, state, *place[state]) for state in workflow.states]
    marker = Markup(
        '<defs><marker id="tip-{0}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#8c959f"/></marker></defs>'
    ).format(workflow.name)
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" '
        'aria-label="{2}"><title>{2}</title>'
    ).format(round(total), round(tall), f"{workflow.label}状态图")
    return head + marker + Markup("").join(body) + Markup("</svg>")


def _box(workflow: Workflow, state: StrEnum, x: float, y: float) -> Markup:
    stroke = STROKES.get(workflow.tone_of(state.value), STROKES["muted"])
    width = 2.5 if state in workflow.final else 1.2
    return Markup(
        '<rect x="{0}" y="{1}" width="{2}" height="{3}" rx="8" fill="#fff" stroke="{4}" stroke-width="{5}"/>'
        '<text x="{6}" y="{7}" text-anchor="middle" font-size="14" fill="#1f2328">{8}</text>'
    ).format(
        round(x), round(y), WIDTH, HEIGHT, stroke, width, round(x + WIDTH / 2), round(y + 22), workflow.labels[state]
    )


def _arrow(
    workflow: Workflow, place: dict[StrEnum, tuple[float, float]], start: StrEnum, end: StrEnum, labels: list[str]
) -> Markup:
    """From edge to edge; an arrow back upwards bends aside. The steps' names are its tooltip."""
    (x1, y1), (x2, y2) = place[start], place[end]
    mid1, mid2 = x1 + WIDTH / 2, x2 + WIDTH / 2
    if y2 > y1:
        path = f"M{mid1:.0f} {y1 + HEIGHT:.0f}C{mid1:.0f} {y1 + HEIGHT + 24:.0f} {mid2:.0f} {y2 - 24:.0f} {mid2:.0f} {y2:.0f}"
    elif y2 == y1:
        near, far = (x1 + WIDTH, x2) if x2 > x1 else (x1, x2 + WIDTH)
        middle, lift = (near + far) / 2, 0 if abs(far - near) < WIDTH else HEIGHT
        path = f"M{near:.0f} {y1 + 12:.0f}Q{middle:.0f} {y1 + 12 - lift:.0f} {far:.0f} {y2 + 12:.0f}"
    else:
        side = -1 if mid2 <= mid1 else 1
        near, far = x1 + (WIDTH if side > 0 else 0), x2 + (WIDTH if side > 0 else 0)
        bend = side * 26
        path = f"M{near:.0f} {y1 + 17:.0f}C{near + bend:.0f} {y1 + 17:.0f} {far + bend:.0f} {y2 + 17:.0f} {far:.0f} {y2 + 17:.0f}"
    return Markup(
        '<path d="{0}" fill="none" stroke="#8c959f" stroke-width="1.3" marker-end="url(#tip-{1})"><title>{2}</title></path>'
    ).format(path, workflow.name, f"{workflow.labels[start]} → {workflow.labels[end]}：{'、'.join(labels)}")
