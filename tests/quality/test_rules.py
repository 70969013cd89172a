"""Every rule of data quality has a row that breaks it and one that does not; faults put into many rows are all found."""

from __future__ import annotations

import random
from datetime import date
from types import SimpleNamespace

import pytest

from app.operations.quality_rules import BY_CODE, RULES, UNIT_RULES, Facts, UnitFacts, faults_of, score_of

TODAY = date(2026, 11, 21)
GOOD = {
    "state": "in_use",
    "name": "电子计价秤",
    "model": "ACS-30",
    "measuring_range": "(0-30)kg",
    "accuracy_class": "Ⅲ",
    "serial_no": "A30-7F21",
    "manufacturer": "上海大华电子秤厂",
    "place": "农贸市场1号",
    "quantity": 1,
    "verified_on": date(2026, 3, 2),
    "valid_until": date(2027, 3, 1),
    "last_result": "pass",
    "purchased_on": date(2025, 5, 1),
    "produced_on": date(2025, 1, 8),
    "compulsory": True,
}
ABOUT = {"level1": "非自动衡器", "level2": "非自动衡器", "cycle_months": 12}
BAD = {
    "no_class": [{"accuracy_class": ""}, {"accuracy_class": None}],
    "no_model": [{"model": ""}],
    "no_range": [{"measuring_range": " "}],
    "no_maker": [{"manufacturer": ""}],
    "maker_junk": [{"manufacturer": "国产"}, {"manufacturer": "123"}, {"manufacturer": "不详"}],
    "unclassified": [{"~level2": "未分类"}, {"~level2": ""}],
    "category_retired": [{"~category_valid": False}],
    "not_mandatory": [{"~mandatory": False}],
    "pressure_unit": [{"measuring_range": "(0-1.6)Mpa"}, {"measuring_range": "0~25MPA"}, {"model": "Y-100 1.6mpa"}],
    "unit_case": [{"measuring_range": "(0-30)KG"}, {"measuring_range": "(0-60)Kpa"}, {"measuring_range": "(0-150)MM"}],
    "range_order": [{"measuring_range": "(30-0)kg"}, {"measuring_range": "5kg~5kg"}],
    "range_no_digit": [{"measuring_range": "见铭牌"}],
    "nozzle_format": [{"~nozzle": True}, {"~nozzle": True, "serial_no": "AA1907-1枪"}],
    "serial_placeholder": [
        *({"serial_no": s} for s in ("无", "/", "0000", "1234", "不详", "----", "N/A", "xxx", "看不清", "99999")),
    ],
    "serial_short": [{"serial_no": "7"}, {"serial_no": "A5"}],
    "serial_chinese": [{"serial_no": "一号车间水表07"}],
    "serial_twice": [{"~twins": True}],
    "serial_is_model": [{"serial_no": "acs-30", "model": "ACS-30"}],
    "name_short": [{"name": "CT"}, {"name": "DR"}, {"name": "秤"}],
    "name_scale": [{"name": "电子称"}, {"name": "汽车称"}],
    "name_of_class": [{"name": "压力仪表", "~level1": "压力仪表", "~level2": "压力表"}],
    "garbled": [{"place": "农贸市场\ufffd\ufffd"}, {"model": "#REF!"}, {"name": "锟斤拷锟斤拷"}, {"name": "电子????"}],
    "place_short": [{"place": "1楼"}],
    "place_vague": [{"place": "车间"}, {"place": "本公司"}, {"place": "同上"}],
    "division": [{"~county": False}],
    "dates_reversed": [{"valid_until": date(2026, 1, 1)}],
    "cycle_long": [{"valid_until": date(2028, 3, 1)}, {"~cycle_months": None, "valid_until": date(2033, 3, 1)}],
    "no_due": [{"valid_until": None, "last_result": None, "verified_on": None}],
    "bought_late": [{"purchased_on": date(2027, 1, 1)}, {"purchased_on": date(2026, 6, 1)}],
    "made_late": [{"produced_on": date(2025, 6, 1)}],
    "many": [{"quantity": 12}],
    "institute_lapsed": [{"~institute_until": date(2026, 11, 20)}],
}
FINE = {
    "pressure_unit": [{"measuring_range": "(0-1.6)MPa"}, {"measuring_range": "(0-600)kPa"}],
    "unit_case": [{"measuring_range": "(0-60)kPa"}, {"measuring_range": "(0-150)mm"}, {"model": "KG-30"}],
    "range_order": [{"measuring_range": "(-40~60)℃"}, {"measuring_range": "1/3000"}],
    "nozzle_format": [{"~nozzle": True, "serial_no": "AA19070003(1枪)"}, {"~nozzle": True, "serial_no": "AA1（12枪）"}],
    "serial_placeholder": [{"serial_no": s} for s in ("100", "20180001", "A0000", "11112", "(1枪)AA1", "无锡0731")],
    "serial_short": [{"serial_no": "705"}],
    "serial_chinese": [{"serial_no": "粤A12345"}, {"serial_no": "AA1(1枪)"}],
    "name_short": [{"name": "医用诊断螺旋计算机断层摄影装置(CT)X射线辐射源"}, {"name": "台秤"}],
    "name_scale": [{"name": "称重传感器"}, {"name": "电子秤"}],
    "place_short": [{"place": "二号仓库"}],
    "place_vague": [{"place": "二号车间东门"}],
    "cycle_long": [{"valid_until": date(2027, 3, 2)}],
    "not_mandatory": [{"~mandatory": False, "compulsory": False}],
    "institute_lapsed": [{"~institute_until": TODAY}],
    "no_due": [{"state": "unfiled", "valid_until": None, "last_result": None}],
    "maker_junk": [{"manufacturer": "国产化仪表厂"}],
}


