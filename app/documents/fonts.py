"""The one font of all paper, registered once per process.

The file is loaded on first use (about 0.15 s) and then shared by all threads and
inherited by forked workers. reportlab embeds only the glyphs a document uses.
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
FONT_PATH = Path(__file__).parent / "fonts" / "NotoSansSC_400Regular.ttf"

_CMAP_BEYOND_BMP = re.compile(r"<([0-9A-F]{5,6})>")

_lock = threading.Lock()
_font: TTFont | None = None


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
    """Return the registered font, loading it on the first call.

    Raises `reportlab.pdfbase.ttfonts.TTFError` if the file is missing or broken.
    """
    global _font
    if _font is None:
        with _lock:
            # Registering twice would swap the font under a document half written.
            if _font is None:
                font = _Font(FONT_NAME, str(FONT_PATH))
                pdfmetrics.registerFont(font)
                _font = font
    return _font


def text_width(text: str, size: float) -> float:
    """Width of `text` in points when set at `size` points."""
    face = load_font().face
    widths, default = face.charWidths, face.defaultWidth
    return sum(widths.get(ord(char), default) for char in text) * size / 1000


def missing_characters(text: str) -> str:
    """Characters of `text` the font cannot draw, each once, in order of appearance.

    Paper would show an empty box for them, so a caller can warn beforehand.
    """
    glyphs = load_font().face.charToGlyph
    return "".join(char for char in dict.fromkeys(text) if char >= " " and ord(char) not in glyphs)
