"""Sending results of other systems, and reading what became of them."""

from __future__ import annotations

import itertools
import os
from datetime import timedelta

from app import clock
from app.access.principal import as_system
from app.operations.verification_records import send_record
from models import Instrument
from models.base import db
from models.enums import RecordSource
from models.unmatched import UnmatchedRecord

numbers = itertools.count(int.from_bytes(os.urandom(3)))


def cells(world, unit="ua1", **more):
    """A record of an electronic scale that nobody has in the ledger."""
    number = next(numbers)
    return {
        "unit_code": world.codes[unit],
        "certificate_no": f"LIMS{number:09d}",
        "instrument_name": "电子计价秤",
        "model": "ACS-30",
        "manufacturer": "大华",
        "serial_no": f"U{number:09d}",
        "conclusion": "合格",
        "verified_on": clock.today().isoformat(),
        "valid_until": (clock.today() + timedelta(days=364)).isoformat(),
        "verifier_name": "李检",
        **more,
    }


def sent(world, unit="ua1", who="recA", **more):
    """Send one as the institute's receptionist; gives the record's id."""
    with world.acting(who) as actor:
        record, _new = send_record(db.session(), actor, cells(world, unit, **more), RecordSource.FORM)
        db.session.commit()
        return record.id


def record(pk):
    with as_system("test"):
        db.session.expire_all()
        return db.session.get(UnmatchedRecord, pk)


def instrument_row(pk):
    with as_system("test"):
        db.session.expire_all()
        return db.session.get(Instrument, pk)
