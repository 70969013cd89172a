"""`python -m bench.key_rotation [--rows 100000] [--writers 2]`: how fast the key of personal data changes while people
work, on servers of its own. Prints rows per second, the time that a million rows would take, and how many writes the
people made meanwhile without an error."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from typing import Any

from bench.own import ROOT, own_servers

UNIT = "INSERT INTO unit (id, code, name, division_code, address, contact_name) VALUES (1, :code, :name, :d, :a, :c)"


def application() -> Any:
    """The application on the bench's own stores."""
    from run import create_app

    return create_app({"TESTING": True})


def fill(app: Any, rows: int) -> None:
    """`rows` contacts of one unit, each with a sealed number."""
    from flask_migrate import upgrade
    from sqlalchemy import text

    from app import reference
    from app.access.principal import as_system
    from models.base import db
    from models.types import seal

    with app.app_context(), as_system("bench"):
        upgrade(directory=str(ROOT / "migrations"))
        reference.load(db.session())
        db.session.commit()
        db.session.execute(
            text(UNIT), {"code": "914401010000000001", "name": "单位", "d": "440103", "a": "人民路", "c": "王"}
        )
        raw = db.session.connection().connection.cursor()
        with raw.copy("COPY unit_contact (unit_id, name, phone) FROM STDIN") as copy:
            for n in range(rows):
                copy.write_row((1, "李四", seal(f"139{n:08d}")))
        db.session.commit()
        db.session.execute(text("ANALYZE unit_contact"))
        db.session.commit()


def write(stop: Any, done: Any, wrong: Any, rows: int, offset: int) -> None:
    """Somebody who changes numbers all the time, in a process of his own with a ring of his own."""
    from app.access.principal import as_system
    from models import UnitContact
    from models.base import db

    with application().app_context(), as_system("bench"):
        n = offset
        while not stop.is_set():
            n += 97
            try:
                row = db.session.get(UnitContact, n % rows + 1)
                row.phone = f"138{n % 100_000_000:08d}"
                db.session.commit()
                with done.get_lock():
                    done.value += 1
            except Exception as error:  # noqa: BLE001 - counted and told
                with wrong.get_lock():
                    wrong.value += 1
                print(error, file=sys.stderr)
                db.session.rollback()


def measure(rows: int, writers: int) -> int:
    """Rotate once beside the writers; 1 when anything went wrong."""
    from sqlalchemy import select

    from app.access.principal import as_system
    from app.operations.key_rotation import rotate, standing
    from models import UnitContact
    from models.base import db

    app = application()
    started = time.monotonic()
    fill(app, rows)
    print(f"{rows} rows sealed and copied in {time.monotonic() - started:.1f} s")
    stop, done, wrong = multiprocessing.Event(), multiprocessing.Value("i", 0), multiprocessing.Value("i", 0)
    people = [multiprocessing.Process(target=write, args=(stop, done, wrong, rows, n * 31)) for n in range(writers)]
    with app.app_context():
        db.engine.dispose()
        for each in people:
            each.start()
        while writers and done.value < 50 and not wrong.value:
            time.sleep(0.1)
        before = done.value
        report = rotate(db.engine)
        during = done.value - before
        stop.set()
        for each in people:
            each.join(20)
        under, count = standing(db.engine), report.rows["unit_contact.phone"]
        with as_system("bench"):
            unreadable = sum(1 for p in db.session.execute(select(UnitContact.phone)).scalars() if len(p) != 11)
    rate = count / report.seconds
    print(f"{count} rows in {report.seconds:.1f} s: {rate:.0f} rows/s, 1,000,000 rows in {1_000_000 / rate:.0f} s")
    print(f"{during} writes by {writers} processes meanwhile, {wrong.value} errors, {unreadable} unreadable rows")
    print(f"under which key: {dict(under['unit_contact.phone'])}")
    return int(bool(wrong.value or unreadable or set(under["unit_contact.phone"]) != {report.key}))


def main() -> int:
    """Start the stores, measure, stop them."""
    parser = argparse.ArgumentParser(prog="python -m bench.key_rotation", description="更换密钥的速度")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--writers", type=int, default=2)
    given = parser.parse_args()
    with own_servers(durable=True) as own:
        os.environ["DATABASE_URL"] = own.create("keys")
        return measure(given.rows, given.writers)


if __name__ == "__main__":
    sys.exit(main())
