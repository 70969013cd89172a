"""ROLES section 2 a second time, in plain Python over loaded rows: no SQL, no predicate, no property of Principal.

One function per model says whether a person may see one row. Whoever adds a scoped model adds its line here; the
test compares both computations for everybody and every row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.access.principal import Principal

Row = dict[str, Any]
Rows = dict[str, list[Row]]
SEES: dict[str, Callable[[Principal, Row, Rows], bool]] = {}
UNIT, INSTITUTE = {"ENT", "SUB", "AFF"}, {"REC", "VER", "APR", "IMG"}
PAPER_OUT = {"issued", "superseded", "revoked"}


def of(table: str) -> Callable[[Any], Any]:
    def register(function: Any) -> Any:
        SEES[table] = function
        return function

    return register


def roles(p: Principal) -> set[str]:
    return {r.value for r in p.roles}


def mine(p: Principal, row: Row) -> bool:
    """A row of the unit that the person acts for."""
    return bool(roles(p) & UNIT) and p.unit_id is not None and row["unit_id"] == p.unit_id


def here(p: Principal, value: Any) -> bool:
    """The institute that the person works at."""
    return bool(roles(p) & INSTITUTE) and p.institute_id is not None and value == p.institute_id


def inside(p: Principal, code: str | None) -> bool:
    """A place in the regulator's area: the first 2, 4 or 6 digits are equal."""
    if "REG" not in roles(p) or not code or not p.area or not p.area.isdigit():
        return False
    return {2: code[:2], 4: code[:4], 6: code[:6]}.get(len(p.area)) == p.area


def own(p: Principal, row: Row) -> bool:
    return p.account_id is not None and row["account_id"] == p.account_id


def unit_of(rows: Rows, pk: int | None) -> Row | None:
    return next((u for u in rows["unit"] if u["id"] == pk), None)


def home_inside(p: Principal, rows: Rows, unit_id: int | None) -> bool:
    unit = unit_of(rows, unit_id)
    return unit is not None and inside(p, unit["division_code"])


def at(p: Principal, filing: Row) -> bool:
    return any(here(p, filing[c]) for c in ("holder_institute_id", "target_institute_id", "final_institute_id"))


def booked_with(p: Principal, item: Row) -> bool:
    """Sent to the institute; what waits in a draft, or for the administration, is not."""
    return here(p, item["institute_id"]) and item["state"] != "pending"


@of("unit")
def unit(p: Principal, row: Row, rows: Rows) -> bool:
    if p.unit_id == row["id"] and roles(p) & (UNIT | {"APPLICANT"}):
        return True
    met = [f for f in rows["filing"] if f["unit_id"] == row["id"] and at(p, f)]
    met += [i for i in rows["appointment_item"] if i["unit_id"] == row["id"] and booked_with(p, i)]
    met += [a for a in rows["account"] if a["unit_id"] == row["id"] and here(p, a["reviewer_institute_id"])]
    return bool(met) or inside(p, row["division_code"]) or "ADM" in roles(p)


@of("account")
def account(p: Principal, row: Row, rows: Rows) -> bool:
    r = roles(p)
    if row["id"] == p.account_id or r & {"ADM", "SEC", "AUD"}:
        return True
    asks = [
        a
        for a in rows["affiliation"]
        if a["account_id"] == row["id"] and a["state"] in {"requested", "linked", "refused"}
    ]
    main = "ENT" in r and p.unit_id is not None
    if main and (row["unit_id"] == p.unit_id or any(a["unit_id"] == p.unit_id for a in asks)):
        return True
    if "IMG" in r and p.institute_id is not None and any(a["institute_id"] == p.institute_id for a in asks):
        return True
    if here(p, row["institute_id"]) and row["kind"] == "institute":
        return True  # colleagues: their names stand on orders and papers
    if r & {"REC", "IMG"} and here(p, row["reviewer_institute_id"]):
        return True
    return home_inside(p, rows, row["unit_id"])


