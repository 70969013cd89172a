"""Deep pages and last pages: by arithmetic, by the statement's shape and by comparison with the plain order."""

from __future__ import annotations

import pytest

from app.fab.interface import PGInterface
from app.fab.paging import CappedInt, Pager, Window, window
from tests.fab.toy import ToyDevice


@pytest.mark.parametrize(
    ("page", "size", "count", "want"),
    [
        (0, 25, 60, Window(0, 25)),
        (1, 25, 60, Window(10, 25, backwards=True)),
        (2, 25, 60, Window(0, 10, backwards=True)),
        (-1, 25, 60, Window(0, 10, backwards=True)),
        (9, 25, 60, Window(225, 25)),
        (399, 25, CappedInt(10_000), Window(9975, 25)),
        (-1, 25, CappedInt(10_000), Window(0, 25, backwards=True)),
        (-3, 25, CappedInt(10_000), Window(50, 25, backwards=True)),
        (0, 25, 0, Window(0, 25)),
    ],
)
def test_window(page, size, count, want):
    assert window(page, size, count) == want


@pytest.mark.parametrize("size", [1, 7, 25, 60, 200])
def test_pages_together_are_the_whole_order(app, size):
    with app.test_request_context():
        data = PGInterface(ToyDevice)
        whole = [
            d.id
            for d in app.toy_db.session.query(ToyDevice).order_by(ToyDevice.valid_until.desc(), ToyDevice.id.desc())
        ]
        got = [d.id for page in range(-(-60 // size)) for d in data.query(None, "valid_until", "desc", page, size)[1]]
        assert got == whole


def test_capped_count_and_last_page_from_the_end(app, monkeypatch, statements):
    monkeypatch.setattr(PGInterface, "COUNT_CAP", 40)
    with app.test_request_context():
        data = PGInterface(ToyDevice)
        count, rows = data.query(None, "id", "asc", -1, 25)
    assert str(count) == "40+"
    assert [r.id for r in rows] == list(range(36, 61))
    assert any("LIMIT" in s and "count(*)" in s for s in statements)
    page = next(s for s in statements if "ORDER BY" in s)
    assert "ORDER BY toy_device.id DESC" in page
    assert "OFFSET" not in page


def test_deep_page_walks_keys_only(app, monkeypatch, statements):
    monkeypatch.setattr("app.fab.paging.DEEP_OFFSET", 10)
    monkeypatch.setattr(PGInterface, "COUNT_CAP", 50)
    with app.test_request_context():
        rows = PGInterface(ToyDevice).query(None, "valid_until", "asc", 2, 10)[1]
    assert [r.id for r in rows] == list(range(21, 31))
    deep = next(s for s in statements if "page_key" in s)
    inner = deep.split("JOIN (", 1)[1]
    assert inner.startswith("SELECT toy_device.id AS page_key FROM toy_device ORDER BY")
    assert "OFFSET" in inner


def test_pager_of_a_capped_list():
    first, last = Pager(0, 25, CappedInt(10_000), 25), Pager(-1, 25, CappedInt(10_000), 25)
    assert (first.previous, first.next, first.last, first.numbers) == (None, 1, -1, [0, 1, 2])
    assert (last.previous, last.next, last.numbers) == (-2, None, [])
    assert str(CappedInt(10_000)) == "10,000+"


def test_pager_of_an_exact_list():
    pager = Pager(2, 25, 60, 10)
    assert (pager.previous, pager.next, pager.last, pager.numbers) == (1, None, 2, [0, 1, 2])
    assert Pager(-1, 25, 60, 10).current == 2
