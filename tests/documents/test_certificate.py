"""Certificates are read back from the PDF and judged by what a reader gets."""

import hashlib
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from pypdf import PdfReader

from app.documents.certificate import render_certificate
from app.documents.fonts import missing_characters, text_width
from app.documents.layout import LEFT, PAGE_HEIGHT, RIGHT
from tests.documents.samples import PASSED, REJECTED, long_facts


def rendered(facts):
    out = io.BytesIO()
    render_certificate(facts, out)
    return out.getvalue()


def reader(facts):
    return PdfReader(io.BytesIO(rendered(facts)))


def squeezed(page):
    return "".join(page.extract_text().split())


def whole_text(facts):
    return "".join(squeezed(page) for page in reader(facts).pages)


def drawn_texts(page):
    """(x, y, size, text) of every line the page shows.

    A line whose characters come from several font subsets is reported in parts that
    all carry the line's starting point, so parts of one point are joined.
    """
    lines = {}

    def visit(text, cm, tm, font, size):
        for part in text.split("\n"):
            if part.strip():
                key = (round(tm[4] + cm[4], 3), round(tm[5] + cm[5], 3), size)
                lines[key] = lines.get(key, "") + part

    page.extract_text(visitor_text=visit)
    return [(x, y, size, line) for (x, y, size), line in lines.items()]


def test_cover_and_inner_page_carry_every_fact():
    text = whole_text(PASSED)
    for field, value in vars(PASSED).items():
        if isinstance(value, str) and value and field != "kind":
            assert "".join(value.split()) in text, field
    for row in PASSED.readings + tuple(tuple(vars(s).values()) for s in PASSED.standards):
        for value in row:
            assert "".join(value.split()) in text
    for words in ("检定证书", "2026年11月20日", "2027年5月19日", "检定专用章", "第1页共2页", "第2页共2页"):
        assert words in text


@pytest.mark.parametrize("char", "䶮𬭸龘㛃℃Ω±Ⅲ")
def test_rare_characters_are_drawn_and_can_be_searched(char):
    assert missing_characters(char) == ""
    assert char in whole_text(replace(PASSED, client=f"测{char}试", verifier="", checker="", approver=""))


def test_missing_characters_are_named_once():
    assert missing_characters("秤🙂a🙂\n") == "🙂"


def test_every_font_is_an_embedded_truetype_subset():
    for page in reader(PASSED).pages:
        fonts = page["/Resources"]["/Font"]
        assert fonts
        for font in fonts.values():
            font = font.get_object()
            assert font["/Subtype"] == "/TrueType"
            assert "+NotoSansSC" in font["/BaseFont"]
            assert len(font["/FontDescriptor"]["/FontFile2"].get_data()) > 1000


def test_metadata_name_the_document():
    pdf = reader(PASSED)
    assert pdf.metadata.title == f"检定证书 {PASSED.number}"
    assert pdf.metadata.author == PASSED.institute_name
    assert pdf.metadata.creation_date.date() == PASSED.issued_on
    assert pdf.trailer["/Root"]["/Lang"] == "zh-CN"


def test_rejection_has_no_validity_and_forbids_use():
    text = whole_text(replace(REJECTED, valid_until=PASSED.valid_until))
    cover = squeezed(reader(REJECTED).pages[0])
    assert "检定结果通知书" in cover
    assert "不合格" in cover
    assert "铅封缺失" in cover
    assert "修理并重新检定合格前不得使用" in cover
    assert "复检" in cover
    assert "2027年5月19日" not in text
    assert "检定证书" not in text


def test_empty_values_print_as_a_slash():
    facts = replace(PASSED, measuring_range="", manufacturer=" ", valid_until=None, standards=(), readings=())
    text = squeezed(reader(facts).pages[0])
    assert "制造单位：/" in text
    assert "测量范围：/" in text
    assert "有效期至：/" in text


def test_same_facts_give_the_same_bytes_in_another_process():
    code = (
        "import io,hashlib;from tests.documents.samples import PASSED;"
        "from app.documents.certificate import render_certificate as r;"
        "o=io.BytesIO();r(PASSED,o);print(hashlib.sha256(o.getvalue()).hexdigest())"
    )
    root = Path(__file__).parents[2]
    other = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    first = rendered(PASSED)
    rendered(REJECTED)
    assert first == rendered(PASSED)
    assert other.stdout.strip() == hashlib.sha256(first).hexdigest()
    assert first != rendered(replace(PASSED, serial_no="X"))


@pytest.mark.parametrize("factor", [1, 3, 8, 40])
def test_long_texts_stay_inside_the_margins_and_nothing_is_lost(factor):
    facts = long_facts(factor)
    pages = reader(facts).pages
    for page in pages:
        for x, y, size, line in drawn_texts(page):
            assert x >= LEFT - 1, line
            assert x + text_width(line.strip(), size) <= RIGHT + 1, line
            assert 15 <= y <= PAGE_HEIGHT - 15, line
    text = "".join(squeezed(page) for page in pages)
    # Values may be broken by a page's head and foot, so count the mark each repeat carries.
    assert text.count("ABC-123/") >= 15 * factor * 0.9


def test_rows_do_not_overlap():
    for page in reader(long_facts(3)).pages:
        placed = sorted(drawn_texts(page), key=lambda item: (-item[1], item[0]))
        for i, (x1, y1, size1, line1) in enumerate(placed):
            end1 = x1 + text_width(line1.strip(), size1)
            for x2, y2, size2, line2 in placed[i + 1 :]:
                if y1 - y2 < min(size1, size2) * 0.8:
                    assert x2 >= end1 - 1 or x2 + text_width(line2.strip(), size2) <= x1 + 1, (line1, line2)


def test_results_break_over_pages_with_the_heading_repeated():
    facts = replace(PASSED, readings=tuple((f"项目{n:03d}", "合格", "—") for n in range(120)))
    pages = reader(facts).pages
    texts = [squeezed(page) for page in pages]
    assert len(pages) >= 5
    for number, text in enumerate(texts, start=1):
        assert f"第{number}页共{len(pages)}页" in text
        if "项目" in text and number > 1 and "合格—" in text:
            assert "序号检定项目检定结果技术要求" in text
    whole = "".join(texts)
    assert all(whole.count(f"项目{n:03d}") == 1 for n in range(120))
    assert whole.count("以下空白") == 1


def test_twenty_certificates_keep_memory_flat():
    for n in range(3):
        rendered(replace(PASSED, serial_no=f"W{n}"))
    before = psutil.Process().memory_info().rss
    for n in range(20):
        rendered(replace(PASSED, serial_no=f"N{n}"))
    assert psutil.Process().memory_info().rss - before < 8 * 2**20
