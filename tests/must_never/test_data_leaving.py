"""Cases 81–85: what leaves the platform, and what stays in caches."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select
from sqlalchemy import text as sql

from app.access.principal import as_system
from models import Account, Attachment, Unit
from models.base import db
from tests.client import login, post, text, visitor
from tests.world import PASSWORD, filed

ID_NUMBER = re.compile(
    r"(?<![0-9A-Za-z])[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])\d{3}[\dXx](?![0-9A-Za-z])"
)


def personal(session) -> set[str]:
    """Every ID number and phone that the platform keeps, in clear."""
    with as_system("test"):
        people = session.execute(select(Account)).unique().scalars().all()
        units = session.execute(select(Unit)).unique().scalars().all()
        found = {p.id_number for p in people} | {p.phone for p in people} | {u.contact_phone for u in units}
        return {f for f in found | {u.legal_id_number for u in units} if f}


@pytest.mark.must_never(81)
def test_case_81_no_full_number_at_rest_outside_its_sealed_column(app, world, session):
    """Every text and JSON column of every table, read as it lies in the database, after all that the tests did."""
    secrets = personal(session)
    assert len(secrets) > 5
    columns = session.execute(
        sql(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND data_type IN ('text', 'character varying', 'jsonb', 'json', 'ARRAY')"
        )
    ).all()
    # 计量器具编码 (LED-26): place, day and number of an instrument look like somebody's ID number and are nobody's
    told = "SELECT input->'changed'->'code'->>1 FROM transition_log WHERE input->'changed' ? 'code'"
    codes = set(session.execute(sql(f"SELECT code FROM instrument WHERE code IS NOT NULL UNION {told}")).scalars())
    looked, found = 0, []
    for table, column in columns:
        rows = session.execute(
            sql(f'SELECT CAST("{column}" AS text) FROM "{table}" WHERE "{column}" IS NOT NULL')
        ).scalars()
        for value in rows:
            looked += 1
            numbers = set(ID_NUMBER.findall(value)) - codes
            if numbers and column not in {"code", "unit_code", "unified_code"}:
                found.append((table, column, "an ID number"))
            found += [(table, column, "a phone or ID number") for s in secrets if s in value]
    assert found == []
    assert looked > 1_000


@pytest.mark.must_never(81)
def test_case_81_none_in_redis_and_none_in_the_logs(app, world, session, caplog):
    import redis

    secrets = personal(session) | {PASSWORD}
    store = redis.from_url(app.config["REDIS_URL"])
    kept = []
    for key in store.scan_iter(count=1000):
        kind = store.type(key).decode()
        read = {"string": store.get, "hash": store.hgetall, "set": store.smembers}.get(kind)
        value = read(key) if read else store.lrange(key, 0, -1) if kind == "list" else b""
        kept.append(f"{key!r} {value!r}")
    words = "\n".join(kept)
    assert not [s for s in secrets if s in words]
    assert ID_NUMBER.search(words) is None
    with caplog.at_level("DEBUG"):
        client = visitor(app)
        for secret in sorted(secrets)[:3]:
            client.get(f"/no-such-page?phone={secret}")
            post(client, "/login/", {"username": secret, "password": "Falsch-Passwort-99"})
        login(app, world, "ua1").get("/me")
    assert not [s for s in secrets if s in caplog.text]


def seen(address: str, answer) -> tuple[str, int, str, str | None]:
    number = None
    if answer.content_type.startswith(("text/", "application/json")):
        body = re.sub(r'value="\d{18}"', "", text(answer))
        number = found.group() if (found := ID_NUMBER.search(body)) else None
    return address, answer.status_code, answer.headers.get("Cache-Control", ""), number


@pytest.mark.must_never(81)
@pytest.mark.parametrize("who", ["ua1", "recA", "regA1", "imgA", "adm", "aud", "sec"])
def test_case_81_no_page_of_a_row_shows_a_full_id_number(app, world, who):
    """Pages without a row, and all people: tests/rules/test_leaks.py."""
    client = login(app, world, who)
    pages = [f"/accounts/show/{world.people[n]}" for n in ("ua1", "exp", "ind", "aff1")]
    pages += [f"/no-such/{who}", f"/units/show/{world.units['ua1']}"]
    for page in pages:
        assert seen(page, client.get(page))[3] is None, page


@pytest.mark.must_never(83)
@pytest.mark.parametrize("who", ["ua1", "recA", "regA1", "adm", "sec", "ind"])
def test_case_83_nothing_of_a_person_is_kept_by_a_cache(app, world, who):
    """Pages without a row, and all people: tests/rules/test_leaks.py."""
    with app.app_context():
        pk = filed(world, "ua1").id
        db.session.remove()
    client = login(app, world, who)
    pages = [f"/instruments/show/{pk}", f"/api/v1/instruments/{pk}/steps", "/no-such-page", "/instruments/export"]
    assert [page for page in pages if "no-store" not in seen(page, client.get(page))[2]] == []
    assert "Cookie" in client.get("/home/").headers.get("Vary", "")
    post(client, "/logout/")
    assert client.get("/home/").status_code == 302


@pytest.mark.must_never(9, 85)
def test_case_85_a_private_file_has_no_link_that_can_be_passed_on(app, world, session):
    with as_system("test"):
        row = session.execute(select(Attachment).where(Attachment.unit_id == world.units["ua1"]).limit(1)).scalar_one()
        pk = row.id
    own = login(app, world, "ua1")
    answer = own.get(f"/files/{pk}")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for who in ("ua2", "ub1", "recB", "verA", "adm", "aud", "sec", "ind"):
        assert login(app, world, who).get(f"/files/{pk}").status_code == 404, who
    assert visitor(app).get(f"/files/{pk}").status_code == 302
    post(own, "/logout/")
    assert own.get(f"/files/{pk}").status_code == 302
