"""A broad floor of rows for the scope's two computations: every column that a predicate looks at takes many values.

The rows are dealt out by chance with a fixed seed, each column for itself, so that no two terms of a predicate give
the same rows. They are written in the test's transaction and never committed: nobody else meets them. They break no
constraint, but they are not a world that could exist (a filing may name another unit than its instrument).
"""

from __future__ import annotations

import random
import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app import clock
from models import UnitChange, enums
from models.base import Model, metadata

DIVISIONS = ("440103", "440104", "440304", "110101")
_LIVE_ITEM = set(enums.LIVE_ITEM_STATES)


class Floor:
    """Ids of what was written, by kind, for the rows that point at it."""

    def __init__(self, session: Session, world: Any) -> None:
        self.session, self.world, self.dice = session, world, random.Random(3)
        self.institutes = [world.institutes[nick] for nick in ("P", "A", "A1", "A2", "B")]
        # other modules erase units and accounts of the world they share
        self.units = [pk for pk in world.units.values() if self.stands("unit", pk)]
        self.accounts = [pk for pk in world.people.values() if self.stands("account", pk)]
        self.changes: list[int] = []
        self.tally = 0

    def stands(self, table: str, pk: int) -> bool:
        found = metadata.tables[table]
        return self.session.execute(select(found.c.id).where(found.c.id == pk)).first() is not None

    def put(self, table: str, **values: Any) -> Any:
        """Insert one row; columns that must be filled and are not named get something harmless."""
        found = metadata.tables[table]
        for column in found.columns:
            needed = not column.nullable and column.default is None and column.server_default is None
            if needed and column.identity is None and column.name not in values and not column.primary_key:
                values[column.name] = self.harmless(column)
        statement = insert(found).values(**values).returning(*found.primary_key.columns)
        return self.session.execute(statement).first()[0]

    def harmless(self, column: Any) -> Any:
        self.tally += 1
        kinds = {int: 1, str: f"w{self.tally}"[: getattr(column.type, "length", None) or 20], dict: {}, bool: False}
        kinds |= {datetime: clock.now(), date: clock.today()}
        return kinds[column.type.python_type]

    def one(self, values: Any, empty: float = 0.0) -> Any:
        """One of them; nothing at all with probability `empty`."""
        return None if self.dice.random() < empty else self.dice.choice(list(values))

    @property
    def division(self) -> str:
        return self.one(DIVISIONS)

    def body(self, **more: Any) -> dict[str, Any]:
        return {"unit_id": self.one(self.units), "institute_id": self.one(self.institutes), **more}


def lay(session: Session, world: Any) -> Floor:
    """Write the rows of every model; returns what stands where."""
    floor = Floor(session, world)
    _bodies(floor)
    _business(floor)
    _counter(floor)
    _papers(floor)
    _traces(floor)
    return floor


def _bodies(f: Floor) -> None:
    for number in range(60):
        f.units.append(
            f.put("unit", code=f"W{number:05d}", name=f"w{number}", division_code=f.division, address="w", active=False)
        )
    kinds = list(enums.AccountKind)
    for number in range(72):
        kind = kinds[number % len(kinds)]
        user = f.put("ab_user", first_name="w", last_name="w", username=f"w{number}", email=f"w{number}@w.invalid")
        roles = {"enterprise": ["SUB"], "individual": ["IND"], "institute": ["VER"]}.get(kind, [])
        person = kind == "individual"
        account = f.put(
            "account",
            kind=kind.value,
            state=f.one(enums.AccountState).value,
            user_id=user,
            name="w",
            roles=roles,
            reason="退回原因五字",
            unit_id=f.one(f.units) if kind == "enterprise" else f.one(f.units, 0.5) if person else None,
            institute_id=f.one(f.institutes, 0.0 if kind == "institute" else 0.5) if not person else None,
            area="4401" if kind == "regulator" else None,
            reviewer_institute_id=f.one(f.institutes, 0.6),
        )
        f.accounts.append(account)
    for account in f.accounts[-72:]:
        unit = f.one([*f.units[:3], *f.units], 0.5)
        f.put(
            "affiliation",
            state=f.one(enums.AffiliationState).value,
            account_id=account,
            unit_id=unit,
            institute_id=f.one(f.institutes) if unit is None else None,
        )
    near = [*f.units[:3] * 6, *f.units]
    taken = set(
        f.session.execute(
            select(UnitChange.__table__.c.unit_id).where(UnitChange.__table__.c.state == "pending")
        ).scalars()
    )
    free = [pk for pk in f.units if pk not in taken]  # one change at a time may wait
    for number in range(40):
        f.put("unit_contact", unit_id=f.one(near), phone="1")
        f.put("type_approval", unit_id=f.one(near))
        state = f.one(set(enums.UnitChangeState) - {enums.UnitChangeState.PENDING}).value
        change = f.put(
            "unit_change",
            state=state if number % 2 else "pending",
            unit_id=f.one([*f.units[:3], *f.units]) if number % 2 else free[number],
            account_id=f.one(f.accounts),
            reviewer_institute_id=f.one(f.institutes, 0.3),
            changes={},
            reason="拒绝原因五字",
        )
        f.changes.append(change)
        f.put("recovery_request", state="waiting", kind="body", phone="1", account_id=f.one(f.accounts, 0.5))


