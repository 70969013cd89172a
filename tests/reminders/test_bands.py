"""One band per instrument and day: the function, the SQL expression and every list condition against a naive second
computation written from the manuals, with the boundary days of each manual."""

from __future__ import annotations

import random
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import case, insert, select, text

from app import profiles
from app.operations.band import (
    LABELS,
    TONES,
    Band,
    band_condition,
    band_expression,
    band_of,
    band_of_row,
    bands_of_scheme,
    meaning,
    scheme,
    tab_label,
    tabs_of_scheme,
)
from models import Instrument
from tests.world import category

PROFILES = ("hohhot", "national", "zhejiang", "guangdong", "bayannur", "all")
TODAY = date(2027, 3, 1)
DATES = (TODAY, date(2026, 12, 31), date(2028, 2, 29))
ROWS = 10_000


def naive(name, row, today):
    """Word for word from the manuals, without the product's ladder."""
    if row["state"] != "in_use" or row["compulsory"] is False:
        return "quiet"
    if row["last_result"] == "fail":
        return "failed"
    until, filed, verified = row["valid_until"], row["filed_on"], row["verified_on"]
    if name == "guangdong" and filed is not None:
        covered = until is not None and until >= filed
        since = verified is not None and verified >= filed
        if not covered and not since:
            days = (today - filed).days
            if days <= 10:
                return "due"
            return "overdue" if days <= 30 else "invalid"
    if until is None:
        if row["last_result"] is not None:
            return "good"
        return "overdue" if name == "zhejiang" else "never"
    left = (until - today).days
    if name == "zhejiang":
        if left < 0:
            return "overdue"
        return "due" if left <= 20 else "notice" if left <= 40 else "good"
    if name == "guangdong":
        if left < -30:
            return "invalid"
        return "overdue" if left < 0 else "due" if left <= 30 else "good"
    ahead = 15 if name == "hohhot" else 30
    return "overdue" if left < 0 else "due" if left <= ahead else "good"


@pytest.fixture(params=PROFILES)
def profile(request, app, monkeypatch, context):
    monkeypatch.setitem(app.config, "PROFILE", request.param)
    return request.param


def test_ten_thousand_rows_of_six_profiles_on_three_days(app, session, monkeypatch):
    """0 differences: function, expression and the conditions, of which each row meets exactly one (I-17)."""
    rows = seeded(session)
    differences = compared = 0
    for name in PROFILES:
        monkeypatch.setitem(app.config, "PROFILE", name)
        for today in DATES:
            said = by_sql(session, today)
            for row in rows:
                expected = naive(name, row, today)
                one = band_of_row(SimpleNamespace(**row), today).value
                bands = said[row["serial_no"]]
                differences += (one, bands) != (expected, (expected, [expected]))
                compared += 1
    session.rollback()
    assert compared == ROWS * len(PROFILES) * len(DATES)
    assert differences == 0


def seeded(session):
    """Rows around every boundary, written past the ledger's own rules, as they may stand there after years."""
    luck = random.Random(20261121)
    session.execute(text("SET LOCAL session_replication_role = replica"))  # no unit of their own: foreign keys rest
    near = [d + s for d in (0, 1, -1, 10, 15, 20, 21, 30, 31, 40, 41, -10, -11, -20, -30, -31) for s in (-1, 0, 1)]

    def day(base):
        return base + timedelta(days=luck.choice(near) if luck.random() < 0.8 else luck.randint(-400, 400))

    states = ("in_use",) * 8 + ("unfiled", "filing", "suspended", "scrapped", "former")
    rows = []
    for number in range(ROWS):
        base = luck.choice(DATES)
        rows.append(
            {
                "state": luck.choice(states),
                "compulsory": luck.random() < 0.9,
                "last_result": luck.choice((None, None, "pass", "pass", "pass", "fail")),
                "valid_until": luck.choice((None, day(base), day(base), day(base))),
                "filed_on": luck.choice((None, day(base), day(base - timedelta(days=20)))),
                "verified_on": luck.choice((None, day(base - timedelta(days=20)), day(base))),
                "serial_no": f"BAND{number:05d}",
            }
        )
    kind = category().id
    more = {
        "unit_id": -1,
        "category_id": kind,
        "name": "秤",
        "use_division": "440103",
        "place": "1号",
        "purpose": "trade",
        "delivery_mode": "onsite",
        "search_text": "",
        "version": 1,
    }
    session.execute(insert(Instrument), [{**row, **more, "dup_key": row["serial_no"]} for row in rows])
    return rows


