"""Suspicious pairs: a thousand labelled ones, what tells two instruments apart, and that it takes no square of time."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from app.operations.duplicates import canon, maker_core, pairs_among

MAKERS = (
    "上海大华电子秤厂",
    "西安自动化仪表一厂",
    "成都瑞帆智达科技有限公司",
    "梅特勒-托利多（常州）称重设备系统有限公司",
)
SHORT = dict(zip(MAKERS, ("上海大华", "西安自动化仪表一厂有限公司", "成都瑞帆", "梅特勒-托利多"), strict=True))
MODELS = ("ACS-30", "Y-100", "TCS-60", "CJK-1")


def row(pk: int, **more):
    values = {
        "name": "压力表",
        "model": "Y-100",
        "serial_no": f"K{pk:07d}",
        "own_no": "",
        "manufacturer": MAKERS[0],
        "place": "二号车间",
        "category_id": 1,
        "code": None,
        "state": "in_use",
    }
    return SimpleNamespace(id=pk, **{**values, **more})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("AA1907O003", "AA19070003"),
        ("AI-2203", "A12203"),
        ("SN 2021 0705", "sn20210705"),
        ("AA1907(1枪)", "AA1907-1枪"),
        ("AA1907（01枪）", "AA1907 1号枪"),
        ("AA1907#1#", "AA1907(1枪)"),
        ("Ａ３０－１２", "A30-12"),
    ],
)
def test_ways_of_writing_one_number(one, other):
    assert canon(one) == canon(other)


@pytest.mark.parametrize(("one", "other"), [("AA1907(1枪)", "AA1907(2枪)"), ("AA1907", "AA1907(1枪)"), ("A12", "A13")])
def test_numbers_of_two_instruments(one, other):
    assert canon(one) != canon(other)


def test_makers_shortened():
    assert maker_core("上海大华电子秤厂有限公司") == maker_core("上海大华电子秤厂")


def noisy(serial: str, dice: random.Random) -> str:
    kind = dice.randrange(5)
    if kind == 0:
        return serial.replace("0", "O", 1)
    if kind == 1:
        return serial.replace("1", "I", 1).lower()
    if kind == 2:
        return f"{serial[:3]}-{serial[3:]}"
    return f"{serial[:4]} {serial[4:]}" if kind == 3 else serial


def test_a_thousand_labelled_pairs():
    """500 written twice by different hands, 500 that only look alike: neighbours, same place, another maker or gun."""
    dice, rows, true, lookalikes = random.Random(16), [], set(), set()
    for number in range(500):
        maker, pk = dice.choice(MAKERS), number * 2 + 1
        serial = f"B{dice.randint(100, 999)}{number:05d}1"
        rows.append(row(pk, serial_no=serial, manufacturer=maker, model=dice.choice(MODELS), place=f"车间{number}"))
        written = {"serial_no": noisy(serial, dice), "manufacturer": dice.choice((maker, SHORT[maker]))}
        rows.append(row(pk + 1, model=rows[-1].model, place=dice.choice((f"车间{number}", "仓库")), **written))
        true.add((pk, pk + 1))
    for number in range(500):
        pk = 10_001 + number * 2
        serial, place = f"C{number:06d}7", f"大厅{number}"
        rows.append(row(pk, serial_no=serial, place=place, own_no=f"{number}-1"))
        kind = number % 5
        other = {
            0: {"serial_no": f"C{number:06d}8", "place": place},
            1: {"serial_no": serial, "manufacturer": MAKERS[1], "place": place},
            2: {"serial_no": serial, "own_no": f"{number}-2", "model": "YZ-60"},
            3: {"serial_no": f"{serial}(2枪)", "place": place},
            4: {"serial_no": serial, "category_id": 9, "model": "TCS-60", "name": "台秤"},
        }[kind]
        rows.append(row(pk + 1, **{"own_no": f"{number}-9", **other}))
        lookalikes.add((pk, pk + 1))
    found = pairs_among(rows)
    sure = [(p.a, p.b) for p in found if p.level == "sure"]
    right = sum(pair in true for pair in sure)
    assert right / len(sure) >= 0.95, (right, len(sure))
    assert right >= 475
    seen = {(p.a, p.b) for p in found}
    assert true <= seen
    assert all(pair.reasons for pair in found)


@pytest.mark.parametrize("serial", ["无", "/", "0000", "不详", "----"])
def test_made_up_numbers_make_no_pair(serial):
    assert pairs_among([row(1, serial_no=serial, place="甲"), row(2, serial_no=serial, place="乙")]) == []


def test_the_official_code_speaks_louder_than_the_number():
    (pair,) = pairs_among([row(1, code="440103201801010001"), row(2, code="440103201801010001", serial_no="另一个")])
    assert pair.score >= 60
    assert "计量器具编码相同" in pair.reasons


def test_a_kind_of_which_there_are_hundreds_is_not_compared():
    assert pairs_among([row(n, serial_no=f"Q{n:06d}") for n in range(1, 400)]) == []