def _business(f: Floor) -> None:
    category = f.session.scalar(select(metadata.tables["category"].c.id).limit(1))
    f.instruments = []
    for number in range(160):
        made = f.put(
            "instrument",
            state=f.one(enums.InstrumentState).value,
            unit_id=f.one([*f.units[:3] * 3, *f.units]),
            use_division=f.division,
            last_result=f.one(("pass", "fail"), 0.5),
            category_id=category,
            serial_no=f"W{number}",
            purpose="trade",
            delivery_mode="onsite",
            dup_key=f"w{number}",
            search_text="w",
            hidden=f.dice.random() < 0.2,
        )
        f.instruments.append(made)
    for instrument in f.instruments[:100]:
        state = f.one(enums.FilingState)
        holder = f.one(f.institutes, 0.0 if state in {"submitted", "to_process", "to_confirm"} else 0.8)
        hops = [{"institute": f.one(f.institutes), "step": "dispatch"} for _ in range(f.dice.choice((0, 0, 0, 1, 2)))]
        f.put(
            "filing",
            state=state.value,
            instrument_id=instrument,
            unit_id=f.one(f.units),
            use_division=f.division,
            holder_institute_id=holder,
            target_institute_id=f.one(f.institutes, 0.8),
            final_institute_id=f.one(f.institutes, 0.0 if state == "approved" else 0.8),
            route=hops,
            reason="退回原因五字",
        )
    slots = [
        f.put(
            "slot",
            institute_id=f.one(f.institutes),
            mode="onsite",
            day=date(2020, 1, 1 + number),
            period="morning",
            capacity=1,
        )
        for number in range(20)
    ]
    f.appointments = [
        f.put(
            "appointment",
            **f.body(state=state.value, use_division=f.division, mode="onsite", contact_phone="1"),
            slot_id=f.one(slots, 0.9),
            number=f"W{copy}{state.value}"[:20],
            reason="退回原因五字",
        )
        for copy in range(8)
        for state in enums.AppointmentState
    ]
    f.items = []
    for instrument in f.instruments[40:]:
        item = f.put(
            "appointment_item",
            **f.body(state=f.one(enums.ItemState).value, use_division=f.division),
            appointment_id=f.one(f.appointments),
            instrument_id=instrument,
            result="pass",
            reason="退回原因五字",
        )
        f.items.append(item)


def _counter(f: Floor) -> None:
    """Commissions, tasks, results of other systems, amendments: bodies and places at random."""
    near = [*f.units[:3] * 6, *f.units]
    category = f.session.scalar(select(metadata.tables["category"].c.id).limit(1))
    said = {"reason": "退回原因五字"}
    for number, item in enumerate(f.items):
        body = {"unit_id": f.one(near), "institute_id": f.one(f.institutes), "use_division": f.division}
        checking = number < len(f.appointments) and f.dice.random() < 0.5
        state = "checking" if checking else f.one(set(enums.CommissionState) - {enums.CommissionState.CHECKING}).value
        commission = f.put(
            "commission",
            **body,
            **said,
            state=state,
            number=None if state == "checking" else f"W{number}",
            secret_hash="w",
            appointment_id=f.appointments[number % len(f.appointments)],
            mode="onsite",
            bringer_phone="1",
            closed_at=clock.now(),
        )
        f.put(
            "task",
            **body,
            **said,
            state=f.one(enums.TaskState).value,
            commission_id=commission,
            item_id=item,
            instrument_id=f.one(f.instruments),
            verifier_id=f.one(f.accounts),
        )
        f.put(
            "unmatched_record",
            **{**body, "unit_id": f.one(near, 0.2)},
            **said,
            state=f.one(enums.UnmatchedState).value,
            source="api",
            certificate_no=f"W{number}",
            conclusion="pass",
            instrument_id=f.one(f.instruments),
        )
        f.put("appointment_message", **f.body(), appointment_id=f.one(f.appointments), account_id=1)
    filings = f.session.execute(select(metadata.tables["filing"].c.id, metadata.tables["filing"].c.instrument_id)).all()
    for filing, instrument in f.dice.sample(filings, min(60, len(filings))):
        f.put(
            "filing_amendment",
            unit_id=f.one(near),
            institute_id=f.one(f.institutes),
            use_division=f.division,
            state="withdrawn",
            filing_id=filing,
            instrument_id=instrument,
            changes={},
        )
    for number in range(40):
        institute = f.one(f.institutes)
        f.put("assignment_rule", institute_id=institute, division_prefix="44", mode="onsite", position=number)
        f.put("calendar_feed", account_id=f.accounts[number % 70], kind=f"w{number}", token_hash=f"w{number}")
        f.put(
            "idempotency_key", account_id=f.accounts[number % 70], key=f"w{number}", request_hash="0" * 64, status=200
        )
        f.put("basket_item", account_id=f.accounts[number % 70], instrument_id=f.instruments[number])
        f.put("verifier_project", institute_id=institute, account_id=f.accounts[number % 70], category_id=category)
    for number, institute in enumerate(f.institutes):
        f.put("slot_pattern", institute_id=institute, mode="onsite", weekday=number + 1, period="morning", capacity=1)


