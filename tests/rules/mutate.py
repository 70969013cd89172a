"""`python -m tests.rules.mutate`: damage the scope one piece at a time and see whether the tests notice (ROLES section 6).

The source of app/access/predicates.py and business_predicates.py is changed as a syntax tree in memory: a predicate dropped or closed, a term
widened or taken out, a condition forced, a role left out, a comparison turned round, a state removed. Each mutant is
put in place of the real predicates and the comparison of test_scope_naive.py has to find a cell that differs.
Then the hooks that apply the predicates are damaged by hand.
"""

from __future__ import annotations

import ast
import copy
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import InvalidRequestError

from app.access import business_predicates, predicates, scope
from app.access.scope import SCOPES
from models.base import Model, db
from tests.rules.test_scope_naive import Bench, Broken

NEVER_NULL = "the column is never NULL, so comparing it with nothing finds nothing either"
EQUIVALENT = {
    "within: True → False": "autoescape: an area of digits only has nothing to escape",
    "within: area is None or len(area) not in {2, 4, 6} or (not area.isdecimal()) without not area.isdecimal()": (
        "autoescape: signs that are no digits stand for themselves and begin no code"
    ),
    "unit: p.unit_id is not None and p.has(Role.ENT, Role.SUB, Role.AFF, Role.APPLICANT) without p.unit_id is not None": (
        NEVER_NULL
    ),
    "account: if p.account_id is not None → True": NEVER_NULL,
    "job: always Job.account_id == p.account_id": NEVER_NULL,
    "message: always Message.account_id == p.account_id": NEVER_NULL,
    "external_identity: always ExternalIdentity.account_id == p.account_id": NEVER_NULL,
    "consent: always Consent.account_id == p.account_id": NEVER_NULL,
    "basket_item: always BasketItem.account_id == p.account_id": NEVER_NULL,
    "calendar_feed: always CalendarFeed.account_id == p.account_id": NEVER_NULL,
    "idempotency_key: always IdempotencyKey.account_id == p.account_id": NEVER_NULL,
    "import_row: if p.account_id is None → False": NEVER_NULL,
    "bulk_line: if p.account_id is None → False": NEVER_NULL,
    "list_setting: always ListSetting.account_id == p.account_id": NEVER_NULL,
    "saved_view: if p.account_id is not None → True": NEVER_NULL,
}
"""Changes that change nothing, each with the reason."""
FLIP = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OPPOSITE = {"in_": "not_in", "not_in": "in_", "is_": "is_not", "is_not": "is_"}
SKIPPED = {"table", "scoped"}
MODULES = (predicates, business_predicates)


@dataclass(frozen=True)
class Mutant:
    """A changed module and the functions or constants that the change reaches first."""

    what: str
    touched: str
    tree: ast.Module


def call(name: str) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), [], [])


