"""The font of all paper and the two that stand in for characters it lacks, registered once per process.

The main file is loaded on first use (about 0.15 s) and then shared by all threads and inherited by forked workers;
the small ones follow when a text first needs them. reportlab embeds only the glyphs a document uses.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import Any

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

FONT_NAME = "NotoSansSC"
FONT_FOLDER = Path(__file__).parent / "fonts"
FONT_PATH = FONT_FOLDER / "NotoSansSC_400Regular.ttf"
RARE = ("QuanhengRareHan", "QuanhengRareSigns")
"""What stands in, in this order: rare Han characters of names (𠮷), then signs (CO₂, m⁻¹, ⌀)."""

_CMAP_BEYOND_BMP = re.compile(r"<([0-9A-F]{5,6})>")

_lock = threading.Lock()
_font: TTFont | None = None
_rare: tuple[TTFont, ...] = ()
_widths: dict[str, float] = {}
"""Thousandths of the type size, by character of the main font: looked up for every character of every line."""


class _Font(TTFont):
    """A TrueType font whose text can be copied and searched, rare characters included.

    reportlab 5.1 writes code points above U+FFFF as five hex digits into the ToUnicode
    table, where PDF (ISO 32000-1, 9.10.3) wants UTF-16: 𬭸 would be read back as ⲷ.
    """

    def addObjects(self, doc: Any) -> None:  # noqa: N802 - reportlab's name
        """Add the font's objects to `doc`, then correct its ToUnicode tables."""
        super().addObjects(doc)
        for name, item in doc.idToObject.items():
            if name.startswith("toUnicodeCMap:"):
                item.content = _CMAP_BEYOND_BMP.sub(_as_utf16, item.content)


def _as_utf16(match: re.Match[str]) -> str:
    return f"<{chr(int(match[1], 16)).encode('utf-16-be').hex().upper()}>"


def _renew_lock() -> None:
    """Give a forked child a free lock: the parent may have held the old one."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


def load_font() -> TTFont:
    """Return the main font, loading it on the first call.

    Raises `reportlab.pdfbase.ttfonts.TTFError` if the file is missing or broken.
    """
    global _font
    if _font is None:
        with _lock:
            # Registering twice would swap the font under a document half written.
            if _font is None:
                font = _registered(FONT_NAME, FONT_PATH)
                _widths.update({chr(code): width for code, width in font.face.charWidths.items()})
                _font = font
    return _font


def _registered(name: str, path: Path) -> TTFont:
    font = _Font(name, str(path))
    pdfmetrics.registerFont(font)
    return font


def _stand_ins() -> tuple[TTFont, ...]:
    global _rare
    if not _rare:
        with _lock:
            if not _rare:
                _rare = tuple(_registered(name, FONT_FOLDER / f"{name}.ttf") for name in RARE)
    return _rare


def _font_of(char: str) -> TTFont:
    """The first font that has the character; the main one, with its empty box, when none has."""
    main = load_font()
    if char in _widths:
        return main
    return next((font for font in _stand_ins() if ord(char) in font.face.charToGlyph), main)


def runs(text: str) -> list[tuple[str, str]]:
    """`text` cut where the font changes: (name of the font, part), nearly always one."""
    load_font()
    if _widths.keys() >= set(text):
        return [(FONT_NAME, text)]
    found: list[tuple[str, str]] = []
    for char in text:
        name = _font_of(char).fontName
        if found and found[-1][0] == name:
            found[-1] = (name, found[-1][1] + char)
        else:
            found.append((name, char))
    return found


def text_width(text: str, size: float) -> float:
    """Width of `text` in points when set at `size` points."""
    load_font()
    try:
        return sum([_widths[char] for char in text]) * size / 1000
    except KeyError:
        return sum(_width_of(char) for char in text) * size / 1000


def _width_of(char: str) -> float:
    face = _font_of(char).face
    return float(face.charWidths.get(ord(char), face.defaultWidth))


def missing_characters(text: str) -> str:
    """Characters of `text` that no font can draw, each once, in order of appearance.

    Paper would show an empty box for them, so a caller can warn beforehand.
    """
    load_font()
    return "".join(char for char in dict.fromkeys(text) if char >= " " and not _drawn(char))


def _drawn(char: str) -> bool:
    return char in _widths or any(ord(char) in font.face.charToGlyph for font in _stand_ins())
