"""Rules that hold for the source: who may lift the scope, how long a file is, which words never stand in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("app", "models", "views", "jobs", "migrations", "tests", "bench")
LIFTS_SCOPE = {
    # only numbers leave it: how many instruments a new warning day would move
    "app/operations/band_changes.py",
    # the scope itself, and what decides it
    "app/access/scope.py",
    "app/access/sessions.py",
    "app/access/load.py",
    "app/access/audit.py",
    "app/access/tokens.py",
    # the engine: rows are scoped by `lock`, consequences are not the person's choice
    "app/workflow/engine.py",
    "app/workflow/account.py",
    "app/workflow/affiliation.py",
    "app/workflow/appointment_rules.py",
    "app/workflow/assigning.py",
    "app/workflow/authorisation.py",
    "app/workflow/certificate.py",
    "app/workflow/commission_rules.py",
    "app/workflow/unmatched.py",
    "app/workflow/filing.py",
    "app/workflow/item.py",
    "app/workflow/subjects.py",
    "app/workflow/transfer.py",
    "app/workflow/live.py",
    "app/workflow/notices.py",
    "app/workflow/recipients.py",
    "app/workflow/slots.py",
    "app/workflow/unit_change.py",
    # uniqueness over all accounts; a job that nobody has picked up; one instrument's history after its scope was checked
    "app/operations/account.py",
    # the body that a person asks to be linked to, and whether a new code is free, are questions beyond the own scope
    "app/operations/affiliation.py",
    "app/operations/unit_master.py",
    "app/operations/logins.py",
    "app/operations/registration_rules.py",
    "app/operations/job.py",
    "app/operations/history.py",
    "app/operations/journal.py",
    "app/operations/journal_words.py",
    # what a row was before a write that no step made; rows that are one instrument
    "app/workflow/journal.py",
    "app/workflow/merged.py",
    "app/operations/merge.py",
    # whether another unit has the same instrument (duplicate_scope = system); pictures that are published for everybody
    "app/operations/instrument.py",
    "app/operations/import_rivals.py",
    "app/operations/category_rules.py",
}
SYSTEM_IN_VIEWS = {
    # commands belong to the operator; /healthz speaks for the platform
    "views/cli/system.py",
    "views/cli/walk.py",
    "views/cli/data.py",
    "views/cli/people.py",
    "views/cli/demo.py",
    "views/cli/personal.py",
    "views/health.py",
}
BARE_TABLES = {
    "app/access/predicates.py",
    "app/operations/public.py",
    "app/operations/units_without_contact.py",  # whether anybody acts for a unit, and nothing about him
    "app/operations/ledger_import.py",  # the checkpoint of a chunk: rows of a job that scope has given, by key
}


def sources(*folders: str) -> list[tuple[str, str]]:
    files = [p for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))]
    files += [ROOT / "run.py", ROOT / "config.py"]
    return [(p.relative_to(ROOT).as_posix(), p.read_text(encoding="utf-8")) for p in files]


def test_who_lifts_the_scope():
    lifting = {name for name, text in sources("app", "models", "views", "jobs") if re.search(r"\bunscoped\b", text)}
    assert lifting - LIFTS_SCOPE == set(), "只有访问层和流程引擎可以越过数据范围"
    assert LIFTS_SCOPE - lifting == set(), "the list is longer than needed"


def test_views_act_as_people():
    acting = {name for name, text in sources("views") if "as_system" in text}
    assert acting - SYSTEM_IN_VIEWS == set()


def test_bare_tables_only_where_the_scope_is_made():
    bare = {name for name, text in sources("app", "views", "jobs") if "__table__" in text}
    assert bare - BARE_TABLES == set()


def test_no_state_is_written_by_sql():
    """`update(Model).values(state=…)` would pass by the engine; jobs are not workflow rows."""
    allowed = {"app/operations/ledger_import.py", "app/operations/job.py"}
    for name, text in sources("app", "views", "jobs"):
        for call in (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "values" and name not in allowed:
                assert "state" not in {k.arg for k in call.keywords}, f"{name}:{call.lineno}"


def test_no_file_is_too_long():
    long = {
        name: lines
        for name, text in sources(*CODE)
        if (lines := text.count("\n")) > 500 and not name.startswith("migrations/versions/0001")
    }
    assert long == {}


def test_nothing_is_left_to_do():
    word = re.compile("TO" + "DO|FIX" + "ME")
    assert [name for name, text in sources(*CODE) if word.search(text)] == []


def test_nothing_is_pickled():
    for name, text in sources("app", "models", "views", "jobs"):
        names = {a.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import) for a in n.names}
        assert "pickle" not in names, name


def test_only_one_place_reads_the_clock():
    """Tests and `--on` set the clock; what asks elsewhere would not hear them."""
    allowed = {"app/clock.py"}
    asking = {
        name
        for name, text in sources("app", "views", "jobs")
        if re.search(r"\b(datetime\.now|date\.today|datetime\.utcnow)\(", text) and not name.startswith("app/embedded")
    }
    assert asking - allowed == set()


def test_every_module_says_what_it_is_for():
    silent = [
        name
        for name, text in sources("app", "models", "views", "jobs")
        if text.strip() and not ast.get_docstring(ast.parse(text))
    ]
    assert silent == []