def variants(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:  # noqa: C901 - one branch per kind of node
    """Every small change of one node: (what, its replacement)."""
    said = ast.unparse(node)
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in {"and_", "or_"} and len(node.args) > 1:
            for n in range(len(node.args)):
                rest = [a for k, a in enumerate(node.args) if k != n]
                yield f"{name}(…) without {ast.unparse(node.args[n])}", ast.Call(node.func, rest, node.keywords)
        if name == "has":
            for n in range(len(node.args)):
                rest = [a for k, a in enumerate(node.args) if k != n]
                new = ast.Call(node.func, rest, []) if rest else ast.Constant(value=False)
                yield f"{said} without {ast.unparse(node.args[n])}", new
        if name == "append":
            for word in ("true", "false"):
                if ast.unparse(node.args[0]) == f"{word}()":
                    continue
                yield f"term {said} → {word}()", ast.Call(node.func, [call(word)], [])
        if name == "where" and len(node.args) > 1:
            for n in range(len(node.args)):
                rest = [a for k, a in enumerate(node.args) if k != n]
                yield f"where(…) without {ast.unparse(node.args[n])}", ast.Call(node.func, rest, [])
        if name in OPPOSITE and isinstance(node.func, ast.Attribute):
            new = copy.deepcopy(node)
            new.func.attr = OPPOSITE[name]
            yield f"{said} turned round", new
        if name == "union" and len(node.args) == 2:
            for n in range(2):
                yield f"union without branch {n + 1}", node.args[1 - n]
    elif isinstance(node, ast.List) and len(node.elts) > 1:
        for n in range(len(node.elts)):
            for word in ("true", "false"):
                elements = [call(word) if k == n else e for k, e in enumerate(node.elts)]
                yield f"term {ast.unparse(node.elts[n])} → {word}()", ast.List(elements, ast.Load())
    elif isinstance(node, ast.AugAssign) and isinstance(node.value, ast.List) and len(node.value.elts) == 1:
        yield f"{said} → true()", ast.AugAssign(node.target, node.op, ast.List([call("true")], ast.Load()))
    elif isinstance(node, ast.If):
        for value in (True, False):
            yield f"if {ast.unparse(node.test)} → {value}", ast.If(ast.Constant(value), node.body, node.orelse)
    elif isinstance(node, ast.IfExp):
        yield f"always {ast.unparse(node.body)}", node.body
        yield f"always {ast.unparse(node.orelse)}", node.orelse
    elif isinstance(node, ast.BoolOp):
        for n in range(len(node.values)):
            rest = [v for k, v in enumerate(node.values) if k != n]
            new = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
            yield f"{said} without {ast.unparse(node.values[n])}", new
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in FLIP:
        yield f"{said} turned round", ast.Compare(node.left, [FLIP[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.Tuple | ast.Set) and len(node.elts) > 1:
        for n in range(len(node.elts)):
            rest = [e for k, e in enumerate(node.elts) if k != n]
            new = ast.Tuple(rest, ast.Load()) if isinstance(node, ast.Tuple) else ast.Set(rest)
            yield f"{said} without {ast.unparse(node.elts[n])}", new
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value} → {not node.value}", ast.Constant(not node.value)


def is_predicate(node: ast.FunctionDef) -> bool:
    return any("scoped" in ast.unparse(d) for d in node.decorator_list)


def source() -> str:
    """Both modules as one, so that a change is loaded with everything that it touches."""
    first, second = (inspect.getsource(module) for module in MODULES)
    joined = ("from __future__", f"from {predicates.__name__} import")
    return first + "\n".join(line for line in second.splitlines() if not line.startswith(joined)) + "\n"


@cache
def mutants() -> tuple[Mutant, ...]:
    """Every mutant of the module, each with a text that says what was done."""
    return tuple(_mutants())


def _mutants() -> Iterator[Mutant]:
    tree = ast.parse(source())
    for number, top in enumerate(tree.body):
        if isinstance(top, ast.FunctionDef) and top.name not in SKIPPED:
            if is_predicate(top) or (top.returns and "ColumnElement" in ast.unparse(top.returns)):
                for word in ("true", "false"):
                    new = copy.deepcopy(top)
                    new.body = [ast.Return(call(word))]
                    if ast.unparse(new) != ast.unparse(top):
                        yield Mutant(f"{top.name}: whole predicate → {word}()", top.name, put(tree, number, new))
            yield from _inside(tree, number, top, top.name, top.body)
        elif isinstance(top, ast.Assign) and isinstance(top.value, ast.Tuple):
            name = ast.unparse(top.targets[0])
            yield from _inside(tree, number, top, name, [top.value])


def _inside(tree: ast.Module, number: int, top: ast.stmt, name: str, parts: list[Any]) -> Iterator[Mutant]:
    nodes = list(ast.walk(top))
    wanted = {id(n) for part in parts for n in ast.walk(part)}
    for place, node in enumerate(nodes):
        if id(node) not in wanted or _is_annotation(node, nodes):
            continue
        for what, new in variants(node):
            twin = copy.deepcopy(top)
            old = list(ast.walk(twin))[place]
            yield Mutant(f"{name}: {what}", name, put(tree, number, _Put(old, new).visit(twin)))


def put(tree: ast.Module, number: int, new: ast.stmt) -> ast.Module:
    """The module with another statement in one place; the others are shared, copying them so often takes a minute."""
    body = [*tree.body[:number], ast.fix_missing_locations(new), *tree.body[number + 1 :]]
    return ast.Module(body=body, type_ignores=[])


def _is_annotation(node: ast.AST, nodes: list[ast.AST]) -> bool:
    """`list[ColumnElement[bool]]` and the like decide nothing."""
    notes = [n.annotation for n in nodes if isinstance(n, ast.AnnAssign | ast.arg) and n.annotation]
    return any(node is inner for note in notes for inner in ast.walk(note))


class _Put(ast.NodeTransformer):
    """Put one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return copy.deepcopy(self.new) if node is self.old else self.generic_visit(node)


def reach() -> dict[str, set[type[Model]]]:
    """Function or constant → the models whose predicates use it, directly or through others."""
    tree = ast.parse(source())
    uses: dict[str, set[str]] = {}
    for top in tree.body:
        if isinstance(top, ast.FunctionDef):
            uses[top.name] = {n.id for n in ast.walk(top) if isinstance(n, ast.Name)}
    models = {p.__name__: {m} for m, p in SCOPES.items() if p.__module__ in {m.__name__ for m in MODULES}}
    names = set(uses) | {ast.unparse(t.targets[0]) for t in tree.body if isinstance(t, ast.Assign)}
    found = {name: set(models.get(name, set())) for name in names}
    for _round in range(5):
        for user, used in uses.items():
            for name in used & names:
                found[name] |= found[user]
    return found


def put_in_place(mutant: Mutant) -> None:
    """Register the mutant's predicates; raises when the changed module does not even load."""
    text = compile(mutant.tree, "mutant", "exec")
    exec(text, {"__name__": "mutant"})
    scope._options.cache_clear()


def by_hand() -> dict[str, tuple[list[type[Model]], Callable[[], Callable[[], None]]]]:
    """Damage to the hooks: name → (the models it can show on, do it, giving back the way to undo it)."""
    session_class = type(db.session())

    def unhook(name: str, hook: Any) -> Callable[[], Callable[[], None]]:
        def damage() -> Callable[[], None]:
            classes = [c for c in session_class.__mro__ if isinstance(c, type) and _listens(c, name, hook)]
            for c in classes:
                event.remove(c, name, hook)
            return lambda: [event.listen(c, name, hook) for c in classes]  # type: ignore[func-returns-value,return-value]

        return damage

    def forget(model: type[Model]) -> Callable[[], Callable[[], None]]:
        def damage() -> Callable[[], None]:
            kept = SCOPES.pop(model)
            scope._options.cache_clear()

            def undo() -> None:
                SCOPES[model] = kept
                scope._options.cache_clear()

            return undo

        return damage

    found = {f"{m.__name__} is not registered": ([m], forget(m)) for m in list(SCOPES)}
    return {"queries are not restricted": (list(SCOPES), unhook("do_orm_execute", scope._restrict)), **found}


def _listens(cls: type, name: str, hook: Any) -> bool:
    try:
        return event.contains(cls, name, hook)
    except InvalidRequestError:
        return False


def run(session: Any, world: Any, only: Callable[[Mutant], bool] = lambda _m: True) -> tuple[int, list[str]]:
    """(mutants tried, survivors)."""
    whole, reached = dict(SCOPES), reach()
    bench = Bench(session, world)
    assert bench.first_difference(list(SCOPES)) is None
    tried, alive = 0, []
    for mutant in mutants():
        if mutant.what in EQUIVALENT or not only(mutant):
            continue
        tried += 1
        try:
            put_in_place(mutant)
            models = [m for m in whole if m in reached[mutant.touched]]
            if bench.first_difference(models) is None:
                alive.append(mutant.what)
        except (Broken, NameError, SyntaxError, TypeError, ValueError):
            pass  # noticed by an error
        finally:
            SCOPES.clear()
            SCOPES.update(whole)
            scope._options.cache_clear()
    for name, (models, damage) in by_hand().items():
        tried += 1
        undo = damage()
        try:
            if bench.first_difference(models, how="by_session") is None:
                alive.append(name)
        except Broken:
            pass
        finally:
            undo()
    assert bench.first_difference(list(SCOPES)) is None, "everything is back in its place"
    return tried, alive


def test_every_mutant_is_noticed(app, world):
    with app.app_context():
        tried, alive = run(db.session(), world)
        db.session.rollback()
        db.session.remove()
    print(f"\nmutants {tried}, killed {tried - len(alive)}, survivors {len(alive)}")
    print("\n".join(f"  {a}" for a in alive))
    assert alive == []


if __name__ == "__main__":
    sys.exit(pytest.main(["-q", "-s", "-p", "no:cacheprovider", f"{__file__}::test_every_mutant_is_noticed"]))
