"""The figures of the home page: numbers that are links to exactly the rows they count (DSH-01, DSH-02, BEYOND 5, 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.operations.band import Band, band_condition, scheme, tab_label
from app.operations.filing import pending
from app.operations.ledger_query import PUT_AWAY
from app.profiles import switch_on
from app.workflow import INSTRUMENT
from models.appointment import Appointment
from models.certificate import Certificate
from models.filing import Filing
from models.instrument import Instrument

CAP = 10_000
Counted = tuple[str, Select[Any], str]


@dataclass(frozen=True, slots=True)
class Card:
    """One figure: what, how many, and the list that shows them."""

    label: str
    number: int
    url: str


def home_figures(session: Session, p: Principal) -> list[Card]:
    """The figures of the deployment for this person; one statement counts them, each no further than the cap."""
    wanted = [*_ledger(p), *_filings(p), *_flow(p)]
    parts = [
        select(func.count()).select_from(rows.limit(CAP + 1).subquery()).scalar_subquery() for _, rows, _ in wanted
    ]
    counts = session.execute(select(*parts)).one()
    return [Card(label, count, url) for (label, _rows, url), count in zip(wanted, counts, strict=True)]


def _of(*conditions: Any) -> Select[Any]:
    return select(Instrument.id).where(*conditions)


def _ledger(p: Principal) -> list[Counted]:
    today, rules = clock.today(), scheme()
    found: list[Counted] = []
    if rules.name == "lists" and p.of_unit:
        # manual 004 图9: all of them, then the lists of 仪器管理
        found.append(("仪器总数", _of(Instrument.state.not_in(PUT_AWAY)), "/instruments/list/"))
        bands = (Band.DUE, Band.OVERDUE, Band.INVALID, Band.FAILED)
        found += [(tab_label(b), _of(band_condition(b, today)), f"/instruments/list/?band={b}") for b in bands]
        return found
    word = f"{INSTRUMENT.label_of('in_use')}器具（台）"
    found.append((word, _of(Instrument.state == "in_use"), "/instruments/list/?state=in_use"))
    if switch_on("former") and p.of_unit:
        found.append(("历史器具（台）", _of(Instrument.state == "former"), "/former/list/"))
    good = _of(band_condition(Band.GOOD, today))
    return [*found, ("有效期内（台）", good, "/instruments/list/?band=good")]


def _filings(p: Principal) -> list[Counted]:
    if not (p.of_unit and switch_on("filing")):
        return []
    states = (("已备案", "approved"), ("备案退回", "returned"))
    rows = [(word, select(Filing.id).where(Filing.state == state), state) for word, state in states]
    return [
        ("待备案", _of(pending()), "/filings/pending/list/"),
        *((word, query, f"/filings/list/?state={state}") for word, query, state in rows),
    ]


def _flow(p: Principal) -> list[Counted]:
    found: list[Counted] = []
    if switch_on("appointment"):
        live = select(Appointment.id).where(Appointment.state.in_(("submitted", "accepted", "in_progress")))
        found.append(("进行中的预约单", live, "/appointments/list/"))
    issued = select(Certificate.id).where(Certificate.state == "issued")
    return [*found, ("已签发证书", issued, "/certificates/list/?state=issued")]
