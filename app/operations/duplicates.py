"""Pairs of a unit's rows that may be one instrument, with reasons and a score (BEYOND 16).

Rows meet only inside blocks (same folded number, same code, same own number and model, same name, model and place), so
that twenty thousand rows take seconds. Points are for and against; only equal numbers of one maker are ever "sure".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, selectinload

from app.access.audit import audit
from app.access.principal import Principal
from app.errors import InvalidInputError, NotVisibleError, SwitchedOffError
from app.operations.numbers import fold
from app.operations.quality_rules import PLACEHOLDER
from app.profiles import switch_on
from models.duplicate_dismissal import DuplicateDismissal
from models.enums import InstrumentState
from models.instrument import Instrument

S = InstrumentState
MERGEABLE = (S.IN_USE, S.SUSPENDED, S.UNFILED)
SURE, LIKELY, POSSIBLE = 80, 60, 40
LEVELS = {"sure": "基本确定", "likely": "很可能", "possible": "可能"}
BLOCK = 30
"""Rows that share a key beyond this many are a kind of instrument, not one instrument."""
COLUMNS = ["id", "state", "name", "model", "serial_no", "own_no", "manufacturer", "place", "category_id", "code"]
GUN = re.compile(r"[(\s_#-]*0*(\d{1,2})\s*(?:号?枪|#)\)?$")
LEGAL = re.compile(
    r"(?:股份|集团|有限|责任|公司|科技|技术|实业|工业|制造|仪器仪表|仪器|仪表|衡器|设备|总厂|厂|省|市|区|县)"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rows by id (the older first), how sure (0–100), the level's key and the reasons in words."""

    a: int
    b: int
    score: int
    level: str
    reasons: tuple[str, ...]


def canon(serial: str) -> tuple[str, int | None]:
    """(number without noise, gun): AA1907(1枪), AA1907-1枪, AA1907 01号枪 and AAI907#1# are one."""
    plain = unicodedata.normalize("NFKC", serial or "").strip()
    found = GUN.search(plain)
    if found is None or found.start() == 0:
        return fold(plain), None
    return fold(plain[: found.start()]), int(found.group(1))


def maker_core(maker: str) -> str:
    """The telling part of a maker's name: 上海大华电子秤厂 and 上海大华电子秤厂有限公司 are one."""
    plain = "".join(unicodedata.normalize("NFKC", maker or "").casefold().split())
    return LEGAL.sub("", plain) or plain


@dataclass(frozen=True, slots=True)
class _Row:
    """A row folded once for all comparisons."""

    id: int
    serial: str
    gun: int | None
    maker: str
    model: str
    name: str
    own: str
    place: str
    category: int
    code: str


def _folded(row: Any) -> _Row:
    serial, gun = canon(row.serial_no)
    if PLACEHOLDER.fullmatch(row.serial_no or "") or len(set(serial)) < 2:
        serial = ""
    model, name, own, place = (fold(getattr(row, key) or "") for key in ("model", "name", "own_no", "place"))
    maker = maker_core(row.manufacturer)
    return _Row(row.id, serial, gun, maker, model, name, own, place, row.category_id, row.code or "")


def _keys(row: _Row) -> Iterator[tuple[str, ...]]:
    if row.serial:
        yield "number", row.serial, str(row.gun or "")
    if row.code:
        yield "code", row.code
    if row.own:
        yield "own", row.own, row.model
    if row.model and row.place:
        yield "place", row.name, row.model, row.place


def pairs_among(rows: Iterable[Any]) -> list[Pair]:
    """Every suspicious pair of the rows (columns of COLUMNS), the surest first."""
    blocks: dict[tuple[str, ...], list[_Row]] = {}
    for row in map(_folded, rows):
        for key in _keys(row):
            blocks.setdefault(key, []).append(row)
    seen: dict[tuple[int, int], Pair] = {}
    for members in blocks.values():
        if len(members) <= BLOCK:
            for one, other in combinations(members, 2):
                ids = (min(one.id, other.id), max(one.id, other.id))
                if ids not in seen and (pair := _judge(ids, one, other)) is not None:
                    seen[ids] = pair
    return sorted(seen.values(), key=lambda pair: (-pair.score, pair.a, pair.b))


def _judge(ids: tuple[int, int], one: _Row, other: _Row) -> Pair | None:
    points, reasons = _points(one, other)
    same_number = bool(one.serial) and (one.serial, one.gun) == (other.serial, other.gun)
    apart = bool(one.own and other.own and one.own != other.own) or bool(
        one.model and other.model and one.model != other.model
    )
    if not same_number or not _same_maker(one, other) or apart or len(one.serial) < 4:
        points = min(points, SURE - 1)
    if points < POSSIBLE:
        return None
    score = min(points, 100)
    level = "sure" if score >= SURE else "likely" if score >= LIKELY else "possible"
    return Pair(*ids, score, level, tuple(reasons))