def _papers(f: Floor) -> None:
    for number, item in enumerate(f.items):
        f.put(
            "certificate",
            state=f.one(enums.CertificateState).value,
            unit_id=f.one([*f.units[:3] * 6, *f.units]),
            institute_id=f.one(f.institutes),
            use_division=f.division,
            kind="certificate",
            conclusion="pass",
            number=f"W{number}",
            item_id=item,
            instrument_id=f.one(f.instruments),
            verifier_id=f.one(f.accounts),
            pdf_sha256="0" * 64,
        )
    for _ in range(400):
        owner = f.one(("account", "account", "unit_change", "recovery", "instrument", "instrument", "job"), 0.1)
        f.put(
            "attachment",
            id=uuid.UUID(int=f.dice.getrandbits(128)),
            owner_type=owner,
            owner_id=f.one({"unit_change": f.changes, "instrument": f.instruments}.get(owner or "", f.accounts)),
            content_type="image/png",
            size=1,
            unit_id=f.one([*f.units[:3] * 3, *f.units], 0.5),
            institute_id=f.one(f.institutes, 0.5),
            account_id=f.one(f.accounts, 0.5),
        )


def _traces(f: Floor) -> None:
    units = [*f.units[:3] * 6, *f.units]
    for number in range(90):
        f.put("message", account_id=f.one(f.accounts), key=f"w{number}")
        f.put(
            "reminder",
            instrument_id=f.one(f.instruments),
            unit_id=f.one(units),
            use_division=f.division,
            threshold=number,
        )
        job = f.put("job", account_id=f.one(f.accounts), kind="w", **f.body(state="done"))
        f.put("import_row", job_id=job, position=1, values={})
        f.put("bulk_line", job_id=job, position=1)
        f.put("nozzle", instrument_id=f.one(f.instruments), number=number + 1)
        giver, receiver = f.dice.sample(units[:3] + f.units, 2)
        if giver != receiver:
            f.put(
                "instrument_transfer",
                state="refused",
                instrument_id=f.one(f.instruments),
                unit_id=giver,
                receiver_unit_id=receiver,
                use_division=f.division,
                asked_by_id=f.one(f.accounts),
            )
        f.put("list_setting", account_id=f.accounts[number % 70], list_name=f"w{number}")
        for copy, body in enumerate(("unit", "institute", "area", "none")):
            f.put(
                "saved_view",
                account_id=f.one(f.accounts),
                list_name="w",
                name=f"w{number}-{copy}",
                shared=f.dice.random() < 0.5,
                unit_id=f.one(units) if body == "unit" else None,
                institute_id=f.one(f.institutes) if body == "institute" else None,
                area=f.one(("4401", "440103", "44", "4403", "")) if body == "area" else None,
            )
        f.put("column_mapping", unit_id=f.one(units), signature=f"w{number}", mapping={})
        f.put(
            "transition_log",
            entity="w",
            entity_id=1,
            to_state="w",
            actor_id=f.one(f.accounts, 0.5),
            unit_id=f.one(units, 0.5),
            institute_id=f.one(f.institutes, 0.5),
            use_division=f.one(DIVISIONS, 0.5),
        )
        f.put("external_identity", account_id=f.one(f.accounts), subject=f"w{number}", provider="w", issuer="w")
        f.put("consent", account_id=f.one(f.accounts))
        f.put("web_session", key_hash=f"w{number}", account_id=f.one(f.accounts, 0.3), data={})
        f.put("audit_log", role="w", action=f.one(("login", "w")), actor_id=f.one(f.accounts, 0.3))
    for kept, merged in zip(f.instruments[::2], f.instruments[1::2], strict=True):
        f.put(
            "instrument_merge",
            unit_id=f.one(units),
            kept_id=kept,
            merged_id=merged,
            account_id=f.one(f.accounts),
        )
        f.put(
            "duplicate_dismissal",
            unit_id=f.one(units),
            first_id=min(kept, merged),
            second_id=max(kept, merged),
            account_id=f.one(f.accounts),
        )
    for _ in range(3):
        f.put("development_mail", body="w")
        f.put("outbox", channel="w", payload={})


def fill_new(floor: Floor, model: type[Model]) -> None:
    """A model that came later and has no row yet gets a few from what its columns say: bodies, people, places."""
    table = model.__table__
    chosen = {
        "account_id": floor.accounts,
        "unit_id": floor.units[:6],
        "institute_id": floor.institutes,
        "use_division": DIVISIONS,
    }
    for _ in range(30):
        values = {name: floor.one(of) for name, of in chosen.items() if name in table.columns}
        for column in table.primary_key.columns:
            if column.identity is None and column.name not in values:
                values[column.name] = floor.harmless(column)
        floor.put(table.name, **values)
