"""Rare characters: drawn by the main font or a stand-in, embedded, found again by whoever searches the file."""

import io
import shutil
import subprocess
from dataclasses import replace

import pypdfium2
import pytest
from pypdf import PdfReader

from app.documents.certificate import render_certificate
from app.documents.fonts import FONT_NAME, RARE, load_font, missing_characters, runs, text_width
from tests.documents.samples import PASSED

RARE_TEXT = "㎡Ω℃𠮷镕䶮𬭸龘㛃𫖯𬱖㎥Ⅲ①‰CO₂m⁻¹⌀"
PDFTOTEXT = shutil.which("pdftotext")


@pytest.fixture(scope="module")
def paper():
    out = io.BytesIO()
    facts = replace(PASSED, client=f"内蒙古{RARE_TEXT}公司", instrument_name="𠮷𠮷牌秤", place="镕基路2号㎡")
    render_certificate(facts, out)
    return out.getvalue()


def test_no_character_is_missing():
    assert missing_characters(RARE_TEXT) == ""
    assert missing_characters("秤🙂𠮷") == "🙂"


def test_text_is_cut_where_the_font_changes():
    assert runs("检定证书 ACS-30 ℃") == [(FONT_NAME, "检定证书 ACS-30 ℃")]
    assert runs("大𠮷𠮷秤⌀5") == [
        (FONT_NAME, "大"),
        (RARE[0], "𠮷𠮷"),
        (FONT_NAME, "秤"),
        (RARE[1], "⌀"),
        (FONT_NAME, "5"),
    ]
    assert "".join(part for _font, part in runs(RARE_TEXT)) == RARE_TEXT


def test_widths_add_up_over_fonts():
    assert text_width("𠮷", 10) == pytest.approx(10, abs=0.5)
    parts = sum(text_width(char, 10) for char in RARE_TEXT)
    assert text_width(RARE_TEXT, 10) == pytest.approx(parts)


def test_every_common_character_is_in_the_main_font():
    """GB 2312 and GBK whole: the stand-ins are for the truly rare."""
    glyphs = load_font().face.charToGlyph
    hanzi = [bytes([high, low]).decode("gbk", "ignore") for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF)]
    assert [char for char in hanzi if char and ord(char) not in glyphs and not 0xE000 <= ord(char) < 0xF900] == []


def test_every_font_of_the_paper_is_an_embedded_subset(paper):
    names = set()
    for page in PdfReader(io.BytesIO(paper)).pages:
        for font in page["/Resources"]["/Font"].values():
            font = font.get_object()
            names.add(font["/BaseFont"].split("+")[1])
            assert len(font["/FontDescriptor"]["/FontFile2"].get_data()) > 500
    assert len(names) == 3
    assert len(paper) < 120_000


def test_rare_characters_can_be_searched_by_three_readers(paper):
    texts = ["".join("".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(paper)).pages)]
    document = pypdfium2.PdfDocument(paper)
    texts.append("".join("".join(page.get_textpage().get_text_range().split()) for page in document))
    if PDFTOTEXT:
        said = subprocess.run([PDFTOTEXT, "-", "-"], input=paper, capture_output=True, check=True).stdout.decode()
        texts.append("".join(said.split()))
    for text in texts:
        for words in (f"内蒙古{RARE_TEXT}公司", "𠮷𠮷牌秤", "镕基路2号㎡"):
            assert words in text


@pytest.mark.parametrize("char", RARE_TEXT)
def test_each_rare_character_leaves_ink_that_is_no_empty_box(char):
    shapes = [_ink(text) for text in (char, "🙂")]  # the second is missing on purpose: the box of the main font
    assert shapes[0].getbbox() is not None
    assert shapes[0].tobytes() != shapes[1].tobytes()


def _ink(text):
    """The picture of one character, dark on light, turned round so that getbbox finds the ink."""
    from PIL import ImageOps

    from app.documents.layout import open_canvas
    from app.documents.layout import text as draw

    out = io.BytesIO()
    canvas = open_canvas(out, title="", author="", subject="", day=PASSED.issued_on)
    draw(canvas, 100, 700, text, 24)
    canvas.save()
    page = pypdfium2.PdfDocument(out.getvalue())[0]
    return ImageOps.invert(page.render(scale=1).to_pil().convert("L"))


def test_the_paper_is_a4(paper):
    for page in pypdfium2.PdfDocument(paper):
        assert page.get_size() == pytest.approx((595.28, 841.89), abs=0.1)