@of("instrument")
def instrument(p: Principal, row: Row, rows: Rows) -> bool:
    alive = row["state"] not in {"purged", "merged"}
    if alive and ((mine(p, row) and not row["hidden"]) or inside(p, row["use_division"])):
        return True
    if any(f["instrument_id"] == row["id"] and at(p, f) for f in rows["filing"]):
        return True
    if any(i["instrument_id"] == row["id"] and booked_with(p, i) for i in rows["appointment_item"]):
        return True
    return "ANON" in roles(p) and row["state"] == "in_use" and row["last_result"] is not None


@of("filing")
def filing(p: Principal, row: Row, rows: Rows) -> bool:
    on_route = any(here(p, hop["institute"]) for hop in row["route"])
    return mine(p, row) or at(p, row) or on_route or inside(p, row["use_division"])


def booking(p: Principal, row: Row, *not_yet: str) -> bool:
    """`not_yet`: the unit's own affair; then also what the administration has not given to an institute yet."""
    if mine(p, row):
        return True
    linked = "AFF" in roles(p) and p.institute_id is not None and row["institute_id"] == p.institute_id
    institute = (here(p, row["institute_id"]) or linked) and row["state"] not in not_yet
    return institute or (inside(p, row["use_division"]) and row["state"] != not_yet[0])


@of("appointment")
def appointment(p: Principal, row: Row, rows: Rows) -> bool:
    return booking(p, row, "draft", "admin_review")


@of("appointment_item")
def appointment_item(p: Principal, row: Row, rows: Rows) -> bool:
    return booking(p, row, "pending")


@of("slot")
def slot(p: Principal, row: Row, rows: Rows) -> bool:
    if roles(p) & UNIT and p.unit_id is not None:
        return True  # free or full only
    home = next(i["division_code"] for i in rows["institute"] if i["id"] == row["institute_id"])
    ordered = any(o["slot_id"] == row["id"] and booking(p, o, "draft") for o in rows["appointment"])
    return here(p, row["institute_id"]) or inside(p, home) or ("REG" in roles(p) and ordered)


@of("slot_pattern")
def of_own_institute(p: Principal, row: Row, rows: Rows) -> bool:
    return here(p, row["institute_id"])


@of("assignment_rule")
def assignment_rule(p: Principal, row: Row, rows: Rows) -> bool:
    return bool(roles(p) & {"ADM", "REG"}) or here(p, row["institute_id"])


@of("verifier_project")
def verifier_project(p: Principal, row: Row, rows: Rows) -> bool:
    return "ADM" in roles(p) or here(p, row["institute_id"])


@of("appointment_message")
def between_two(p: Principal, row: Row, rows: Rows) -> bool:
    return mine(p, row) or here(p, row["institute_id"])


@of("filing_amendment")
@of("task")
@of("unmatched_record")
def three_sides(p: Principal, row: Row, rows: Rows) -> bool:
    return mine(p, row) or here(p, row["institute_id"]) or inside(p, row["use_division"])


@of("commission")
def commission(p: Principal, row: Row, rows: Rows) -> bool:
    told = row["state"] != "checking"
    return here(p, row["institute_id"]) or (told and (mine(p, row) or inside(p, row["use_division"])))


@of("certificate")
def certificate(p: Principal, row: Row, rows: Rows) -> bool:
    out = row["state"] in PAPER_OUT
    return here(p, row["institute_id"]) or (out and (mine(p, row) or inside(p, row["use_division"])))


@of("attachment")
def attachment(p: Principal, row: Row, rows: Rows) -> bool:
    if own(p, row) or mine(p, row):
        return True
    owner = next((o for o in rows.get(row["owner_type"] or "", []) if o["id"] == row["owner_id"]), None)
    if row["owner_type"] == "instrument":  # whoever works with the instrument at his institute or in his area
        return owner is not None and not roles(p) & UNIT and "ANON" not in roles(p) and instrument(p, owner, rows)
    if row["owner_type"] != "job" and home_inside(p, rows, row["unit_id"]):
        return True
    reviewer = owner.get("reviewer_institute_id") if owner else None
    office = "ADM" in roles(p)
    reviews = (bool(roles(p) & {"REC", "IMG"}) and here(p, reviewer)) or (office and reviewer is None)
    if row["owner_type"] == "account" and owner:
        return reviews and owner["state"] in {"pending", "returned"}
    if row["owner_type"] == "unit_change" and owner:
        return reviews and owner["state"] == "pending"
    return row["owner_type"] == "recovery" and office  # proofs that another administrator entered