def by_sql(session, today):
    """{serial: (the expression, the conditions that hold)}."""
    names = list(Band)
    flags = [case((band_condition(b, today), True), else_=False).label(b.value) for b in names]
    statement = select(Instrument.serial_no, band_expression(today), *flags).where(Instrument.unit_id == -1)
    found = session.execute(statement.execution_options(unscoped=True)).all()
    return {row[0]: (row[1], [b.value for b, flag in zip(names, row[2:], strict=True) if flag]) for row in found}


def band(days, **more):
    return band_of("in_use", "pass", TODAY + timedelta(days=days), TODAY, **more)


@pytest.mark.feature("WRN-01", "WRN-08")
def test_hohhot_fifteen_days(app, monkeypatch, context):
    monkeypatch.setitem(app.config, "PROFILE", "hohhot")
    assert [band(d) for d in (16, 15, 0, -1, -400)] == ["good", "due", "due", "overdue", "overdue"]
    assert tabs_of_scheme() == (Band.DUE, Band.OVERDUE, Band.FAILED)


@pytest.mark.feature("WRN-02", "LED-23")
@pytest.mark.parametrize("name", ["national", "bayannur", "all"])
def test_yellow_thirty_days_and_red(app, monkeypatch, context, name):
    monkeypatch.setitem(app.config, "PROFILE", name)
    assert [band(d) for d in (31, 30, 0, -1)] == ["good", "due", "due", "overdue"]
    assert [(TONES[b], LABELS[b]) for b in (Band.DUE, Band.OVERDUE)] == [("warn", "即将到期"), ("danger", "已超期")]


@pytest.mark.feature("WRN-03", "LED-23")
def test_zhejiang_three_colours(app, monkeypatch, context):
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    words = [LABELS[band(d)] for d in (40, 21, 20, 0, -1)]
    assert words == ["提示", "提示", "预警", "预警", "警示"]
    assert band(41) is Band.GOOD
    assert LABELS[band_of("in_use", None, None, TODAY)] == "警示"
    assert [TONES[b] for b in (Band.NOTICE, Band.DUE, Band.OVERDUE)] == ["ok", "warn", "danger"]
    assert meaning(Band.OVERDUE) == "警示（已经超期或无检定记录）"
    assert [tab_label(b) for b in tabs_of_scheme()] == ["提示", "预警", "警示", "不合格"]


@pytest.mark.feature("WRN-04")
def test_guangdong_two_clocks(app, monkeypatch, context):
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    expected = {0: "须检", 10: "须检", 11: "超期未检", 30: "超期未检", 31: "无效"}
    for days, word in expected.items():
        filed = TODAY - timedelta(days=days)
        assert LABELS[band_of("in_use", None, None, TODAY, filed_on=filed)] == word, days
        assert LABELS[band_of("in_use", None, None, TODAY, filed_on=filed, verified_on=filed - timedelta(1))] == word
        after = band_of("in_use", "pass", TODAY + timedelta(300), TODAY, filed_on=filed, verified_on=filed)
        assert after is Band.GOOD, "a verification ends clock F"
    old = {"filed_on": TODAY - timedelta(days=900), "verified_on": TODAY - timedelta(days=400)}
    words = [LABELS[band(d, **old)] for d in (30, 0, -1, -30, -31)]
    assert words == ["须检", "须检", "超期未检", "超期未检", "无效"]
    assert band(31, **old) is Band.GOOD
    assert [tab_label(b) for b in tabs_of_scheme()] == ["须检仪器", "超期未检", "无效仪器", "不合格"]


def test_quiet_ones(profile):
    for state in ("unfiled", "filing", "suspended", "scrapped", "former", "merged"):
        assert band_of(state, None, TODAY - timedelta(days=5), TODAY) is Band.QUIET
    assert band_of("in_use", None, TODAY, TODAY, compulsory=False) is Band.QUIET
    assert band_of("in_use", "fail", TODAY - timedelta(days=90), TODAY) is Band.FAILED


def test_every_band_has_its_word_and_tone(profile):
    for one in Band:
        assert LABELS[one]
        assert TONES[one] in {"ok", "warn", "danger", "muted"}
    assert Band.GOOD in bands_of_scheme()
    assert set(tabs_of_scheme()) <= set(bands_of_scheme())


def test_a_number_changed_changes_the_band(app, monkeypatch, context):
    monkeypatch.setitem(app.config, "PROFILE", "hohhot")
    assert band(18) is Band.GOOD
    wider = {**profiles.profile()["reminder"], "yellow_days": 20}
    assert band(18, rules=scheme(wider)) is Band.DUE
