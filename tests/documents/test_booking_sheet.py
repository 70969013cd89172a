"""Booking sheets are read back from the PDF."""

import io
from dataclasses import replace

from pypdf import PdfReader

from app.documents.booking_sheet import BookingItem, render_booking_sheet
from app.documents.fonts import text_width
from app.documents.layout import LEFT, RIGHT
from tests.documents.samples import BOOKING
from tests.documents.test_certificate import drawn_texts, squeezed


def rendered(facts):
    out = io.BytesIO()
    render_booking_sheet(facts, out)
    return out.getvalue()


def pages(facts):
    return PdfReader(io.BytesIO(rendered(facts))).pages


def test_sheet_carries_every_fact():
    (page,) = pages(BOOKING)
    text = squeezed(page)
    expected = [BOOKING.number, BOOKING.unit_name, BOOKING.phone_masked, BOOKING.slot_label, "2026-12-01"]
    expected += [value for item in BOOKING.items for value in vars(item).values()] + list(BOOKING.notes)
    for value in [*expected, "2026-11-2014:19", "共2台/件", "第1页共1页"]:
        assert "".join(value.split()) in text, value


def test_many_items_go_over_pages_with_heading_and_number():
    items = tuple(BookingItem(f"压力表{n:03d}", "Y-100", f"{n}", "锅炉房") for n in range(150))
    texts = [squeezed(page) for page in pages(replace(BOOKING, items=items))]
    assert len(texts) >= 4
    for number, text in enumerate(texts, start=1):
        assert f"第{number}页共{len(texts)}页" in text
        assert BOOKING.number in text
        assert ("压力表" in text) == ("计量器具名称" in text)
    assert all("".join(texts).count(f"压力表{n:03d}") == 1 for n in range(150))


def test_long_texts_stay_inside_the_margins():
    name = "特大型" * 60 + "X" * 200
    facts = replace(BOOKING, unit_name=name, number="9" * 90, items=(BookingItem(name * 9, name, name, name),) * 3)
    for page in pages(facts):
        for x, y, size, line in drawn_texts(page):
            assert LEFT - 1 <= x <= RIGHT + 1 - text_width(line.strip(), size), line
            assert y > 15, line


def test_no_items_no_deadline_and_same_bytes():
    facts = replace(BOOKING, items=(), deadline=None, notes=())
    assert "送检期限：/" in squeezed(pages(facts)[0])
    assert rendered(BOOKING) == rendered(BOOKING)
