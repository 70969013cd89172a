"""The scope computed twice: by the predicates in SQL and by plain Python over all rows. Both must agree for everybody.

`python -m tests.rules.mutate` changes the predicates one piece at a time and asks this comparison whether it notices.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from app.access import business_predicates, predicates
from app.access.principal import Principal, acting_as, as_system
from app.access.scope import SCOPES, ScopeError, predicate
from models import Institute, Instrument, Unit
from models.base import Model, db
from models.enums import Role
from tests.rules import leaks, naive, wide

assert predicates
assert business_predicates
AREAS = (
    None,
    "",
    "4",
    "44",
    "440",
    "4401",
    "44010",
    "440103",
    "4401030",
    "4403",
    "1",
    "%%",
    "__",
    "44_1",
    "4401%",
    "４４",
)


def principals(world: Any, floor: wide.Floor) -> dict[str, Principal]:
    """Everybody of the world; each role alone with every body and place at once, and with none; odd areas."""
    found = dict(leaks.principals(world))
    for number, role in enumerate(Role):
        if role is Role.SYS:
            continue
        every = Principal(
            floor.accounts[-1 - number],
            "全",
            frozenset({role}),
            unit_id=world.units["ua1"],
            institute_id=world.institutes["A"],
            institute_level="city",
            institute_area="4401",
            area="4401",
        )
        found[f"{role.value} everywhere"] = every
        found[f"{role.value} nowhere"] = Principal(None, "无", frozenset({role}))
        linked = Principal(floor.accounts[-1 - number], "联", frozenset({role}), institute_id=world.institutes["B"])
        found[f"{role.value} at B"] = linked
    for area in AREAS:
        found[f"area {area!r}"] = Principal(None, "区", frozenset({Role.REG}), area=area)
    found["nobody's roles"] = Principal(floor.accounts[-20], "空", frozenset(), unit_id=world.units["ub1"])
    found["IND+AFF"] = Principal(
        floor.accounts[-21], "联", frozenset({Role.IND, Role.AFF}), institute_id=floor.institutes[1]
    )
    return found


class Bench:
    """All rows and everybody: gives both computations of one cell."""

    def __init__(self, session: Any, world: Any) -> None:
        self.session = session
        with as_system("the second computation reads everything"):
            floor = wide.lay(session, world)
            self.people = principals(world, floor)
            self.rows: naive.Rows = {}
            for model in (*SCOPES, Institute):
                self.rows[model.__tablename__] = self.read(model)
                if not self.rows[model.__tablename__]:
                    wide.fill_new(floor, model)
                    self.rows[model.__tablename__] = self.read(model)
        self.known: dict[tuple[str, str], set[Any]] = {}

    def read(self, model: type[Model]) -> list[naive.Row]:
        return [dict(r._mapping) for r in self.session.execute(select(model.__table__))]

    def wanted(self, nick: str, model: type[Model]) -> set[Any]:
        """Keys by plain Python."""
        name = model.__tablename__
        if (nick, name) not in self.known:
            keys = [c.name for c in model.__table__.primary_key.columns]
            person, sees = self.people[nick], naive.SEES[name]
            rows = (r for r in self.rows[name] if sees(person, r, self.rows))
            self.known[nick, name] = {tuple(r[k] for k in keys) for r in rows}
        return self.known[nick, name]

    def by_predicate(self, nick: str, model: type[Model]) -> set[Any]:
        """Keys by the predicate itself."""
        keys = list(model.__table__.primary_key.columns)
        statement = select(*keys).select_from(model).where(predicate(model, self.people[nick]))
        return {tuple(r) for r in self.session.execute(statement.execution_options(unscoped=True))}

    def by_session(self, nick: str, model: type[Model]) -> set[Any]:
        """Keys as any page gets them: an ordinary select while the person acts."""
        keys = [getattr(model, c.key) for c in model.__mapper__.primary_key]
        with acting_as(self.people[nick]):
            return {tuple(r) for r in self.session.execute(select(*keys))}

    def first_difference(self, models: Any, *, how: str = "by_predicate") -> str | None:
        """Which cell the two computations disagree on, or None."""
        try:
            with self.session.begin_nested():
                return self._look(models, how)
        except Exception as error:  # a predicate that breaks is noticed as well
            raise Broken(str(error)[:200]) from error

    def _look(self, models: Any, how: str) -> str | None:
        for model in models:
            for nick in self.people:
                got, wanted = getattr(self, how)(nick, model), self.wanted(nick, model)
                if got != wanted:
                    more, less = len(got - wanted), len(wanted - got)
                    return f"{nick} × {model.__name__}: {more} too many, {less} missing"
        return None


class Broken(RuntimeError):
    """A predicate raised; the rows are still there, by a savepoint."""


@pytest.fixture(scope="module")
def bench(app, world):
    with app.app_context():
        made = Bench(db.session(), world)
        yield made
        db.session.rollback()
        db.session.remove()


def test_every_scoped_model_has_its_line(bench):
    assert {m.__tablename__ for m in SCOPES} == set(naive.SEES)
    empty = [name for name, rows in bench.rows.items() if not rows]
    assert empty == [], "nothing is shown by a table without rows"


@pytest.mark.parametrize("how", ["by_predicate", "by_session"])
def test_both_computations_agree(bench, how):
    for model in SCOPES:
        assert bench.first_difference([model], how=how) is None
    print(f"{len(bench.people)} people × {len(SCOPES)} models, {sum(map(len, bench.rows.values()))} rows")


def test_each_model_is_hidden_from_somebody_and_shown_to_somebody(bench):
    """A comparison in which everybody sees everything, or nobody anything, would show nothing."""
    for model in SCOPES:
        sizes = {len(bench.wanted(nick, model)) for nick in bench.people}
        assert min(sizes) == 0, model
        assert model.__tablename__ == "outbox" or max(sizes) > 0, model


@pytest.mark.must_never(57)
def test_an_area_is_an_exact_prefix_of_two_four_or_six_digits(bench):
    """Case 57: no wildcard, no odd length, nothing but digits."""
    for area in AREAS:
        seen = bench.by_session(f"area {area!r}", Instrument)
        codes = {r["use_division"] for r in bench.rows["instrument"] if (r["id"],) in seen}
        if area in {"44", "4401", "440103", "4403"}:
            assert codes
            assert all(c.startswith(area) for c in codes)
        else:
            assert codes == set(), area


def test_counts_and_relations_pass_through_the_same_scope(bench):
    """S-3: what is counted is what is seen."""
    from sqlalchemy import func

    for nick in ("ua1", "recA", "regA1", "ub1"):
        with acting_as(bench.people[nick]):
            count = bench.session.scalar(select(func.count()).select_from(Instrument))
            inner = bench.session.scalar(select(func.count()).select_from(select(Instrument.id).subquery()))
        assert count == inner == len(bench.wanted(nick, Instrument)), nick


def test_a_row_out_of_scope_is_not_written(bench):
    """The flush check is a second fence behind the queries."""
    session = bench.session
    hidden = next(r["id"] for r in bench.rows["unit"] if (r["id"],) not in bench.wanted("recA1", Unit))
    with as_system("load a foreign row"):
        foreign = session.get(Unit, hidden)
    with acting_as(bench.people["recA1"]):
        foreign.address = "别处"
        with pytest.raises(ScopeError):
            session.flush()
    session.expire(foreign)
