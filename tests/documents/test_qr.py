"""QR codes for pages."""

import re
from xml.etree import ElementTree

from app.documents.qr import QUIET_ZONE, qr_svg
from app.documents.qr_mask import modules_of

URL = "https://qh.example.cn/verify/1?c=7KQ2M9XD"


def test_svg_is_well_formed_safe_and_named():
    svg = qr_svg(URL, title='核验 <"二维码">')
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == '核验 <"二维码">'
    assert not re.search(r"style=|<script|class=|\son\w+=", svg)


def test_svg_draws_exactly_the_modules_of_the_code():
    path = ElementTree.fromstring(qr_svg(URL, title="码")).find("{http://www.w3.org/2000/svg}path").get("d")
    drawn = set()
    for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path):
        drawn |= {(int(x) + i - QUIET_ZONE, int(y) - QUIET_ZONE) for i in range(int(length))}
    rows = modules_of(URL)  # test_qr_mask.py says that they are the encoder's
    assert drawn == {(x, y) for y, row in enumerate(rows) for x, dark in enumerate(row) if dark == "1"}
