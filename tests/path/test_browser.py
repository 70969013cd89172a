"""The main job in a real browser: from the first administrator to a stranger who scans the QR code.

One test, one path, as issue and users walk it: every step by clicking, several people, each with a browser of their own.
Pictures stay under var/screenshots.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.path.live import PHONE, Person, browser, running_platform
from tests.world import PNG, uscc

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
PASSWORD = "Zhongqiu-Yuebing-26"
LINK = re.compile(r"https?://[^\s]+/activate/[\w-]+")
CODE = uscc(1234567)


@pytest.fixture(scope="module")
def platform(postgres_admin_url, redis_url, tmp_path_factory):
    with running_platform(postgres_admin_url, redis_url, tmp_path_factory.mktemp("live"), "live_path") as made:
        yield made


@pytest.fixture(scope="module")
def chromium():
    with browser() as made:
        yield made


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    from PIL import Image

    folder = tmp_path_factory.mktemp("papers")
    for name in ("licence", "authorisation"):
        Image.new("RGB", (400, 300), "white").save(folder / f"{name}.png")
    return folder


@pytest.mark.browser
def test_the_whole_path_by_clicking(platform, chromium, papers):
    people: list[Person] = []

    def person(name: str, viewport: dict[str, int] | None = None) -> Person:
        made = Person(chromium, platform.url, name, viewport)
        people.append(made)
        return made

    platform.flask("user", "create-admin", "--username", "admin1", "--name", "系统管理员", "--password", PASSWORD)
    platform.flask(
        "institute",
        "create",
        "--name",
        "五原县计量检定测试所",
        "--code",
        "WY",
        "--division",
        "150821",
        "--address",
        "五原县隆兴昌镇鸿雁大街1号",
        "--phone",
        "0478-5212345",
    )
    platform.flask("institute", "create", "--name", "巴彦淖尔市计量测试所", "--code", "BM", "--division", "150800")

    admin = person("admin").login("admin1", PASSWORD)
    staff = issue_accounts(admin, person)
    unit = register(person("unit"), papers, admin)
    review(staff["rec"], unit)
    import_ledgers(unit)
    file_instruments(unit, staff["rec"])
    number = book(unit, staff["rec"])
    verify(staff, number)
    facts = after_the_verification(unit, staff, platform)
    in_public(person("public"), person("phone", PHONE), facts)
    for one in people:
        assert one.complaints == [], f"{one.name}: {one.complaints}"


# -- the steps -------------------------------------------------------------------------------------------------------


def issue_accounts(admin: Person, person) -> dict[str, Person]:
    """1. Accounts by one-time links; nobody knows anybody's password but its owner."""
    wanted = {
        "rec": ("institute", "REC", "收发员"),
        "ver": ("institute", "VER", "检定员甲"),
        "chk": ("institute", "VER", "检定员乙"),
        "apr": ("institute", "APR", "批准人"),
        "reg": ("regulator", "REG", "县监管员"),
        "next": ("regulator", "REG", "邻县监管员"),
    }
    made = {}
    for nick, (kind, role, name) in wanted.items():
        page = admin.go("/accounts/issue").page
        page.fill("[name=username]", f"{nick}wy01")
        page.fill("[name=name]", name)
        choose_kind(admin, kind, role, "五原县" if nick != "next" else "磴口县")
        admin.send().sees("一次性激活链接")
        if nick == "rec":
            admin.shot("01-account-issued")
        link = page.locator("#link").input_value()
        assert LINK.fullmatch(link)
        fresh = person(nick)
        fresh.page.goto(link)
        fresh.page.fill("[name=password]", PASSWORD)
        fresh.page.fill("[name=password_again]", PASSWORD)
        fresh.send()
        again = fresh.page.context.request.get(link)
        assert again.status in {404, 410, 422}, "a link works once"
        made[nick] = fresh.login(f"{nick}wy01", PASSWORD)
    return made


def choose_kind(admin: Person, kind: str, role: str, area: str) -> None:
    page = admin.page
    page.select_option("select[name=kind]", kind)
    page.check(f"input[name=roles][value={role}]")
    if kind == "institute":
        admin.pick("institute_id", "五原县计量检定测试所")
    else:
        admin.pick("division", area)


def pick_place(page, division: str) -> None:
    """Province, city, county: each select loads the next."""
    page.select_option("select[name=province]", f"{division[:2]}0000")
    page.locator(f"select[name=city] option[value='{division[:4]}00']").wait_for(state="attached")
    page.select_option("select[name=city]", f"{division[:4]}00")
    last = page.locator("select[name=division_code], select[name=county]").first
    last.locator(f"option[value='{division}']").wait_for(state="attached")
    last.select_option(division)


