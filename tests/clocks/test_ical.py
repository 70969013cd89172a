"""The text of a calendar, read back by a small reader of its own (RFC 5545)."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from app.clock import ZONE
from app.documents.ical import Event, calendar, escape, fold

MADE = datetime(2026, 11, 21, 8, 30, tzinfo=ZONE)


def unfolded(text):
    assert text.endswith("\r\n")
    lines = []
    for line in text[:-2].split("\r\n"):
        assert "\n" not in line
        assert len(line.encode()) <= 75, line
        if line.startswith(" "):
            lines[-1] += line[1:]
        else:
            lines.append(line)
    return lines


def unescape(text):
    found, escaped = "", False
    for c in text:
        if escaped:
            found, escaped = found + ("\n" if c in "nN" else c), False
        elif c == "\\":
            escaped = True
        else:
            assert c not in ";,"
            found += c
    assert not escaped
    return found


def read(text):
    """[(name, params, value)] nested by BEGIN and END; asserts that they match."""
    stack, events = [], []
    for line in unfolded(text):
        head, _, value = line.partition(":")
        name, *params = head.split(";")
        assert name == name.upper()
        if name == "BEGIN":
            stack.append((value, {}))
            if value == "VEVENT":
                events.append(stack[-1][1])
        elif name == "END":
            assert stack.pop()[0] == value
        else:
            stack[-1][1].setdefault(name, []).append((params, value))
    assert stack == []
    return events


def test_a_visit_and_a_day():
    visit = Event(
        "visit-1@example.org",
        datetime(2026, 11, 23, 9, tzinfo=ZONE),
        "送检 20261120;00001, 3台",
        changed=MADE,
        end=datetime(2026, 11, 23, 12, tzinfo=ZONE),
        sequence=4,
        description="第一行\n第二行\\",
        url="https://example.org/appointments/show/1",
        alarm=timedelta(days=1),
    )
    day = Event("deadline-1@example.org", date(2026, 12, 31), "送检期限", changed=MADE)
    text = calendar("平台", [visit, day], made=MADE)
    first, second = read(text)
    assert first["DTSTART"] == [(["TZID=Asia/Shanghai"], "20261123T090000")]
    assert first["DTEND"] == [(["TZID=Asia/Shanghai"], "20261123T120000")]
    assert unescape(first["SUMMARY"][0][1]) == visit.summary
    assert unescape(first["DESCRIPTION"][0][1]) == visit.description
    assert first["SEQUENCE"] == [([], "4")]
    assert first["DTSTAMP"] == [([], "20261121T003000Z")]
    assert second["DTSTART"] == [(["VALUE=DATE"], "20261231")]
    assert second["DTEND"] == [(["VALUE=DATE"], "20270101")], "the end of a whole day is the next one"
    assert text.count("BEGIN:VTIMEZONE") == 1
    assert "TZID:Asia/Shanghai" in text


@pytest.mark.parametrize("seed", range(3))
def test_any_text_survives_folding_and_escaping(seed):
    rng = random.Random(seed)
    signs = "甲乙镕𠮷㎡Ω℃a1,;\\\n\t\"':"
    events = []
    for n in range(300):
        words = "".join(rng.choice(signs) for _ in range(rng.randint(0, 200)))
        events.append(Event(f"e{n}@example.org", date(2026, 1, 1), words, changed=MADE))
    back = read(calendar("平台", events, made=MADE))
    assert [unescape(e["SUMMARY"][0][1]) for e in back] == [e.summary for e in events]


def test_no_character_is_cut_and_control_signs_are_left_out():
    assert "".join(p.removeprefix(" ") for p in fold("检" * 100)) == "检" * 100
    assert list(fold("")) == [""]
    assert list(fold("x" * 75)) == ["x" * 75]
    assert escape("a\x00b\r\nc\x7f") == "ab\\nc"


def test_ten_thousand_events_are_written_quickly_and_read_back():
    events = [
        Event(f"due-{n}@example.org", date(2026, 1, 1) + timedelta(days=n % 400), f"第{n}台，到期", changed=MADE)
        for n in range(10_000)
    ]
    back = read(calendar("平台", events, made=datetime(2026, 11, 21, tzinfo=UTC)))
    assert len({e["UID"][0][1] for e in back}) == 10_000