def facts(over: dict) -> Facts:
    row = {**GOOD, **{k: v for k, v in over.items() if not k.startswith("~")}}
    about = {**ABOUT, **{k[1:]: v for k, v in over.items() if k.startswith("~")}}
    return Facts(SimpleNamespace(**row), TODAY, **about)


def test_a_good_row_has_no_fault_and_the_whole_score():
    assert faults_of(facts({})) == []
    assert score_of([]) == 100


def test_every_rule_has_its_bad_sample():
    assert set(BAD) == {rule.code for rule in RULES}
    assert len(RULES) >= 30
    assert len(BY_CODE) == len(RULES) + len(UNIT_RULES)


@pytest.mark.parametrize(("code", "over"), [(code, over) for code, samples in BAD.items() for over in samples])
def test_a_bad_row_is_found(code, over):
    assert code in faults_of(facts(over))


@pytest.mark.parametrize(("code", "over"), [(code, over) for code, samples in FINE.items() for over in samples])
def test_a_fine_row_is_left_alone(code, over):
    assert code not in faults_of(facts(over))


GOOD_UNIT = {
    "code": "91440101MA0000001X",
    "phone": "13911112222",
    "contact": "王小明",
    "address": "人民路2号",
    "email": "a@example.com",
}
BAD_UNIT = {
    "no_contact": {"contact": " "},
    "no_phone": {"phone": ""},
    "phone_format": {"phone": "12345"},
    "code": {"code": "123"},
    "address": {"address": "路2号"},
    "mail_format": {"email": "a@b"},
    "unit_division": {"county": False},
    "nobody": {"reachable": False},
}


@pytest.mark.parametrize("rule", UNIT_RULES, ids=lambda rule: rule.code)
def test_rules_of_units(rule):
    assert not rule.broken(UnitFacts(**GOOD_UNIT))
    assert rule.broken(UnitFacts(**{**GOOD_UNIT, **BAD_UNIT[rule.code]}))


def test_landlines_are_numbers_too():
    assert not BY_CODE["phone_format"].broken(UnitFacts(**{**GOOD_UNIT, "phone": "020-81234567"}))


def test_faults_put_into_ten_thousand_rows_are_all_found_and_hardly_anything_else():
    dice, missed, false, faulty = random.Random(15), 0, 0, 0
    for number in range(10_000):
        over = {
            "serial_no": f"{dice.choice(('A', 'SN', 'BH', ''))}{dice.randint(20_000, 9_999_999)}",
            "measuring_range": dice.choice(("(0-30)kg", "(0-1.6)MPa", "(0-150)mm", "(-20~50)℃", "(0~600)kPa")),
            "place": dice.choice(("农贸市场1号", "二号车间东侧", "门诊楼3楼检验科", "加油站2号机")),
            "name": dice.choice(("电子计价秤", "压力表", "游标卡尺", "玻璃温度计", "电子台秤")),
            "manufacturer": dice.choice(("上海大华电子秤厂", "西安自动化仪表一厂", "哈量集团")),
            "model": dice.choice(("ACS-30", "Y-100", "TCS-60", "0-150")),
        }
        wanted = None
        if number % 5 == 0:
            wanted = dice.choice(RULES).code
            over |= dice.choice(BAD[wanted])
        found = faults_of(facts(over))
        if wanted:
            faulty += 1
            missed += wanted not in found
        else:
            false += bool(found)
    assert (faulty, missed) == (2_000, 0)
    assert false / 8_000 < 0.01
