"""Changing the key while people work: nobody notices, nothing is lost, nothing stays under the old key (TRUST 4 c)."""

from __future__ import annotations

import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import create_engine, delete, select, text

from app import filestore
from app.access.principal import as_system
from app.errors import ConflictError
from app.operations import key_rotation
from app.workflow.outgoing import enqueue_sms
from models import Account, Outbox, UnitContact
from models.base import db, metadata
from models.types import KEY_FILE, Encrypted, _secrets, key_of, newest_key, seal, unseal


@pytest.fixture
def secrets_dir(app, tmp_path):
    """A key folder of this test's own; afterwards everything stands under the first key again."""
    before = app.config["SECRETS_DIR"]
    app.config["SECRETS_DIR"] = str(tmp_path / "secrets")
    app.extensions.pop("key_ring", None)
    yield tmp_path / "secrets"
    with app.app_context():
        _back_to_the_first_key(app)
        db.session.remove()
    app.config["SECRETS_DIR"] = before
    app.extensions.pop("key_ring", None)


def _back_to_the_first_key(app):
    """Other tests of this run read the same database with the deployment's own folder."""
    ring = dict(_secrets())
    for place in key_rotation.places():
        bare = key_rotation._bare(place)
        with db.engine.begin() as connection:
            for row in connection.execute(select(bare).where(key_rotation._stale(place, "k1"))).all():
                plain = _under_first(app, ring, row[-1])
                keys = " AND ".join(f"{k} = :{k}" for k in place.keys)
                value = "CAST(:value AS jsonb)" if place.json else ":value"
                connection.execute(
                    text(f"UPDATE {place.table} SET {place.column} = {value} WHERE {keys}"),
                    {**dict(zip(place.keys, row[:-1], strict=True)), "value": plain},
                )
    files = [(d, filestore.read(d)) for d in filestore.kept_files() if filestore.key_of_file(d) not in {"", "k1"}]
    for file in Path(app.config["SECRETS_DIR"]).glob(f"{KEY_FILE}*"):
        file.unlink()
    app.extensions["key_ring"] = {"k1": ring["k1"]}
    for digest, data in files:
        filestore.remove(digest)
        filestore.put(data, private=True)


def _under_first(app, ring, value):
    import json

    def again(inner):
        if isinstance(inner, str) and key_rotation.SEALED.fullmatch(inner):
            app.extensions["key_ring"] = ring
            plain = unseal(inner)
            app.extensions["key_ring"] = {"k1": ring["k1"]}
            folder, app.config["SECRETS_DIR"] = app.config["SECRETS_DIR"], "/nonexistent"
            try:
                return seal(plain)
            finally:
                app.config["SECRETS_DIR"], app.extensions["key_ring"] = folder, ring
        if isinstance(inner, dict):
            return {k: again(v) for k, v in inner.items()}
        return [again(v) for v in inner] if isinstance(inner, list) else inner

    return again(value) if isinstance(value, str) else json.dumps(again(value))


def contacts(world, count: int) -> list[int]:
    with as_system("test"):
        rows = [UnitContact(unit_id=world.units["ua1"], name="李四", phone=f"1350000{n:04d}") for n in range(count)]
        db.session.add_all(rows)
        db.session.commit()
        return [r.id for r in rows]


def test_every_encrypted_column_is_found(app):
    declared = {
        f"{t.name}.{c.name}" for t in metadata.sorted_tables for c in t.columns if isinstance(c.type, Encrypted)
    }
    assert declared == {p.name for p in key_rotation.places() if not p.json}
    assert {"account.phone", "unit_contact.phone", "appointment.contact_phone"} <= declared
    assert "outbox.payload" in {p.name for p in key_rotation.places()}


