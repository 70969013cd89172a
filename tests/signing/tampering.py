"""Twenty ways to change a signed file, from a flipped bit to a signature moved over from another paper."""

import io
import re
import zlib

from pypdf import PdfReader, PdfWriter

GAP = re.compile(rb"/Contents <([0-9A-Fa-f]+)>")
RANGE = re.compile(rb"/ByteRange \[[^\]]*\]")


def _flip(data: bytes, at: int, bit: int = 1) -> bytes:
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def _replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    assert len(old) == len(new)
    return data.replace(old, new, 1)


def _gap(data: bytes) -> re.Match[bytes]:
    return GAP.search(data)


def _stream_changed(data: bytes) -> bytes:
    """A page's content taken out, one word moved, and put back in its place."""
    for found in re.finditer(rb"(?<!end)stream\r?\n", data):
        end = data.index(b"endstream", found.end())
        try:
            text = zlib.decompress(data[found.end() : end])
        except zlib.error:
            continue
        if b" Tf" in text:
            fresh = zlib.compress(text.replace(b" Tm", b"  Tm", 1), 9)
            return data[: found.end()] + fresh + data[end:]
    raise AssertionError("no page content found")


def _rewritten(data: bytes, change) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _appended(data: bytes, change) -> bytes:
    """An incremental update behind the signature: the signed bytes stay as they are."""
    writer = PdfWriter(io.BytesIO(data), incremental=True)
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _hex_flipped(data: bytes, part: float) -> bytes:
    """A hex digit inside the signature's own bytes (not its padding)."""
    found = _gap(data)
    digits = found[1].rstrip(b"0")
    at = found.start(1) + int(len(digits) * part)
    return data[:at] + (b"0" if data[at : at + 1] != b"0" else b"1") + data[at + 1 :]


def _gap_of(data: bytes, other: bytes) -> bytes:
    mine, theirs = _gap(data), _gap(other)
    hexes = theirs[1][: len(mine[1])].ljust(len(mine[1]), b"0")
    return data[: mine.start(1)] + hexes + data[mine.end(1) :]


def _range(data: bytes, make) -> bytes:
    found = RANGE.search(data)
    numbers = [int(n) for n in re.findall(rb"\d+", found[0])]
    text = b"/ByteRange [" + b" ".join(b"%d" % n for n in make(*numbers)) + b"]"
    assert len(text) <= len(found[0])
    return data[: found.start()] + text.ljust(len(found[0])) + data[found.end() :]


def _title(writer: PdfWriter) -> None:
    writer.add_metadata({"/Title": "改过的标题"})


def variants(data: bytes, other: bytes, foreign: bytes) -> dict[str, bytes]:
    """`other` is another paper signed with the same key, `foreign` the same paper signed with a key of nobody."""
    middle = len(data) // 2
    font = data.index(b"/FontFile2")
    return {
        "one bit in the middle": _flip(data, middle),
        "one bit in the header": _flip(data, 7),
        "one bit near the end": _flip(data, len(data) - 8),
        "page content rewritten": _stream_changed(data),
        "font object changed": _flip(data, font + 3),
        "page size changed": _replaced(data, b"/MediaBox [ 0 0 595", b"/MediaBox [ 0 0 596"),
        "language changed": _replaced(data, b"zh-CN", b"zh-TW"),
        "reason of signing changed": _flip(data, data.index(b"/Reason") + 12),
        "time of signing changed": _flip(data, data.index(b"/M ") + 10),
        "a line break added at the end": data + b"\n",
        "a comment added at the end": data + b"%changed\n",
        "metadata changed by an update": _appended(data, _title),
        "a page added by an update": _appended(data, lambda w: w.add_blank_page(595, 842)),
        "signature made wrong at its start": _hex_flipped(data, 0.02),
        "signature made wrong at its end": _hex_flipped(data, 0.999),
        "signature of another paper": _gap_of(data, other),
        "range cut short": _range(data, lambda a, b, c, d: (a, b, c, d - 9)),
        "range begun late": _range(data, lambda a, b, c, d: (9, b - 9, c, d)),
        "signature removed": _rewritten(data, lambda w: w.root_object.pop("/AcroForm")),
        "signed anew with a key of nobody": foreign,
    }
