"""The rows that bench.promises begins with: clones by SQL of rows that the operations made, and 100,000 papers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import as_system

INSTRUMENTS = """
    INSERT INTO instrument SELECT (jsonb_populate_record(i, jsonb_build_object(
        'id', nextval(pg_get_serial_sequence('instrument', 'id')), 'serial_no', :mark || g, 'dup_key', :mark || g, 'code', NULL))).*
    FROM instrument i, generate_series(1, :rows) g WHERE i.id = :one RETURNING id
"""
ORDERS = """
    INSERT INTO appointment SELECT (jsonb_populate_record(a, jsonb_build_object(
        'id', nextval(pg_get_serial_sequence('appointment', 'id')), 'number', 'BOUNDARY' || g))).*
    FROM appointment a, generate_series(1, :rows) g WHERE a.id = :one RETURNING id
"""
ITEMS = """
    INSERT INTO appointment_item SELECT (jsonb_populate_record(i, jsonb_build_object(
        'id', nextval(pg_get_serial_sequence('appointment_item', 'id')), 'appointment_id', o.id, 'instrument_id', o.scale))).*
    FROM appointment_item i, unnest(CAST(:orders AS bigint[]), CAST(:scales AS bigint[])) o(id, scale)
    WHERE i.id = :one RETURNING id
"""
PAPERS = """
    INSERT INTO certificate (state, kind, conclusion, item_id, instrument_id, unit_id, institute_id, use_division, verified_on,
        cycle_months, valid_until, verifier_id, checker_id, approver_id, number, lookup_code, issued_at, published_at,
        pdf_sha256, pdf_size, version, facts)
    SELECT state, CASE WHEN passed THEN 'certificate' ELSE 'rejection' END, CASE WHEN passed THEN 'pass' ELSE 'fail' END,
        -g, scale, :unit, :institute, '440103', day, CASE WHEN passed THEN 12 END,
        CASE WHEN passed THEN day + 100 + g % 700 END, :verifier, :checker, :approver, 'FOLD' || g, 'AAAAAAAA', now(), now(),
        repeat('0', 64), 1, 1, '{}'
    FROM (SELECT g, (CAST(:scales AS bigint[]))[1 + (random() * (:count - 1))::int] AS scale, random() < 0.8 AS passed,
            current_date - (random() * 60)::int AS day,
            (ARRAY['issued', 'issued', 'issued', 'revoked', 'superseded', 'issuing', 'dropped'])[1 + (random() * 6)::int] AS state
          FROM generate_series(1, :rows) g) x
"""
"""Sixty days for twenty papers of an instrument: many are of the same day, and the order of writing is never that of days."""
RECORDS = """
    INSERT INTO unmatched_record (state, source, institute_id, unit_id, unit_code, unit_name, use_division, certificate_no,
        instrument_name, serial_no, conclusion, verified_on, valid_until, instrument_id, version)
    SELECT CASE WHEN g % 3 = 0 THEN 'pending' ELSE 'linked' END, 'form', :institute, :unit, 'C', '单位', '440103', 'OTHER' || g,
        '秤', 'S' || g, CASE WHEN passed THEN 'pass' ELSE 'fail' END, day, CASE WHEN passed THEN day + 90 + g % 600 END,
        (CAST(:scales AS bigint[]))[1 + (random() * (:count - 1))::int], 1
    FROM (SELECT g, random() < 0.8 AS passed, current_date - (random() * 60)::int AS day
          FROM generate_series(1, :rows) g) x
"""


class Rows:
    """Instruments that wait to be booked, slots, and orders that wait to be brought."""

    def __init__(self, session: Session, world: Any) -> None:
        from tests.world import filed

        self.session, self.world = session, world
        self.one, self.marks = filed(world, "ua1").id, 0
        self.day = clock.today() + timedelta(days=60)

    def instruments(self, rows: int, one: int = 0) -> list[int]:
        """So many filed instruments of one unit."""
        self.marks += 1
        given = {"rows": rows, "one": one or self.one, "mark": f"N{self.marks}-"}
        with as_system("measuring"):
            ids = list(self.session.execute(text(INSTRUMENTS), given).scalars())
            self.session.commit()
        return ids

    def slots(self, count: int, capacity: int) -> list[int]:
        """So many slots on days of their own."""
        from app.operations.institute import open_slots
        from models import Institute, Slot

        days = [self.day + timedelta(days=n) for n in range(count)]
        self.day += timedelta(days=count)
        with as_system("measuring"):
            institute = self.session.get(Institute, self.world.institutes["A"])
            assert institute is not None
            open_slots(self.session, institute, days, capacity=capacity)
            chosen = select(Slot.id).where(
                Slot.day.in_(days), Slot.mode == "onsite", Slot.period == "morning", Slot.institute_id == institute.id
            )
            found = list(self.session.scalars(chosen.order_by(Slot.day)))
            self.session.commit()
        return found

    def orders(self, rows: int) -> tuple[list[int], list[int]]:
        """So many accepted orders that wait for their one instrument to be brought: ids of orders and items."""
        from tests.world import booked

        made = booked(self.world, "ua1", delivery_mode="deliver")
        scales = self.instruments(rows, made.instruments[0])
        with as_system("measuring"):
            orders = list(self.session.execute(text(ORDERS), {"rows": rows, "one": made.id}).scalars())
            given = {"orders": orders, "scales": scales, "one": made.items[0]}
            items = list(self.session.execute(text(ITEMS), given).scalars())
            taken = "UPDATE slot SET taken = taken + :rows, capacity = capacity + :rows WHERE id = (SELECT slot_id FROM appointment WHERE id = :one)"
            self.session.execute(text(taken), {"rows": rows, "one": made.id})
            self.session.commit()
        return orders, items

    def papers(self, rows: int, superuser: str) -> list[int]:
        """So many papers over a twentieth as many instruments, with records of other systems, as if they had been there
        before anybody asked; gives the instruments. Keys are right by construction, so nothing checks them."""
        from sqlalchemy import create_engine

        scales = self.instruments(max(rows // 20, 1))
        people = {name: self.world.people[nick] for name, nick in PEOPLE.items()}
        given = {"scales": scales, "count": len(scales), "unit": self.world.units["ua1"]}
        given |= {"institute": self.world.institutes["A"]}
        engine = create_engine(superuser)
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(PAPERS), given | people | {"rows": rows})
            connection.execute(text(RECORDS), given | {"rows": rows // 10})
        engine.dispose()
        with as_system("measuring"):
            self.session.execute(text("ANALYZE"))
            self.session.commit()
        return scales


PEOPLE = {"verifier": "verA", "checker": "chkA", "approver": "aprA"}
