"""Rows of an import as they lie in PostgreSQL: written by COPY, read back as typed, turned into instruments in bulk.

A chunk of the writing is two statements: instruments with the checkpoint of their rows, then the history lines; both
belong to one transaction (I-10). Everything is addressed by a job that scope has already given.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from sqlalchemy import Boolean, Date, Integer, text
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.intake.plan import PlannedRow
from app.intake.reader import RawRow
from app.operations.import_rivals import taken_keys
from app.operations.instrument import TYPED
from app.workflow.journal import born_sql
from models.enums import InstrumentState
from models.instrument import Instrument
from models.job import ImportRow, Job
from models.organisation import Unit

CREATED, RIVAL = "created", "rival"
"""Outcomes after the writing: became an instrument; somebody else had entered the same one meanwhile."""
FORMULAS = "="
"""The key of `cells` under which the fields stand whose cells held formulas."""
DECIDED = ("kind", "compulsory", "institute_id", "declared_category_id")
"""What the rules find out of a row besides what was typed."""
COLUMNS = ("job_id", "position", "row_number", "sheet", "outcome", "values", "problems", "dup_key", "instrument_id")
_SURROGATES = dict.fromkeys(range(55296, 57344), "�")


# -- cells as JSON and back ------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    if isinstance(value, dt.datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, (dt.date, dt.time)):
        return {type(value).__name__: value.isoformat()}
    return {"text": str(value)}


_CELLS = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode
_VALUES = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=lambda value: value.isoformat()).encode
_READ = {"datetime": dt.datetime.fromisoformat, "date": dt.date.fromisoformat, "time": dt.time.fromisoformat}


def _storable(encoded: str) -> str:
    """JSON that PostgreSQL takes: no NUL, no half of a surrogate pair, no number that is none."""
    if "\\u0000" in encoded:
        encoded = encoded.replace("\\u0000", "")
    return encoded if encoded.isascii() else encoded.translate(_SURROGATES) if _broken(encoded) else encoded


def _broken(encoded: str) -> bool:
    try:
        encoded.encode()
    except UnicodeEncodeError:
        return True
    return False


def cells_json(raw: RawRow) -> str:
    """The cells of a row as typed; dates keep their kind, so that a later check says the same."""
    cells: dict[str, Any] = raw.cells
    if raw.formula:
        cells = {**cells, FORMULAS: sorted(raw.formula)}
    try:
        return _storable(_CELLS(cells))
    except (ValueError, TypeError):
        return _storable(_CELLS({key: str(value) for key, value in cells.items()}))


def raw_of(row: ImportRow) -> RawRow:
    """The row as it was read, from what is stored."""
    cells = {key: _cell(value) for key, value in row.cells.items() if key != FORMULAS}
    marked: Any = row.cells.get(FORMULAS, ())
    return RawRow(row.row_number, cells, frozenset(marked), row.sheet, row.position)


def _cell(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind, content = next(iter(value.items()))
    return _READ[kind](content) if kind in _READ else content


def cell_text(value: Any) -> str:
    """A cell as the person typed it."""
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "minutes")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value) if value is not None else ""


# -- writing the rows ------------------------------------------------------------------------------------------------


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The items in lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _escaped(value: str) -> str:
    """A text of COPY's text format."""
    if "\\" in value:
        value = value.replace("\\", "\\\\")
    if not value.isprintable():
        value = value.replace("\x00", "").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return value.translate(_SURROGATES) if _broken(value) else value


def copy_rows(session: Session, job_id: int, rows: Iterable[tuple[RawRow, PlannedRow]]) -> None:
    """COPY planned rows into import_row through the session's own connection, so that they commit with it."""
    lines: list[str] = []
    for raw, row in rows:
        problems = json.dumps([p._asdict() for p in row.problems], ensure_ascii=False) if row.problems else "[]"
        target = "\\N" if row.existing_id is None else str(row.existing_id)
        lines.append(
            f"{job_id}\t{row.position}\t{row.number}\t{_escaped(row.sheet[:60])}\t{row.outcome}"
            f"\t{_escaped(_storable(_VALUES(row.values)))}\t{_escaped(_storable(problems))}"
            f"\t{_escaped(row.dup_key[:500])}\t{target}\t{_escaped(cells_json(raw))}\n"
        )
    # the driver knows COPY, the ORM does not
    driver: Any = session.connection().connection.driver_connection
    names = ", ".join(f'"{name}"' for name in (*COLUMNS, "cells"))
    with driver.cursor() as cursor, cursor.copy(f"COPY import_row ({names}) FROM STDIN") as copy:
        copy.write("".join(lines))


# -- from rows to instruments ----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _columns() -> tuple[str, str, str]:
    """(columns of instrument, the record that `values` is read as, what is selected of it), from the model."""
    table, names, record, chosen = Instrument.metadata.tables["instrument"], [], [], []
    for key in dict.fromkeys((*TYPED, *DECIDED)):
        column = table.c.get(key)
        if column is None:
            continue
        kind = column.type
        word = next(
            (w for t, w in ((Date, "date"), (Boolean, "boolean"), (Integer, "integer")) if isinstance(kind, t)), "text"
        )
        names.append(f'"{key}"')
        record.append(f'"{key}" {word}')
        blank = _blank(column)
        chosen.append(f'coalesce(v."{key}", {blank})' if blank else f'v."{key}"')
    return ", ".join(names), ", ".join(record), ", ".join(chosen)