def test_a_rotation_while_others_write_loses_nothing(app, world, secrets_dir, session):
    ids = contacts(world, 1200)
    enqueue_sms(session, "13511112222", "您好", key="rotation")
    digest = filestore.put(b"%PDF-private", private=True)
    session.commit()
    errors: list[BaseException] = []
    written: dict[int, str] = {}
    stop, begun = threading.Event(), threading.Event()

    def writer(offset: int) -> None:
        """Somebody who goes on changing numbers; an application context of its own, the ring of the same process."""
        n = 0
        with app.app_context(), as_system("test writer"):
            while not stop.is_set():
                pk = ids[(offset + n * 7) % 300 + offset * 300]
                try:
                    row = db.session.get(UnitContact, pk)
                    row.phone = f"136{offset}{n % 10_000_000:07d}"
                    db.session.commit()
                    written[pk] = row.phone
                except BaseException as error:  # noqa: BLE001 - the test counts whatever goes wrong
                    errors.append(error)
                    return
                n += 1
                begun.set()
            db.session.remove()

    threads = [threading.Thread(target=writer, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    begun.wait(5)
    report = key_rotation.rotate(db.engine)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert errors == []
    assert report.key == "k2"
    assert report.unreadable == {}
    assert len(written) > 20
    session.rollback()
    with as_system("test"):
        for pk, phone in written.items():
            assert session.get(UnitContact, pk, populate_existing=True).phone == phone
        for pk in ids:
            assert session.get(UnitContact, pk).phone.startswith("13")
    under = key_rotation.standing(db.engine)
    assert {key for counts in under.values() for key in counts} == {"k2"}
    assert under["unit_contact.phone"]["k2"] >= 1200
    assert under["outbox.payload"]["k2"] >= 1
    assert filestore.key_of_file(digest) == "k2"
    assert filestore.read(digest) == b"%PDF-private"
    with as_system("test"):
        waiting = session.scalar(select(Outbox.payload).where(Outbox.key == "sms:rotation"))
        assert "13511112222" in unseal(waiting["sealed"])
        session.execute(delete(Outbox).where(Outbox.key == "sms:rotation"))
        session.execute(delete(UnitContact).where(UnitContact.id.in_(ids)))
        session.commit()
    print(f"{sum(report.rows.values())} values, {report.files} files in {report.seconds:.1f} s")


def test_the_key_file_is_the_services_alone(app, world, secrets_dir, session):
    name = key_rotation.make_key()
    file = secrets_dir / f"{KEY_FILE}{name}"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text()) == 64
    assert [p.name for p in secrets_dir.iterdir()] == [file.name]


def test_a_process_that_started_before_goes_on(app, world, secrets_dir, session):
    """Its ring knows k1 only: it must read what stands under k2, and must not go on sealing under k1."""
    old = dict(app.extensions.setdefault("key_ring", {"k1": app.config["PERSONAL_DATA_KEY"]}))
    key_rotation.rotate(db.engine)
    app.extensions["key_ring"] = dict(old)
    with as_system("test"):
        account = session.get(Account, world.people["ua1"], populate_existing=True)
        assert account.phone.startswith("139")
    app.extensions["key_ring"] = dict(old)
    assert key_of(seal("13800000000")) == "k2"


def test_an_interrupted_rotation_goes_on(app, world, secrets_dir, session):
    contacts(world, 20)
    key_rotation.make_key()
    assert "k1" in key_rotation.standing(db.engine)["unit_contact.phone"]
    report = key_rotation.rotate(db.engine, new_key=False)
    assert report.key == newest_key() == "k2"
    again = key_rotation.rotate(db.engine, new_key=False)
    assert sum(again.rows.values()) == 0


def test_two_rotations_at_once(app, world, secrets_dir, session):
    other = create_engine(db.engine.url)
    try:
        with other.connect() as holder:
            holder.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key_rotation.LOCK})
            with pytest.raises(ConflictError, match="另一个更换密钥"):
                key_rotation.rotate(db.engine)
    finally:
        other.dispose()


def test_what_only_looks_sealed_does_not_stop_it(app, world, secrets_dir, session):
    with as_system("test"):
        session.add(Outbox(channel="job", key="job:looks", payload={"note": "k1." + "A" * 60}))
        session.commit()
    try:
        report = key_rotation.rotate(db.engine)
        assert report.unreadable == {"outbox.payload": 1}
    finally:
        with as_system("test"), suppress(Exception):
            session.execute(delete(Outbox).where(Outbox.key == "job:looks"))
            session.commit()
