"""Breaking Chinese and mixed text into lines of a given width.

Rules: Chinese breaks between any two characters; a run of Latin letters, digits
and signs stays whole where a line can hold it; a line does not begin with closing
punctuation nor end with opening punctuation (GB/T 15834, section 5.1).
Nothing is ever dropped but control and invisible formatting characters.
"""

from __future__ import annotations

import re
import unicodedata

from app.documents.fonts import text_width

NOT_AT_START = frozenset("，。、；：？！）》〉」』】〕”’…％℃,.;:?!)]}%°·")
NOT_AT_END = frozenset("（《〈「『【〔“‘([{")
# ASCII and the accented Latin and Greek letters that stand in units and model names.
_TOKEN = re.compile(r"[!-~À-ʯͰ-Ͽ]+|\s+|.", re.DOTALL)


def clean(text: str) -> str:
    """Drop what has no shape on paper (controls, bidi marks, lone surrogates); keep line ends."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    kept = (c for c in text if c == "\n" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Cn"})
    return "".join(kept)


def wrap(text: str, size: float, width: float) -> list[str]:
    """Lines of `text` no wider than `width` points at `size` points; at least one line."""
    lines: list[str] = []
    for paragraph in clean(text).split("\n"):
        paragraph = paragraph.strip()
        if text_width(paragraph, size) <= width:
            lines.append(paragraph)
        else:
            lines.extend(_wrap_paragraph(paragraph, size, width))
    return lines


def _wrap_paragraph(paragraph: str, size: float, width: float) -> list[str]:
    lines: list[list[str]] = [[]]
    used = 0.0
    for token in _tokens(paragraph, size, width):
        line = lines[-1]
        advance = text_width(token, size)
        if line and used + advance > width:
            kept = _kept(line, token, size, width)
            lines[-1], line = line[:kept], line[kept:]
            lines.append(line)
            used = text_width("".join(line), size)
        if line or not token.isspace():
            line.append(token)
            used += advance
    return ["".join(line).strip() for line in lines if line]


def _tokens(paragraph: str, size: float, width: float) -> list[str]:
    """Unbreakable pieces; a run too wide for any line falls apart into characters."""
    tokens: list[str] = []
    for token in _TOKEN.findall(paragraph):
        if len(token) > 1 and text_width(token, size) > width:
            tokens.extend(token)
        else:
            tokens.append(token)
    return tokens


def _kept(line: list[str], token: str, size: float, width: float) -> int:
    """How many tokens of a full line stay; the rest moves down together with `token`."""
    kept, following = len(line), token
    while kept > 1 and (following[0] in NOT_AT_START or line[kept - 1][-1] in NOT_AT_END):
        kept -= 1
        following = line[kept]
    # In a column too narrow for the rule the width goes first.
    fits = text_width("".join(line[kept:]) + token, size) <= width
    return kept if fits and kept > 1 else len(line)
