"""The three public sample ledgers, row by row, sentence by sentence."""

from collections import Counter

from app.intake.guidance import RowPolicy
from app.intake.plan import ExistingRow, plan_rows
from app.intake.reader import read_ledger
from app.intake.rules import check_row
from tests.intake.conftest import SAMPLES
from tests.intake.support import messages, run

REFUSED = {
    4: "第4行：仪器的种别代码不能为空，请填写“一级目录”和“二级目录”。",
    5: "第5行：仪器的种别代码：不存在的种别可能有误或已作废，无法找到相对应的名称，请从《强检器具目录》中选择二级目录。",
    6: "第6行：使用地点行政区划【440100】是属于市级代码，使用区域须填最后两位不是“00”的区县级代码！",
    8: "第8行：器具用途须为贸易结算、安全防护、医疗卫生、环境监测之一。",
    9: "第9行：该器具已存在（电子计价秤 ACS-30 A30-0001），不能重复录入。与本文件第3行相同，请删除本行或更正出厂编号。",
    10: "第10行：出厂编号须为“编号(枪号)”格式，例如 AA19070003(1枪)。",
    14: "第14行：“有效期至”填写的“2027.02.30”不是有效日期，请按 2027-03-14 的格式填写。",
    16: "第16行：“器具数量”填写的“两台”不是大于0的整数，请填写阿拉伯数字，例如 1。",
    17: "第17行：“安装/使用地点”单元格含公式，请粘贴为数值。",
}
WARNED = {12: "第12行：器具名称“电子计价称”中的“称”应写作“秤”，已按“电子计价秤”录入，请核对。"}


def test_ledger_with_mistakes(ref):
    rows = run(SAMPLES / "ledger_with_mistakes.xlsx", ref)
    refused = {row.number: messages(row) for row in rows if row.outcome == "refused"}
    assert refused == {number: [sentence] for number, sentence in REFUSED.items()}
    accepted = {row.number: messages(row) for row in rows if row.outcome == "new"}
    assert accepted == {3: [], 7: [], 11: [], 12: [WARNED[12]], 13: [], 15: [], 19: []}


def test_values_of_mistakes_ledger(ref):
    rows = {row.number: row.values for row in run(SAMPLES / "ledger_with_mistakes.xlsx", ref)}
    assert rows[7]["use_division"] == "441900"
    assert rows[11]["serial_no"] == "AA19070003(6枪)"
    assert rows[12]["name"] == "电子计价秤"
    assert (rows[13]["serial_no"], rows[13]["use_division"]) == ("30011", "440103")
    assert str(rows[15]["valid_until"]) == "2027-03-14"
    assert (rows[3]["purpose"], rows[3]["delivery_mode"], rows[3]["origin"]) == ("trade", "onsite", "domestic")


def test_wuyuan_all_new_then_all_unchanged(ref):
    path = SAMPLES / "ledger_wuyuan_all_categories.xlsx"
    first = run(path, ref)
    assert Counter(row.outcome for row in first) == {"new": 23}
    assert len({row.dup_key for row in first}) == 23
    assert [messages(row) for row in first] == [[]] * 23
    assert [row.values["serial_no"] for row in first][1:3] == ["2009092916(2枪)", "2009092916(9枪)"]
    stored = {row.dup_key: ExistingRow(number, row.values) for number, row in enumerate(first, 1)}
    second = run(path, ref, stored)
    assert Counter(row.outcome for row in second) == {"unchanged": 23}
    assert [row.existing_id for row in second] == list(range(1, 24))


def test_hohhot_writes_the_gun_in_the_name(ref):
    sheet = read_ledger(SAMPLES / "ledger_hohhot_fuel_stations.xlsx")
    strict = list(plan_rows([check_row(row, ref) for row in sheet.rows], {}))
    assert [row.number for row in strict if row.outcome == "refused"] == [2, 8, 9, 10, 11]
    policy = RowPolicy(nozzle="off")
    assert {row.outcome for row in plan_rows([check_row(row, ref, policy) for row in sheet.rows], {})} == {"new"}