def _blank(column: Any) -> str:
    """What an empty cell means: the column's default, written as SQL."""
    if column.nullable or column.default is None or not column.default.is_scalar:
        return ""
    value = column.default.arg
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


NO_NESTED_LOOPS = text("SET LOCAL enable_nestloop = off")
"""For the transaction of a chunk. Statistics taken while the tables were nearly empty (a nightly purge, an import rolled
back) promise one row where there are thousands, and a nested loop then compares every row with every other: 10,000 rows
took 96 s instead of 5. Joins by hash cost the same whatever the statistics say."""
WAITING_ROWS = text("""
    SELECT position, dup_key FROM import_row
    WHERE job_id = :job AND outcome = 'new' AND instrument_id IS NULL AND position >= :first
    ORDER BY position LIMIT :size FOR UPDATE""")
MARK = text(f"""
    UPDATE import_row r SET instrument_id = u.id,
           outcome = CASE WHEN u.id IS NULL THEN '{RIVAL}' ELSE '{CREATED}' END
    FROM unnest(CAST(:positions AS integer[]), CAST(:ids AS bigint[])) AS u (position, id)
    WHERE r.job_id = :job AND r.position = u.position""")


@lru_cache(maxsize=1)
def _insert_statement() -> Any:
    names, record, chosen = _columns()
    return text(f"""
        INSERT INTO instrument ({names}, state, unit_id, dup_key, search_text, version)
        SELECT {chosen}, :state, :unit, r.dup_key,
               left(v.name || ' ' || coalesce(v.manufacturer, '') || ' ' || :unit_name, 400), 1
        FROM import_row r CROSS JOIN LATERAL jsonb_to_record(r."values") AS v({record})
        WHERE r.job_id = :job AND r.outcome = 'new' AND r.instrument_id IS NULL
          AND r.position BETWEEN :first AND :last AND r.dup_key <> ALL (CAST(:taken AS text[]))
        ORDER BY r.position ON CONFLICT DO NOTHING RETURNING id, dup_key""")


@lru_cache(maxsize=1)
def _history_statement() -> Any:
    return text(f"""
        INSERT INTO transition_log (entity, entity_id, step, from_state, to_state, actor_id, actor_name, actor_body,
            actor_role, at, input, instrument_id, unit_id, institute_id, use_division)
        SELECT 'instrument', i.id, 'import', NULL, :state, :actor, :name, :body, :role, :at,
            jsonb_build_object('job', r.job_id, 'born', {born_sql(Instrument, "i")}),
            i.id, i.unit_id, i.institute_id, i.use_division
        FROM import_row r JOIN instrument i ON i.id = r.instrument_id
        WHERE r.job_id = :job AND r.position BETWEEN :first AND :last AND r.outcome = '{CREATED}'
          AND r.instrument_id >= :lowest ORDER BY r.position""")


class Chunk:
    """What one chunk did: rows taken, instruments made, and where it ended."""

    __slots__ = ("last", "made", "rows")

    def __init__(self, rows: int, made: int, last: int) -> None:
        self.rows, self.made, self.last = rows, made, last


def write_chunk(
    session: Session, job: Job, actor: Principal, unit: Unit, state: InstrumentState, *, size: int, only: int = 0
) -> Chunk:
    """Make instruments of the next `size` good rows, with their checkpoint and history. The unique index decides
    between rivals; nobody is overwritten. `only` takes the single row of that position."""
    session.execute(NO_NESTED_LOOPS)
    start: Mapping[str, Any] = {"job": job.id, "size": 1 if only else size, "first": only}
    rows = session.execute(WAITING_ROWS, start).tuples().all()
    if not rows:
        return Chunk(0, 0, 0)
    place = {"job": job.id, "first": rows[0][0], "last": rows[-1][0]}
    taken = taken_keys(session, unit.id, [key for _, key in rows])
    facts = {**place, "state": state.value, "unit": unit.id, "unit_name": unit.name, "taken": taken}
    made = {key: pk for pk, key in session.execute(_insert_statement(), facts).tuples()}
    # two plain statements: a planner that takes what an INSERT returns for one row compares every row with every other
    ids = [made.get(key) for _, key in rows]
    session.execute(MARK, {"job": job.id, "positions": [position for position, _ in rows], "ids": ids})
    if made:
        write_history(session, job, actor, {**place, "lowest": min(made.values()), "state": state.value})
    return Chunk(len(rows), len(made), place["last"])


def write_history(session: Session, job: Job, actor: Principal, chunk: Mapping[str, Any]) -> None:
    """The history line of each instrument of a chunk, with the values it was born with."""
    who = {"actor": actor.account_id, "name": actor.name, "body": actor.body[:120], "role": actor.role_word}
    session.execute(_history_statement(), {**chunk, **who, "job": job.id, "at": clock.now()})