def register(unit: Person, papers: Path, admin: Person) -> Person:
    """2. The enterprise registers; the code is read where an administrator reads development mails."""
    page = unit.go("/register").shot("02-register").fits().page
    page.fill("[name=unit_name]", "五原县新华街团结加油站")
    page.fill("[name=code]", CODE)
    pick_place(page, "150821")
    page.fill("[name=address]", "五原县新华街88号")
    page.set_input_files("[name=licence]", str(papers / "licence.png"))
    page.set_input_files("[name=authorisation]", str(papers / "authorisation.png"))
    page.fill("[name=contact_name]", "王小明")
    page.fill("[name=phone]", "13912345678")
    page.fill("[name=email]", "tuanjie@example.com")
    page.click("button:has-text('获取验证码')")
    page.fill("[name=username]", "tuanjie01")
    page.fill("[name=password]", PASSWORD)
    page.fill("[name=password_again]", PASSWORD)
    page.locator("select[name=institute_id] option", has_text="五原县").first.wait_for(state="attached")
    page.select_option("[name=institute_id]", label="五原县计量检定测试所")
    page.check("[name=agree]")
    page.fill("[name=email_code]", mail_code(admin, "tuanjie@example.com"))
    unit.press("提交注册申请").sees("等待五原县计量检定测试所审核").shot("03-registered")
    return unit


def mail_code(admin: Person, address: str) -> str:
    for _number in range(40):
        admin.go("/mails/list/")
        row = admin.page.locator("tr", has_text=address)
        if row.count():
            row.first.locator("a").first.click()
            found = re.search(r"验证码是 (\d{6})", admin.page.locator("main").inner_text())
            if found:
                return found.group(1)
        admin.page.wait_for_timeout(250)
    raise AssertionError("no mail with a code arrived")


def review(rec: Person, unit: Person) -> None:
    """2b. Returned with a reason, corrected by the registrant, approved."""
    rec.go("/accounts/list/").sees("五原县新华街团结加油站").page.click("tr:has-text('团结加油站') a >> nth=0")
    rec.shot("04-review").press("退回")
    rec.page.fill("[name=reason]", "证照图片不清晰，请重新上传")
    rec.send()
    rec.sees("审核不通过")
    unit.login_as_registrant("tuanjie01", PASSWORD)
    unit.sees("证照图片不清晰，请重新上传").shot("05-returned")
    unit.page.fill("[name=address]", "五原县新华街88号院内")
    unit.page.locator("main form button.btn-primary").last.click()
    unit.sees("待审核")
    rec.go("/accounts/list/").page.click("tr:has-text('团结加油站') a >> nth=0")
    rec.press("审核通过", confirm=True).sees("正常")
    unit.go("/home/").sees("今日待办").shot("06-home")


def import_ledgers(unit: Person) -> None:
    """3. Dry run, confirmation, progress; the file with mistakes; uploading again adds nothing."""
    upload(unit, "ledger_wuyuan_all_categories.xlsx").sees("23").shot("07-dry-run", full=True)
    unit.press("确认导入").sees("已写入台账 23 台", within=30).shot("08-imported")
    upload(unit, "ledger_with_mistakes.xlsx").shot("09-mistakes", full=True)
    unit.sees("第6行").sees("【440100】").sees("第14行").sees("秤")
    with unit.page.expect_download() as download:
        unit.press("下载待更正的行")
    assert download.value.suggested_filename.endswith(".xlsx")
    unit.press("确认导入 7 台").sees("已写入台账 7 台", within=30)
    upload(unit, "ledger_wuyuan_all_categories.xlsx").sees("没有可以新增的器具", within=30)
    unit.go("/instruments/list/").sees("30 台").shot("10-ledger").fits()


def upload(unit: Person, name: str) -> Person:
    unit.go("/imports/new").page.set_input_files("input[type=file]", str(SAMPLES / name))
    unit.page.click("main form button[type=submit]")
    unit.page.wait_for_url("**/jobs/**")
    unit.page.locator("text=检查完成").first.wait_for(timeout=30_000)
    return unit


