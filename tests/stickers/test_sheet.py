"""The sheet of stickers: every code reads from a print of 300 dpi, at every size; labels stay inside their lines."""

import io
from datetime import date
from itertools import pairwise

import pypdfium2
import pytest
import zxingcpp
from pypdf import PdfReader

from app.documents.stickers import LABELS, Sticker, grid, render_stickers

DAY = date(2026, 11, 20)


def sticker(n, **more):
    values = {
        "url": f"https://qiangjian.example.gov.cn/v/A1234J2026{n:06d}/7KQ2M9{n % 10}D",
        "name": "燃油加油机",
        "serial_no": f"TQ1907{n:04d}(1枪)",
        "number": f"A1234J2026{n:06d}",
        "verified_on": DAY,
        "valid_until": date(2027, 5, 19),
        "institute": "呼和浩特市计量检定测试所",
    }
    return Sticker(**{**values, **more})


def sheets(stickers, **more):
    out = io.BytesIO()
    count = render_stickers(stickers, out, day=DAY, **more)
    return count, out.getvalue()


def codes(data, dpi=300):
    """What a reader finds on the printed sheets, as one set."""
    found = set()
    for page in pypdfium2.PdfDocument(data):
        picture = page.render(scale=dpi / 72).to_pil().convert("L")
        read = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)
        found |= {code.text for code in read}
    return found


def test_the_usual_sheet_holds_seventy_labels_of_40_by_20():
    assert grid("40x20") == (5, 14)
    assert len(LABELS) == 5


@pytest.mark.parametrize("label", LABELS)
def test_every_code_reads_from_a_300_dpi_print_at_every_size(label):
    columns, rows = grid(label)
    wanted = [sticker(n) for n in range(columns * rows)]
    count, data = sheets(wanted, label=label)
    assert count == 1
    assert codes(data) == {s.url for s in wanted}


def test_a_sheet_begun_earlier_goes_on_where_it_was_left():
    count, data = sheets([sticker(n) for n in range(70)], skip=3)
    assert count == 2
    texts = [page.extract_text() for page in PdfReader(io.BytesIO(data)).pages]
    assert [text.count("有效期至") for text in texts] == [67, 3]
    assert sheets([sticker(0)], skip=70)[0] == 1


def test_long_values_stay_inside_the_label_and_do_not_run_into_each_other():
    long = sticker(1, name="带打印功能的电子计价秤" * 6, serial_no="ABC-123-" * 12, institute="内蒙古自治区" * 12)
    _count, data = sheets([long, sticker(2)], label="40x20")
    words = []
    page = PdfReader(io.BytesIO(data)).pages[0]
    page.extract_text(visitor_text=lambda t, cm, tm, f, s: words.append((tm[4], tm[5], s)) if t.strip() else None)
    mm = 72 / 25.4
    left, bottom = 5 * mm, (297 + 14 * 20) / 2 * mm - 20 * mm
    for x, y, _size in words:
        assert x >= left
        assert y >= bottom, "the last line stands above the lower edge"
    heights = sorted({round(y, 2) for x, y, _s in words if x < left + 40 * mm}, reverse=True)
    assert all(a - b > 3.5 for a, b in pairwise(heights)), heights
    assert "…" in page.extract_text()
    assert codes(data) == {long.url, sticker(2).url}


def test_a_certificate_without_an_end_says_so():
    _count, data = sheets([sticker(1, valid_until=None)])
    assert "见证书" in PdfReader(io.BytesIO(data)).pages[0].extract_text()
