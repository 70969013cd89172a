"""Exporting the ledger: what a list's filter shows, in the columns shown or in the layout of the import template.

A short workbook leaves at once, a long one as a job whose result stays in the file store (law 4); CSV leaves as a stream.
Rows are read by key in chunks of plain columns, so that memory stays flat and a job can report and commit between them.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import Select, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from app import clock, filestore
from app.access.limits import hit
from app.access.principal import Principal
from app.documents.xlsx import csv_rows
from app.documents.xlsx_stream import END_ROW, Chunk, forged, write_marked
from app.errors import InvalidInputError, TooOftenError
from app.operations.job import beat, cancelled, create_job, finish, runner
from app.operations.ledger_columns import FIELD_OF, JOINS, fetches, heading
from app.operations.ledger_fields import ledger_fields
from app.operations.ledger_lines import line_of
from app.operations.ledger_query import ledger_query
from app.profiles import setting
from models.attachment import Attachment
from models.instrument import Instrument
from models.job import Job

Part = TypeVar("Part")
KIND = "ledger_export"
AT_ONCE = 200
"""Rows of a workbook that is made within a click; more are a job."""
CSV_AT_ONCE = 200_000
"""Rows of CSV that leave as a stream; more are a job, so that no worker is held for minutes."""
CHUNK = 5_000
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv; charset=utf-8"


class StoppedError(InvalidInputError):
    """Somebody cancelled the export while it was being written."""


class ExportsSpentError(TooOftenError):
    """The account has exported as often as an hour allows (TRUST 6)."""

    def __init__(self, most: int, seconds: int) -> None:
        super().__init__(seconds)
        minutes = -(-self.seconds // 60)
        self.sentence = f"每小时最多导出{most}次，请约{minutes}分钟后再试，或者清除筛选条件，一次导出全部器具。"


@dataclass(frozen=True, slots=True)
class Wanted:
    """`layout` shown (the list's columns) or template (can be imported again), `kind` xlsx or csv."""

    layout: str = "template"
    kind: str = "xlsx"
    columns: tuple[str, ...] = ()


def count_export(actor: Principal) -> None:
    """Count one export of the account, by whichever way it leaves; raises ExportsSpentError with the cure."""
    most = int(setting("ledger", "exports_per_hour"))
    try:
        hit(f"ledger-export:{actor.account_id}", f"{most} per hour")
    except TooOftenError as error:
        raise ExportsSpentError(most, error.seconds) from error


def condition(session: Session, query: str) -> Any:
    """The WHERE of a list's query string, as one expression."""
    return ledger_query(session, query).whereclause


def longer_than(session: Session, query: str, limit: int) -> bool:
    """Whether the query finds more rows than `limit`; counts no further."""
    rows = select(Instrument.id).where(condition(session, query)).limit(limit + 1).subquery()
    return (session.scalar(select(func.count()).select_from(rows)) or 0) > limit


def file_name(wanted: Wanted | None = None) -> str:
    """What the downloaded file is called: 器具台账_20261120.xlsx."""
    return f"器具台账_{clock.today():%Y%m%d}.{wanted.kind if wanted else 'xlsx'}"


def ascii_name(wanted: Wanted) -> str:
    """The same for browsers that know no Chinese."""
    return f"ledger_{clock.today():%Y%m%d}.{wanted.kind}"


def disposition(wanted: Wanted) -> str:
    """The header of a download under both names (RFC 6266)."""
    return f"attachment; filename={ascii_name(wanted)}; filename*=UTF-8''{quote(file_name(wanted))}"


def heads(wanted: Wanted) -> list[str]:
    """The headings of the file."""
    if wanted.layout == "shown":
        return [heading(column) for column in wanted.columns]
    return [field.label for field in ledger_fields()]


def export_chunks(session: Session, query: str, wanted: Wanted) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a list in chunks, oldest first, with the words and codes that list or template use."""
    columns, words = _columns(wanted), _words(wanted)
    statement, last = _statement(columns).where(condition(session, query)).order_by(Instrument.id), 0
    while True:
        found = session.execute(statement.where(Instrument.id > last).limit(CHUNK)).all()
        if not found:
            return
        last = found[-1][0]
        yield [_written(row, words) for row in found]
        if len(found) < CHUNK:
            return


def marked_chunks(session: Session, query: str, wanted: Wanted) -> Iterator[Chunk]:
    """The same rows as text that PostgreSQL has put together, one text a chunk, for a workbook."""
    columns, words = _columns(wanted), dict(_words(wanted))
    cells = [(fetch.expression, words.get(place)) for place, fetch in enumerate(fetches(columns))]
    raw, cleaned = (
        _joined(columns, select(Instrument.id, line_of(cells, clean=clean).label("line")))
        .where(condition(session, query))
        .order_by(Instrument.id)
        for clean in (False, True)
    )
    last = 0
    while True:
        after, last, chunk = last, *_marked(session, raw, last, CHUNK)
        whole = chunk.rows == CHUNK
        if chunk.rows and forged(chunk, len(cells)):
            last, chunk = _marked(session, cleaned, after, chunk.rows)
        if chunk.rows:
            yield chunk
        if not whole:
            return


def _marked(session: Session, statement: Select[Any], after: int, limit: int) -> tuple[int, Chunk]:
    """The next rows as one text, and the id of the last one."""
    part = statement.where(Instrument.id > after).limit(limit).subquery()
    together = func.string_agg(part.c.line, aggregate_order_by(literal(END_ROW), part.c.id))
    row = session.execute(select(func.max(part.c.id), func.count(), together)).one()
    return row[0] or after, Chunk(row[1], row[2] or "")


def _columns(wanted: Wanted) -> list[str]:
    if wanted.layout == "shown":
        return list(wanted.columns)
    shown_as = {field: column for column, field in FIELD_OF.items()}
    return [shown_as.get(field.key, field.key) for field in ledger_fields()]


def _words(wanted: Wanted) -> list[tuple[int, dict[Any, Any]]]:
    """(place, stored value → what is written) of the columns that need it; the template may want numeric codes."""
    found = [(place, fetch.words()) for place, fetch in enumerate(fetches(_columns(wanted))) if fetch.words is not None]
    if wanted.layout == "shown" or not setting("ledger", "coded_fields"):
        return found
    codes = {
        place: {c.value: c.code for c in field.choices} for place, field in enumerate(ledger_fields()) if field.choices
    }
    return [(place, codes.get(place, words)) for place, words in found]


def _statement(columns: list[str]) -> Select[Any]:
    expressions = (fetch.expression.label(f"c{n}") for n, fetch in enumerate(fetches(columns)))
    return _joined(columns, select(Instrument.id, *expressions))


def _joined(columns: list[str], statement: Any) -> Select[Any]:
    joined: Select[Any] = statement.select_from(Instrument)
    for name in sorted(frozenset[str]().union(*(fetch.joins for fetch in fetches(columns)))):
        target, on, keeps = JOINS[name]
        joined = joined.join(target, on, isouter=keeps)
    return joined


def _written(row: Any, words: list[tuple[int, dict[Any, Any]]]) -> tuple[Any, ...]:
    if not words:
        return tuple(row[1:])
    cells = list(row[1:])
    for place, word in words:
        cells[place] = word.get(cells[place], cells[place])
    return tuple(cells)


def _told(chunks: Iterator[Part], told: Callable[[int], None] | None, rows_of: Callable[[Any], int]) -> Iterator[Part]:
    done = 0
    for chunk in chunks:
        yield chunk
        done += rows_of(chunk)
        if told is not None:
            told(done)


def write_export(
    session: Session, query: str, wanted: Wanted, out: Path, told: Callable[[int], None] | None = None
) -> int:
    """Write the file; returns the rows. `told` hears how many are out and may commit."""
    if wanted.kind == "xlsx":
        return write_marked(
            out, heads(wanted), _told(marked_chunks(session, query, wanted), told, lambda chunk: chunk.rows)
        )
    rows = chain.from_iterable(_told(export_chunks(session, query, wanted), told, len))
    count = -1  # the heading is no row
    with out.open("wb") as file:
        for piece in csv_rows(heads(wanted), rows):
            file.write(piece)
            count += 1
    return count


def csv_pieces(session: Session, query: str, wanted: Wanted) -> Iterator[bytes]:
    """CSV as it is read, a chunk at a time; the heading comes before the first row is asked for."""
    pieces = csv_rows(heads(wanted), chain.from_iterable(export_chunks(session, query, wanted)))
    yield next(pieces)
    kept: list[bytes] = []
    for piece in pieces:
        kept.append(piece)
        if len(kept) == 500:
            yield b"".join(kept)
            kept.clear()
    yield b"".join(kept)


def workbook(session: Session, query: str, wanted: Wanted) -> io.BytesIO:
    """A short list as a workbook in memory."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "export.xlsx"
        write_export(session, query, wanted, out)
        return io.BytesIO(out.read_bytes())


def start_export(session: Session, actor: Principal, query: str, wanted: Wanted | None = None) -> Job:
    """Queue the export of a list."""
    wanted = wanted or Wanted()
    params: dict[str, Any] = {"query": query[:4_000], "layout": wanted.layout, "kind": wanted.kind}
    params["columns"] = list(wanted.columns)
    return create_job(session, actor, kind=KIND, title="导出器具台账", params=params)


@runner(KIND)
def run_export(session: Session, job: Job, actor: Principal) -> None:
    """Write the file and keep it for the account alone. A killed export starts over: nothing else was written."""
    given: dict[str, Any] = dict(job.params)
    query = str(given.get("query", ""))
    wanted = Wanted(
        str(given.get("layout", "template")), str(given.get("kind", "xlsx")), tuple(map(str, given.get("columns", [])))
    )
    where = condition(session, query)
    job.total = session.scalar(select(func.count()).select_from(select(Instrument.id).where(where).subquery())) or 0
    beat(job, 0)
    session.commit()

    def told(done: int) -> None:
        if cancelled(session, job):
            raise StoppedError("导出已取消。")
        beat(job, min(done, job.total))
        session.commit()

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"export.{wanted.kind}"
        try:
            rows = write_export(session, query, wanted, out, told)
        except StoppedError:
            session.rollback()
            return
        digest, size = filestore.put(out.read_bytes()), out.stat().st_size
    kept = Attachment(
        owner_type="job",
        owner_id=job.id,
        kind="export",
        filename=file_name(wanted),
        content_type=XLSX if wanted.kind == "xlsx" else CSV,
        sha256=digest,
        size=size,
        account_id=actor.account_id,
    )
    session.add(kept)
    session.flush()
    job.counts = {"rows": rows, "attachment": str(kept.id)}
    beat(job, job.total)
    finish(session, job)
