"""Loading the reference tables from the CSV files beside this module."""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.outbox import Beat
from models.reference import CalendarException, Category, CategoryRule, Division

FOLDER = Path(__file__).parent
STREETS = "divisions_streets.csv.gz"
RULES = "category_rules.csv"
FILES = ("divisions.csv", "divisions_functional_zones.csv", "catalogue.csv", "calendar.csv", RULES, STREETS)
STREET = "street"
"""Level of the 41,352 乡镇街道: for addresses alone. Places of use, areas and institutes end at the county."""


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as handle:
        yield from csv.DictReader(handle)


def fingerprint() -> str:
    """Changes whenever one of the files does."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update((FOLDER / name).read_bytes())
    return f"reference-{digest.hexdigest()[:16]}"


def divisions() -> list[dict[str, Any]]:
    """Provinces, cities, counties and functional zones; `has_children` decides whether a city is a place of use."""
    rows = [*_rows("divisions.csv"), *_rows("divisions_functional_zones.csv")]
    parents = {row["parent_code"] for row in rows}
    return [
        {
            "code": row["code"],
            "name": row["name"],
            "parent_code": row["parent_code"] or None,
            "level": row["level"],
            "has_children": row["code"] in parents,
        }
        for row in rows
    ]


def streets() -> dict[str, list[str]]:
    """乡镇街道 as columns: codes of 9 digits, names, codes of their counties."""
    with gzip.open(FOLDER / STREETS, "rt", encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    return {
        "codes": [row["code"] for row in rows],
        "names": [row["name"] for row in rows],
        "parents": [row["parent_code"] for row in rows],
    }


def categories() -> list[dict[str, Any]]:
    """The mandatory catalogue (公告 2020 No. 42)."""
    return [
        {
            "code": row["code"],
            "level1": row["level1"],
            "level2": row["level2"],
            "supervision": row["supervision"],
            "verification_mode": row["verification_mode"],
            "scope_text": row["scope"],
            "cycle_months": int(row["cycle_months"]) if row["cycle_months"] else None,
            "typical_use": row["typical_use"],
            "valid": True,
        }
        for row in _rows("catalogue.csv")
    ]


def beside_the_catalogue() -> list[dict[str, Any]]:
    """未分类 and 非强检: what a ledger may hold though the catalogue has no line for it; never offered, so not valid."""
    same = {"verification_mode": "", "scope_text": "", "cycle_months": None, "typical_use": "", "valid": False}
    return [
        {"code": "990000", "level1": "非强检", "level2": "非强检", "supervision": "", **same},
        {"code": "990001", "level1": "未分类", "level2": "未分类", "supervision": "V", **same},
    ]


def category_rules() -> list[dict[str, Any]]:
    """五类内容填写 (manual 003): what it says of each name; administrators edit the rows afterwards."""
    return [{**row, "position": int(row["position"]), "blocking": row["blocking"] == "1"} for row in _rows(RULES)]


def calendar() -> list[dict[str, Any]]:
    """Announced exceptions to Monday to Friday."""
    return [
        {"day": date.fromisoformat(row["date"]), "kind": row["kind"], "holiday": row["holiday"]}
        for row in _rows("calendar.csv")
    ]


# Arrays travel in one statement; forty thousand rows of an INSERT would each be bound and compiled.
PUT_STREETS = text(
    "INSERT INTO division (code, name, parent_code, level, has_children) "
    f"SELECT code, name, parent, '{STREET}', false "
    "FROM unnest(CAST(:codes AS text[]), CAST(:names AS text[]), CAST(:parents AS text[])) AS s (code, name, parent) "
    "ON CONFLICT (code) DO UPDATE SET name = excluded.name, parent_code = excluded.parent_code "
    "WHERE (division.name, division.parent_code) IS DISTINCT FROM (excluded.name, excluded.parent_code)"
)


def load(session: Session, *, force: bool = False) -> bool:
    """Bring the tables up to the files; returns False when nothing had changed. Administrators' own rows stay."""
    mark = fingerprint()
    if not force and session.scalar(select(Beat.name).where(Beat.name == mark)):
        return False
    _upsert(session, Division, divisions(), "code")
    session.execute(PUT_STREETS, streets())
    # an administrator may have retired a category since: `valid` is not overwritten
    _upsert(session, Category, categories(), "code", keep=("valid",))
    _upsert(session, Category, beside_the_catalogue(), "code")
    # what an administrator made of a rule stays
    session.execute(insert(CategoryRule).on_conflict_do_nothing(index_elements=["position"]), category_rules())
    _upsert(session, CalendarException, calendar(), "day")
    session.execute(insert(Beat).values(name=mark).on_conflict_do_nothing())
    session.execute(text("ANALYZE division"))
    return True


def _upsert(
    session: Session, model: type[Any], rows: list[dict[str, Any]], key: str, keep: tuple[str, ...] = ()
) -> None:
    statement = insert(model)
    changed = {name: statement.excluded[name] for name in rows[0] if name != key and name not in keep}
    session.execute(statement.on_conflict_do_update(index_elements=[key], set_=changed), rows)