def _points(one: _Row, other: _Row) -> tuple[int, list[str]]:
    points, reasons = 0, []
    for test, gain, loss, word in (
        (_number(one, other), 50, -25, "出厂编号相同（不计大小写、连字符、O与0、I与1及枪号写法）"),
        (_maker(one, other), 25, -30, "生产厂家相同"),
        (one.category == other.category, 8, -20, "二级目录相同"),
        (_agree(one.model, other.model), 12, -12, "型号规格相同"),
        (_agree(one.own, other.own), 15, -12, "自编号相同"),
        (_agree(one.place, other.place), 8, 0, "安装/使用地点相同"),
        (_agree(one.code, other.code), 60, -20, "计量器具编码相同"),
    ):
        if test is None:
            continue
        points += gain if test else loss
        reasons += [word] if test else []
    return points, reasons


def _number(one: _Row, other: _Row) -> bool | None:
    if not one.serial or not other.serial:
        return None
    return (one.serial, one.gun) == (other.serial, other.gun)


def _maker(one: _Row, other: _Row) -> bool | None:
    return None if not one.maker or not other.maker else _same_maker(one, other)


def _same_maker(one: _Row, other: _Row) -> bool:
    """Equal, or one name inside the other: plates and papers shorten makers differently."""
    short, long = sorted((one.maker, other.maker), key=len)
    return len(short) >= 2 and short in long


def _agree(one: str, other: str) -> bool | None:
    return None if not one or not other else one == other


def candidates(session: Session, unit_id: int) -> list[Pair]:
    """The suspicious pairs of a unit's rows that nobody has told apart, through the principal's scope."""
    statement = select(*(getattr(Instrument, key) for key in COLUMNS)).where(
        Instrument.unit_id == unit_id, Instrument.state.in_(MERGEABLE)
    )
    told = select(DuplicateDismissal.first_id, DuplicateDismissal.second_id)
    apart = set(session.execute(told.where(DuplicateDismissal.unit_id == unit_id)).tuples())
    return [pair for pair in pairs_among(session.execute(statement)) if (pair.a, pair.b) not in apart]


def rows_of(session: Session, pairs: Sequence[Pair]) -> dict[int, Instrument]:
    """The rows of some pairs, by id."""
    wanted = {pk for pair in pairs for pk in (pair.a, pair.b)}
    statement = select(Instrument).where(Instrument.id.in_(wanted))
    return {row.id: row for row in session.scalars(statement)}


# -- 不是重复 ------------------------------------------------------------------------------------------------------------


def dismiss(session: Session, actor: Principal, one_id: int, other_id: int) -> DuplicateDismissal:
    """Tell two of the actor's own instruments apart; saying it twice is saying it once. Raises NotVisibleError,
    InvalidInputError (one instrument named twice) or SwitchedOffError."""
    _may_tell(actor)
    first, second = sorted((one_id, other_id))
    if first == second:
        raise InvalidInputError("请选择两台不同的器具。")
    own = select(Instrument.id).where(Instrument.id.in_((first, second)), Instrument.unit_id == actor.unit_id)
    if len(session.scalars(own).all()) != 2:
        raise NotVisibleError
    values = {"unit_id": actor.unit_id, "first_id": first, "second_id": second, "account_id": actor.account_id}
    fresh = insert(DuplicateDismissal).values(values).on_conflict_do_nothing().returning(DuplicateDismissal.id)
    if session.scalar(fresh) is not None:
        audit(session, "duplicate_dismiss", entity="instrument", entity_id=first, other=second)
    found = select(DuplicateDismissal).where(
        DuplicateDismissal.unit_id == actor.unit_id,
        DuplicateDismissal.first_id == first,
        DuplicateDismissal.second_id == second,
    )
    return session.scalars(found).one()


def suspect_again(session: Session, actor: Principal, dismissal_id: int) -> None:
    """Take a dismissal back: the pair is listed again. Raises NotVisibleError."""
    _may_tell(actor)
    statement = select(DuplicateDismissal).where(DuplicateDismissal.id == dismissal_id)
    row = session.scalars(statement).one_or_none()
    if row is None:
        raise NotVisibleError
    audit(session, "duplicate_suspect_again", entity="instrument", entity_id=row.first_id, other=row.second_id)
    session.delete(row)
    session.flush()


def dismissed(session: Session, most: int = 100) -> list[DuplicateDismissal]:
    """The pairs that the principal's unit has told apart, the newest first, as far as both are still its own."""
    statement = select(DuplicateDismissal).order_by(DuplicateDismissal.id.desc()).limit(most)
    loaded = statement.options(selectinload(DuplicateDismissal.first), selectinload(DuplicateDismissal.second))
    return [row for row in session.scalars(loaded) if row.first is not None and row.second is not None]


def _may_tell(actor: Principal) -> None:
    """Whoever may merge (switch `merge`): the people of the unit."""
    if not switch_on("merge"):
        raise SwitchedOffError
    if not actor.of_unit:
        raise NotVisibleError
