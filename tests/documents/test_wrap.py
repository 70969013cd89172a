"""Line breaking keeps every character, the width and the rules of punctuation."""

from hypothesis import given
from hypothesis import strategies as st

from app.documents.fonts import text_width
from app.documents.wrap import NOT_AT_START, clean, wrap

MIXED = st.text(alphabet="检定证书合格秤，。（）《》、ABC123-/. ±℃Ω𬭸", max_size=120)


@given(MIXED, st.floats(min_value=30, max_value=400))
def test_lines_fit_and_nothing_is_lost(value, width):
    lines = wrap(value, 10, width)
    assert all(text_width(line, 10) <= max(width, 10) + 0.01 for line in lines)
    assert "".join("".join(lines).split()) == "".join(value.split())


def test_closing_marks_do_not_begin_a_line():
    for width in range(50, 120, 3):
        for line in wrap("检定结果，合格。有效期（至）明年，请按时送检。", 10, width)[1:]:
            assert line[0] not in NOT_AT_START


def test_latin_words_stay_whole_when_they_fit():
    lines = wrap("依据规程文件JJG443-2023进行检定", 10, 75)
    assert any("JJG443-2023" in line for line in lines)
    assert wrap("一" + "X" * 40, 10, 75)[0].startswith("一X")


def test_clean_drops_what_has_no_shape():
    assert clean("a\x00b\u202ec\ud800d\te") == "abcd e"
    assert wrap("一\r\n二", 10, 100) == ["一", "二"]
