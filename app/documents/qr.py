"""QR codes (ISO/IEC 18004) for web pages and for paper, black on white.

Error correction M: a stamp or a fold over 15 % of the code does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from reportlab.pdfgen.canvas import Canvas

from app.documents.qr_mask import modules_of

_DARK = re.compile("1+")
QUIET_ZONE = 4  # modules of white around the code, as the standard asks


def _runs(text: str) -> tuple[int, Iterator[tuple[int, int, int]]]:
    """Modules per side, and the dark runs as (column, row, length)."""
    rows = modules_of(text)
    return len(rows), ((m.start(), y, m.end() - m.start()) for y, row in enumerate(rows) for m in _DARK.finditer(row))


def qr_svg(text: str, *, title: str) -> str:
    """Inline SVG of a QR code for `text`; `title` is what a screen reader says.

    Carries no style attribute, class or script, so a strict Content-Security-Policy
    lets it through; size it from the style sheet of the page.
    Raises `segno.DataOverflowError` if `text` is too long for a QR code.
    """
    modules, runs = _runs(text)
    side = modules + 2 * QUIET_ZONE
    path = "".join(f"M{x + QUIET_ZONE} {y + QUIET_ZONE}h{n}v1h-{n}z" for x, y, n in runs)
    label = escape(title, quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" width="{side * 4}" '
        f'height="{side * 4}" role="img" aria-label="{label}" shape-rendering="crispEdges">'
        f'<title>{label}</title><rect width="{side}" height="{side}" fill="#fff"/>'
        f'<path d="{path}" fill="#000"/></svg>'
    )


def draw_qr(canvas: Canvas, text: str, x: float, y: float, side: float) -> None:
    """Draw a QR code with its lower left corner at (x, y); `side` in points, quiet zone included."""
    modules, runs = _runs(text)
    canvas.saveState()
    canvas.translate(x, y)
    canvas.scale(side / (modules + 2 * QUIET_ZONE), side / (modules + 2 * QUIET_ZONE))
    # Whole modules as units, written as they are: reportlab's path would format each of a thousand numbers on its own.
    top = modules + QUIET_ZONE - 1
    rows = [f"{column + QUIET_ZONE} {top - row} {length} 1 re" for column, row, length in runs]
    canvas._code.append(f"n {' '.join(rows)} f")
    canvas.restoreState()
