"""The mask of a QR code: the same symbol as the encoder makes, and the choice of ISO/IEC 18004, 7.8.3."""

from __future__ import annotations

import random

import segno

from app.documents.qr_mask import MASKS, _number, modules_of, penalty


def naive(rows):
    """The four rules read literally."""
    side, points = len(rows), 0
    lines = [*rows, *("".join(column) for column in zip(*rows, strict=True))]
    for line in lines:
        run = 1
        for before, now in zip(line, line[1:] + "/", strict=True):
            if now == before:
                run += 1
                continue
            points += run - 2 if run >= 5 else 0
            run = 1
        points += 40 * sum(line[i : i + 11] in {"10111010000", "00001011101"} for i in range(side - 10))
    for y in range(side - 1):
        for x in range(side - 1):
            points += 3 * (len({rows[y][x], rows[y][x + 1], rows[y + 1][x], rows[y + 1][x + 1]}) == 1)
    dark = sum(row.count("1") for row in rows) * 100 / side**2
    return points + 10 * int(abs(dark - 50) / 5)


def drawn(text, mask):
    code = segno.make(text, error="m", micro=False, boost_error=False, mask=mask)
    return ["".join("1" if module else "0" for module in row) for row in code.matrix]


def test_it_is_the_encoders_symbol_under_the_best_of_eight():
    dice = random.Random(7)
    for length in (3, 20, 43, 44, 80, 150, 300):
        text = "https://q.example/v/" + "".join(dice.choice("0123456789ABCDEF") for _ in range(length))
        candidates = [drawn(text, mask) for mask in range(MASKS)]
        points = [naive(rows) for rows in candidates]
        found = modules_of(text)
        assert found == candidates[points.index(min(points))]
        for rows, expected in zip(candidates, points, strict=True):
            turned = ["".join(column) for column in zip(*rows, strict=True)]
            whole, across = (int("".join(lines), 2) for lines in (rows, turned))
            assert penalty(whole, across, len(rows)) == expected
    assert _number([[1, 0], [0, 2]]) == 0b1001
