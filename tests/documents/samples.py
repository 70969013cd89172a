"""Facts shared by the tests of paper."""

from dataclasses import replace
from datetime import date, datetime

from app.documents.booking_sheet import BookingFacts, BookingItem
from app.documents.certificate import CertificateFacts, StandardUsed

PASSED = CertificateFacts(
    kind="certificate",
    number="呼计检字第2026-031542号",
    institute_name="呼和浩特市计量检定测试所",
    institute_address="呼和浩特市赛罕区学苑东街甲18号",
    institute_phone="0471-1234567",
    authorisation_no="(蒙)法计(2024)01003号",
    client="内蒙古䶮兴加油站有限责任公司",
    client_address="呼和浩特市新城区成吉思汗大街56号",
    instrument_name="燃油加油机",
    model="CS42J2220G",
    serial_no="2023A00871",
    manufacturer="北京三盈联合石油技术有限公司",
    measuring_range="(5～50) L/min，−25℃～+55℃",
    accuracy_class="Ⅲ级，最大允许误差 ±0.30 %",
    conclusion="合格",
    verified_on=date(2026, 11, 20),
    valid_until=date(2027, 5, 19),
    verifier="王㛃",
    checker="陈𬭸",
    approver="李龘",
    regulations=("JJG 443-2023《燃油加油机检定规程》",),
    standards=(
        StandardUsed("标准金属量器", "20 L", "MPE：±0.025 %", "LLjl2026-01123", "2027-03-11"),
        StandardUsed("电子秒表", "(0～3600) s", "MPE：±0.5 s/d", "SPsj2026-00071", "2027-01-08"),
        StandardUsed("直流电阻箱", "(0.1～99999.9) Ω", "0.01 级", "", ""),
    ),
    place="委托方现场：2号加油岛",
    temperature="18.6 ℃",
    humidity="42 % RH",
    record_no="JY-2026-11-0457",
    readings=(
        ("外观及铅封", "符合要求", "JJG 443-2023 第5.1条"),
        ("示值误差（大流量 46 L/min）", "+0.08 %", "±0.30 %"),
        ("示值误差（小流量 6 L/min）", "−0.12 %", "±0.30 %"),
        ("测量重复性", "0.03 %", "≤0.10 %"),
        ("付费金额误差", "0.00 元", "不超过最小付费变量"),
    ),
    failures="",
    verify_url="https://qh.example.cn/verify/2026031542?c=7KQ2M9XD",
    lookup_code="7KQ2M9XD",
    issued_on=date(2026, 11, 23),
)

REJECTED = replace(
    PASSED,
    kind="rejection",
    number="呼计检字第2026-031543号",
    conclusion="不合格",
    valid_until=None,
    failures="示值误差（大流量）：+0.62 %，超过最大允许误差 ±0.30 %；铅封缺失",
)

BOOKING = BookingFacts(
    number="2026112000457",
    status_label="已受理",
    unit_name="内蒙古䶮兴加油站有限责任公司",
    contact="陈𬭸",
    phone_masked="133****1111",
    institute_name="呼和浩特市计量检定测试所",
    institute_address="呼和浩特市赛罕区学苑东街甲18号",
    institute_phone="0471-1234567",
    mode_label="送检",
    slot_label="2026-11-24 上午 09:00–11:30",
    deadline=date(2026, 12, 1),
    printed_at=datetime(2026, 11, 20, 14, 19),
    items=(
        BookingItem("电子计价秤", "ACS-30", "20230917", "㛃记水产 3号摊位"),
        BookingItem("压力表", "Y-100 (0～1.6) MPa", "龘-0042", ""),
    ),
    notes=("请在送检期限内将器具送到检定机构前台。", "请随带本预约单，并保持器具清洁、附件齐全。"),
    query_url="https://qh.example.cn/q/2026112000457",
)


def long_facts(factor: int) -> CertificateFacts:
    """PASSED with every text repeated until it is `factor` times too long."""
    texts = {
        name: (value + "ABC-123/") * factor
        for name, value in vars(PASSED).items()
        if isinstance(value, str) and name not in {"kind", "verify_url", "lookup_code"}
    }
    readings = tuple((a * factor, b * factor, c) for a, b, c in PASSED.readings) * 12
    standards = tuple(replace(s, name=s.name * factor, range="1234567890" * factor) for s in PASSED.standards)
    return replace(PASSED, **texts, readings=readings, standards=standards)