def file_instruments(unit: Person, rec: Person) -> None:
    """4. Ten instruments are filed; one is returned with a reason, corrected, resubmitted; all end approved."""
    page = unit.go("/instruments/list/?state=unfiled").page
    for box in onsite_boxes(page)[-10:]:  # the newest rows stand first; the oldest are those of the county
        box.check()
    unit.bulk("提交备案")
    declare(unit).sees("已提交 10 台器具的备案").shot("11-filed")
    rec.go("/filings/list/?mine=1").shot("12-filings")
    rec.page.locator("tbody tr a").first.click()
    rec.press("退回")
    rec.page.select_option("[name=kind]", "incomplete")
    rec.page.fill("[name=reason]", "型号规格与铭牌不一致，请核对")
    rec.send()
    rec.sees("被退回")
    name = rec.page.locator("main").inner_text()
    assert "型号规格与铭牌不一致" in name
    unit.go("/filings/list/?state=returned").page.locator("tbody tr a").first.click()
    unit.sees("型号规格与铭牌不一致").shot("13-filing-returned")
    correct_and_resubmit(unit)
    for _number in range(2):
        rec.go("/filings/list/?mine=1")
        if not rec.page.locator("[data-tick-all]").count():
            break
        rec.page.locator("[data-tick-all]").check()
        rec.bulk("审核通过")
    unit.go("/instruments/list/?state=in_use").sees("10 台")


def onsite_boxes(page) -> list:
    """Instruments that are verified on site, so that one booking can hold all of them."""
    if page.locator("button:has-text('更多条件')").count():
        page.locator("button:has-text('更多条件')").first.click()
    page.locator("[name$=_delivery_mode]").first.select_option("onsite")
    with page.expect_navigation():
        page.locator("form.filters button[type=submit]").click()
    page.goto(f"{page.url}&psize_InstrumentView=50")  # the deployment's own pages are shorter than the list
    return page.locator("tbody input[type=checkbox]").all()


def declare(unit: Person) -> Person:
    page = unit.page
    option = page.locator("select[name=institute_id] option", has_text="五原县").first
    option.wait_for(state="attached")
    page.select_option("select[name=institute_id]", option.get_attribute("value"))
    page.check("[name=declaration]")
    return unit.send()


def correct_and_resubmit(unit: Person) -> None:
    page = unit.page
    page.locator("main a[href*='/instruments/show/']").first.click()
    unit.press("修改")
    page.fill("[name=model]", "42D4243F-A")
    unit.send().sees("42D4243F-A")
    unit.go("/filings/list/?state=returned").page.locator("tbody tr a").first.click()
    unit.press("提交备案")
    declare(unit).sees("已提交")


def book(unit: Person, rec: Person) -> str:
    """5. Book all ten on a day and time; the institute accepts."""
    page = unit.go("/instruments/list/?state=in_use").page
    page.locator("[data-tick-all]").check()
    unit.bulk("预约检定")
    page.wait_for_url("**/book/**")
    if page.locator("a:has-text('预约这一组')").count():
        unit.press("预约这一组")
    page.locator("input[name=slot_id]:enabled").first.check()
    unit.shot("14-book").send().sees("共 10 台").press("提交申请")
    page.wait_for_url("**/appointments/show/**")
    unit.sees("已提交").shot("15-booked")
    number = re.search(r"\d{13}", page.locator("main").inner_text()).group()
    rec.go("/appointments/list/?state=submitted").page.click(f"tr:has-text('{number}') a >> nth=0")
    rec.press("确认受理")
    rec.send()
    rec.sees("已受理").shot("16-accepted")
    return number


def verify(staff: dict[str, Person], number: str) -> None:
    """5b. Received, verified, checked by another, approved by a third; one instrument fails."""
    receive(staff["rec"])
    verifier = staff["ver"]
    for count in range(10):
        verifier.go("/items/list/?state=received")
        verifier.page.locator("tbody a:has-text('录入结果'), tbody tr a").first.click()
        if "/items/record/" not in verifier.page.url:
            verifier.press("录入结果")
        record(verifier, failing=count == 0)
        if count == 0:
            verifier.shot("18-certificate-draft")
        verifier.press("提交核验", confirm=True).sees("待核验")
        if count == 0:
            refused_for_the_same_person(verifier)
    for nick, state, step in (("chk", "checking", "核验通过"), ("apr", "approving", "批准签发")):
        one = staff[nick].go(f"/certificates/list/?state={state}")
        one.sees("10").page.locator("[data-tick-all]").check()
        one.bulk(step)
        one.sees("成功10条")
    staff["apr"].shot("19-issued")


def receive(rec: Person) -> None:
    rec.go("/items/list/?state=accepted").page.locator("[data-tick-all]").check()
    rec.bulk("收样核对")
    rec.page.check("[name=checked]")
    rec.shot("17-receive").send()
    rec.sees("10")


