"""企业信息维护 (/unit, ORG-09 and ORG-10): header, contacts and type approvals; one 保存 writes the whole page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from flask_babel import gettext

from app.access.roles import UNIT
from app.errors import InvalidInputError, QuanhengError
from app.operations.unit_profile import APPROVAL, CONTACT, own_unit, rows_of, save_page, seen_mark
from models.base import db
from models.enums import Role
from models.organisation import TypeApproval, Unit, UnitContact
from views.edge import clean
from views.guards import roles
from views.place_fields import place_at, read_place
from views.workflow_view import me

unit_pages = Blueprint("unit_profile", __name__)
FIELD = re.compile(r"(contact|approval)-(\d{1,4})-[a-z_]+")
TABLES: dict[str, Mapping[str, tuple[str, int]]] = {"contact": CONTACT, "approval": APPROVAL}
Rows = dict[str, list[dict[str, Any]]]


@unit_pages.route("/unit", methods=["GET", "POST"])
@roles(*UNIT)
def unit_page() -> Any:
    """Read and, for the main account and sub-users, write."""
    if me().unit_id is None:  # linked to an institute
        return redirect("/me/business")
    unit = own_unit(db.session(), me())
    contacts, approvals = rows_of(db.session(), unit.id)
    if request.method == "GET":
        rows: Rows = {"contact": [_of_contact(c) for c in contacts], "approval": [_of_approval(a) for a in approvals]}
        return _page(unit, rows, seen_mark(contacts, approvals))
    rows, seen = _typed(request.form), request.form.get("seen", "")[:40]
    if _without_script(rows):
        return _page(unit, rows, seen)
    return _save(unit, rows, seen)


def _save(unit: Unit, rows: Rows, seen: str) -> Any:
    filled = {table: [row for row in rows[table] if _begun(row)] for table in TABLES}
    texts = {table: [_texts(row) for row in filled[table]] for table in TABLES}
    try:
        save_page(db.session(), me(), texts["contact"], texts["approval"], seen)
    except QuanhengError as error:
        db.session.rollback()
        problems = error.problems if isinstance(error, InvalidInputError) else {}
        unit = own_unit(db.session(), me())
        return _page(unit, filled, seen, problems or {"": error.sentence}), error.status
    flash(gettext("已保存。"), "success")
    return redirect("/unit", 303)


def _without_script(rows: Rows) -> bool:
    """新增一行, 删除 and the next level of places as buttons: the page comes back with what was typed."""
    add, drop = request.form.get("add", ""), request.form.get("drop", "")
    if add in TABLES:
        rows[add].append(_blank(add))
    elif found := re.fullmatch(r"(contact|approval)-(\d{1,4})", drop):
        table, number = found[1], int(found[2])
        rows[table] = [row for row in rows[table] if row["number"] != number]
    return bool(add or drop or "load" in request.form)


def _typed(form: Mapping[str, str]) -> Rows:
    """The rows of the submitted page in the order they stand there."""
    found: Rows = {"contact": [], "approval": []}
    numbers = {(m[1], int(m[2])) for key in form if (m := FIELD.fullmatch(key))}
    for table, number in sorted(numbers):
        prefix = f"{table}-{number}-"
        row: dict[str, Any] = {name: clean(form.get(prefix + name), 300) for name in (*TABLES[table], "id")}
        row["number"] = number
        if table == "contact":
            row["place"] = read_place(form, prefix)
        found[table].append(row)
    return found


def _begun(row: Mapping[str, Any]) -> bool:
    """A new row that nobody wrote anything into is left out."""
    typed = any(value for name, value in row.items() if name not in {"number", "place"})
    return typed or bool("place" in row and row["place"].chosen.get("province"))


def _texts(row: Mapping[str, Any]) -> dict[str, str]:
    texts = {name: str(value) for name, value in row.items() if name not in {"number", "place"}}
    if "place" in row:
        texts |= {"division_code": row["place"].code, **row["place"].chosen}
    return texts


def _blank(table: str) -> dict[str, Any]:
    row: dict[str, Any] = {**dict.fromkeys(TABLES[table], ""), "id": "", "number": -1}
    if table == "contact":
        row["place"] = place_at("")
    return row


def _of_contact(row: UnitContact) -> dict[str, Any]:
    return {**{name: getattr(row, name) for name in CONTACT}, "id": str(row.id), "place": place_at(row.division_code)}


def _of_approval(row: TypeApproval) -> dict[str, Any]:
    return {**{name: getattr(row, name) for name in APPROVAL}, "id": str(row.id)}


def _page(unit: Unit, rows: Rows, seen: str, problems: Mapping[str, str] | None = None) -> str:
    found = dict(problems or {})
    return render_template(
        "pages/unit.html",
        title=gettext("企业信息维护"),
        sections=[
            (
                "",
                [
                    (gettext("企业名称"), unit.name),
                    (gettext("统一社会信用代码"), unit.code),
                    (gettext("经济性质"), unit.category or gettext("企业")),
                ],
            )
        ],
        rows=rows,
        blank={table: _blank(table) for table in TABLES},
        seen=seen,
        problems=found,
        writes=me().has(Role.ENT, Role.SUB),
        contact_fields=CONTACT,
        approval_fields=APPROVAL,
    )