@of("import_row")
def import_row(p: Principal, row: Row, rows: Rows) -> bool:
    return any(j["id"] == row["job_id"] and own(p, j) for j in rows["job"])


@of("bulk_line")
def bulk_line(p: Principal, row: Row, rows: Rows) -> bool:
    return any(j["id"] == row["job_id"] and own(p, j) for j in rows["job"])


@of("nozzle")
def nozzle(p: Principal, row: Row, rows: Rows) -> bool:
    seen = any(i["id"] == row["instrument_id"] and instrument(p, i, rows) for i in rows["instrument"])
    return seen and "ANON" not in roles(p)


@of("instrument_transfer")
def instrument_transfer(p: Principal, row: Row, rows: Rows) -> bool:
    receives = bool(roles(p) & UNIT) and p.unit_id is not None and row["receiver_unit_id"] == p.unit_id
    return mine(p, row) or receives or inside(p, row["use_division"])


@of("instrument_merge")
@of("duplicate_dismissal")
@of("column_mapping")
def of_own_unit(p: Principal, row: Row, rows: Rows) -> bool:
    return mine(p, row)


@of("saved_view")
def saved_view(p: Principal, row: Row, rows: Rows) -> bool:
    if own(p, row):
        return True
    colleague = mine(p, row) or here(p, row["institute_id"])
    same_area = "REG" in roles(p) and bool(p.area) and row["area"] == p.area
    return row["shared"] and (colleague or same_area)


@of("reminder")
def reminder(p: Principal, row: Row, rows: Rows) -> bool:
    return mine(p, row) or inside(p, row["use_division"])


@of("transition_log")
def transition_log(p: Principal, row: Row, rows: Rows) -> bool:
    acted = p.account_id is not None and row["actor_id"] == p.account_id
    body = mine(p, row) or here(p, row["institute_id"]) or inside(p, row["use_division"])
    return acted or body or "AUD" in roles(p)


@of("audit_log")
def audit_log(p: Principal, row: Row, rows: Rows) -> bool:
    if roles(p) & {"AUD", "SEC"}:
        return True
    own_line = p.account_id is not None and row["actor_id"] == p.account_id
    return row["action"] == "login" and ("ADM" in roles(p) or own_line)


@of("affiliation")
def affiliation(p: Principal, row: Row, rows: Rows) -> bool:
    r = roles(p)
    if "IND" in r and own(p, row):
        return True
    if "ENT" in r and p.unit_id is not None and row["unit_id"] == p.unit_id:
        return True
    return "IMG" in r and p.institute_id is not None and row["institute_id"] == p.institute_id


@of("unit_contact")
@of("type_approval")
def of_unit(p: Principal, row: Row, rows: Rows) -> bool:
    return mine(p, row) or home_inside(p, rows, row["unit_id"])


@of("unit_change")
def unit_change(p: Principal, row: Row, rows: Rows) -> bool:
    reviews = bool(roles(p) & {"REC", "IMG"}) and here(p, row["reviewer_institute_id"])
    return mine(p, row) or reviews or "ADM" in roles(p)


@of("recovery_request")
@of("development_mail")
def administrators(p: Principal, row: Row, rows: Rows) -> bool:
    return "ADM" in roles(p)


@of("basket_item")
@of("calendar_feed")
@of("idempotency_key")
@of("job")
@of("list_setting")
@of("message")
@of("external_identity")
@of("consent")
def personal(p: Principal, row: Row, rows: Rows) -> bool:
    return own(p, row)


@of("outbox")
def outbox(p: Principal, row: Row, rows: Rows) -> bool:
    return False


@of("web_session")
def web_session(p: Principal, row: Row, rows: Rows) -> bool:
    return row["account_id"] is not None if "SEC" in roles(p) else own(p, row)
