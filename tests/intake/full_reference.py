"""The whole catalogue and all divisions, from the files the platform ships."""

import csv
from functools import lru_cache
from pathlib import Path

from app.intake.reference import CategoryRef, DivisionRef, ReferenceTables

FOLDER = Path(__file__).parents[2] / "app" / "reference"


def _rows(name):
    with (FOLDER / name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


@lru_cache(maxsize=1)
def full_reference():
    categories = {
        (row["level1"], row["level2"]): CategoryRef(
            number,
            row["level1"],
            row["level2"],
            row["code"],
            "V" in row["supervision"],
            row["level1"] in ("加油机", "加气机"),
            row["typical_use"],
        )
        for number, row in enumerate(_rows("catalogue.csv"), 1)
    }
    categories["非强检", "非强检"] = CategoryRef(900, "非强检", "非强检", "990000")
    rows = [*_rows("divisions.csv"), *_rows("divisions_functional_zones.csv")]
    parents = {row["parent_code"] for row in rows}
    divisions = {
        row["code"]: DivisionRef(row["code"], row["name"], row["level"], row["code"] in parents) for row in rows
    }
    return ReferenceTables(categories, divisions)
