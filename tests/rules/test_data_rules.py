"""Rules that hold for every table: sentences of constraints, scopes, labels of closed lists."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import pytest
from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text

from app.access import business_predicates, predicates
from app.access.constraints import IN_USE, MISSING, SENTENCES, sentence_for
from app.access.principal import ANONYMOUS
from app.access.scope import SCOPES, predicate
from models import enums
from models.base import Model, metadata

assert predicates
assert business_predicates
CHINESE = re.compile("[一-鿿]")
OWN = {name: table for name, table in metadata.tables.items() if not name.startswith("ab_")}
REFERENCE = {
    "division",
    "category",
    "calendar_exception",
    "category_rule",
    "regulation",
    "institute",
    "institute_capability",
    # what the deployment says of itself: settings decide every request, texts and files are public
    "profile_setting",
    "site_text",
    "site_file",
}
"""Everybody may read them."""
INTERNAL = {"verification_code", "captcha", "number_counter", "beat", "institute_instrument"}
"""No page shows them; only the code that owns them reads them."""
PUBLISHED = {"profile_setting", "site_text", "site_file"}
"""What the platform says of itself: read by everybody through its pages, written on the administrator's only."""


def named_in_models() -> set[str]:
    found = set()
    for table in OWN.values():
        for constraint in table.constraints:
            if isinstance(constraint, (CheckConstraint, UniqueConstraint)) and constraint.name:
                found.add(str(constraint.name))
        found |= {str(i.name) for i in table.indexes if i.unique}
    return found


def test_models_and_sentences_are_the_same_set():
    assert named_in_models() - set(SENTENCES) == set(), "数据库约束没有对应的中文说明"
    assert set(SENTENCES) - named_in_models() == set(), "说明对应的约束已不存在"


def test_the_database_has_exactly_these_constraints(session):
    rows = session.execute(
        text(
            "SELECT c.conname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n "
            "ON n.oid = t.relnamespace WHERE n.nspname = 'public' AND c.contype IN ('c', 'u') AND t.relname !~ '^ab_' "
            "UNION SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t "
            "ON t.oid = x.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace "
            "WHERE n.nspname = 'public' AND x.indisunique AND NOT x.indisprimary AND t.relname !~ '^ab_'"
        )
    )
    assert {name for (name,) in rows} == set(SENTENCES)


def test_sentences_are_chinese_and_say_something():
    for name, sentence in {**SENTENCES, "a": IN_USE, "b": MISSING}.items():
        assert re.search(r"[一-鿿]{4}", sentence), name
        assert sentence.endswith("。"), name
        assert not set("！!") & set(sentence), name
    assert sentence_for("fk_instrument_unit_id") == MISSING
    assert sentence_for("nonsense") is None


def test_every_table_is_scoped_or_says_why_not():
    scoped = {model.__tablename__ for model in SCOPES}
    tables = {m.class_.__tablename__ for m in Model.registry.mappers if not m.class_.__tablename__.startswith("ab_")}
    assert tables - scoped == REFERENCE | INTERNAL | PUBLISHED
    assert scoped & (REFERENCE | INTERNAL | PUBLISHED) == set()


def test_nobody_sees_nothing():
    for model in SCOPES:
        assert str(predicate(model, None)) == "false"
        sql = str(predicate(model, ANONYMOUS).compile(compile_kwargs={"literal_binds": True}))
        if model.__tablename__ != "instrument":
            assert sql == "false", f"the public would see {model.__tablename__}: {sql}"


CLOSED_LISTS = [
    e for _n, e in inspect.getmembers(enums, inspect.isclass) if issubclass(e, StrEnum) and e is not StrEnum
]


@pytest.mark.parametrize("members", CLOSED_LISTS, ids=lambda e: e.__name__)
def test_every_member_of_a_closed_list_has_a_chinese_word(members):
    words = _words()
    missing = [m.value for m in members if not _word(words, members, m)]
    assert missing == [], f"{members.__name__} 没有中文名称：{missing}"


IN_A_SENTENCE = {
    # two words that stand in conditions, not in a table: 合格 or 不合格, 检定证书 or 检定结果通知书
    enums.Conclusion: {"pass": "合格", "fail": "不合格"},
    enums.CertificateKind: {"certificate": "检定证书", "rejection": "检定结果通知书"},
}


@lru_cache(maxsize=1)
def _words() -> dict:
    """Closed list → value → word: from the registries, and from every literal table in the source."""
    from app.access.roles import LABELS as ROLES
    from app.intake.fields import DELIVERY_MODES, ORIGINS, PURPOSES
    from app.workflow import REGISTRY

    found: dict = {enums.Role: {r.value: str(w) for r, w in ROLES.items()}, **IN_A_SENTENCE}
    for machine in REGISTRY.values():
        found[machine.states] = {s.value: str(w) for s, w in machine.labels.items()}
    for members, choices in ((enums.Purpose, PURPOSES), (enums.DeliveryMode, DELIVERY_MODES), (enums.Origin, ORIGINS)):
        found[members] = {c.value: c.label for c in choices}
    tables = [t for folder in ("app", "views") for f in sorted(Path(folder).rglob("*.py")) for t in _tables(f)]
    for members in CLOSED_LISTS:
        values = {m.value for m in members}
        fitting = (t for t in tables if values <= set(t) and all(CHINESE.search(t[v]) for v in values))
        found.setdefault(members, next(fitting, {}))
    return found


def _tables(file: Path) -> Iterator[dict[str, str]]:
    """Literal dicts as value → the text in it; `Enum.MEMBER` as a key means the member's value."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict):
            pairs = ((_key(k), v) for k, v in zip(node.keys, node.values, strict=True))
            yield {
                k: "".join(c.value for c in ast.walk(v) if isinstance(c, ast.Constant) and isinstance(c.value, str))
                for k, v in pairs
                if k
            }


def _key(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        member = getattr(getattr(enums, node.value.id, None), node.attr, None)
        return str(member) if member else None
    return None


def _word(words: dict, members: type[StrEnum], member: StrEnum) -> str:
    word = words.get(members, {}).get(member.value, "")
    return word if CHINESE.search(word) else ""


def test_indexes_of_expressions_are_in_a_migration():
    """Autogenerate cannot compare them, so the migrations' lists and the models' are held equal here."""
    listed: set[str] = set()
    for path in sorted(Path("migrations/versions").glob("*.py")):
        file = importlib.util.spec_from_file_location(f"m{path.stem}", path)
        module = importlib.util.module_from_spec(file)
        file.loader.exec_module(module)
        listed |= set(getattr(module, "INDEXES", {}))
    written = {
        str(i.name)
        for t in OWN.values()
        for i in t.indexes
        if isinstance(i, Index) and any(getattr(e, "__visit_name__", "") == "textclause" for e in i.expressions)
    }
    assert written == listed