def record(one: Person, *, failing: bool) -> None:
    page = one.page
    page.check(f"input[name=conclusion][value={'fail' if failing else 'pass'}]")
    page.fill("[name=place]", "五原县新华街团结加油站")
    page.fill("[name=temperature]", "20.5 ℃")
    page.fill("[name=humidity]", "48 %RH")
    if page.locator("[name=cycle_months]").input_value() == "":
        page.fill("[name=cycle_months]", "12")
    for name, words in (("item", "示值误差"), ("result", "+0.6 %" if failing else "+0.1 %"), ("requirement", "±0.3 %")):
        page.locator(f"input[name={name}]").first.fill(words)
    if failing:
        page.fill("[name=failures]", "示值误差超出最大允许误差")
    one.send().sees("编制中")


def refused_for_the_same_person(verifier: Person) -> None:
    """The button is there, greyed, and says why."""
    reasons = verifier.page.locator("main .why").all_text_contents()
    assert "核验员与检定员不能为同一人。" in reasons


def after_the_verification(unit: Person, staff: dict[str, Person], platform) -> dict[str, str]:
    """6. The ledger shows dates and colours; reminders are written once; the history tells every step."""
    for _number in range(60):
        unit.go("/instruments/list/")
        body = unit.page.locator("main").inner_text()
        if body.count("有效") >= 9 and "不合格" in body:
            break
        unit.page.wait_for_timeout(500)
    unit.shot("20-ledger-colours").sees("不合格")
    later = (date.today() + timedelta(days=360)).isoformat()
    first, second = (platform.flask("reminders", "run", "--on", later) for _run in range(2))
    assert "新增提醒 0 条" not in first
    assert "新增提醒 0 条" in second
    unit.go("/reminders/list/").sees("天到期").shot("21-reminders")
    unit.go("/certificates/list/?state=issued").page.locator("tbody tr", has_text="检定证书").first.locator(
        "a"
    ).first.click()
    unit.page.wait_for_url("**/certificates/show/**")
    unit.shot("22-certificate")
    text = unit.page.locator("main").inner_text()
    number = re.search(r"WYJ\d{10}", text).group()
    unit.page.locator("[role=tab]:has-text('核验二维码')").click()
    code = re.search(rf"/v/{number}/(\w{{8}})", unit.page.locator("main").inner_text()).group(1)
    with unit.page.expect_download() as download:
        unit.page.locator("a[href*='/certificates/pdf/']").first.click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
    return {"number": number, "code": code, **regulators(staff, unit, number)}


def regulators(staff: dict[str, Person], unit: Person, number: str) -> dict[str, str]:
    """7b. The county's regulator sees all of it, the next county's none of it."""
    unit.press("查看器具").page.wait_for_url("**/instruments/show/**")
    serial = re.search(r"出厂编号\s+(\S+)", unit.page.locator("main").inner_text()).group(1)
    unit.page.locator("[role=tab]:has-text('历史')").click()
    unit.sees("生成电子证书").sees("收样核对").sees("提交备案").shot("23-history", full=True)
    address = unit.page.url
    staff["reg"].go("/instruments/list/").sees("五原县新华街团结加油站")
    staff["reg"].page.goto(address)
    staff["reg"].sees(serial).shot("24-regulator")
    staff["next"].go("/instruments/list/")
    assert serial not in staff["next"].page.locator("body").inner_text()
    staff["next"].page.goto(address)
    staff["next"].sees("没有找到这个页面")
    return {"serial": serial}


def in_public(public: Person, phone: Person, facts: dict[str, str]) -> None:
    """7. A stranger finds the instrument; the QR code's page answers; all of it on a phone as well."""
    for one in (public, phone):
        one.go("/").fits().page.fill("input[name=q]", facts["serial"])
        one.page.keyboard.press("Enter")
        one.sees(facts["serial"]).sees("有效").fits()
    public.shot("25-public")
    phone.shot("26-public-phone")
    public.go("/instruments?q=团结加油站").sees("五原县新华街团结加油站")
    phone.go("/login/").fits().go("/register").fits()
    public.go(f"/v/{facts['number']}/{facts['code']}").sees("有效").sees(facts["number"]).shot("27-certificate-valid")
    phone.go(f"/v/{facts['number']}/{facts['code']}").sees("有效").fits()
    public.go(f"/v/{facts['number']}/WRONGXXX").sees("未找到").shot("28-not-found")


assert PNG
