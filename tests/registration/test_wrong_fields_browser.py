"""In a real browser: every form of every profile, filled in rightly but for one field, each field in turn.

The sentence stands at that field and at no other, and everything else that was typed is still there. The profile is
switched in the one server that runs beside the test.
"""

from pathlib import Path

import pytest

from app.profiles import load
from app.profiles.forms import FormField, RegistrationForm
from tests.captcha import answer_of
from tests.path.live import DESKTOP, browser, served
from tests.registration.forms import channel_of, declared, good, sent_code
from tests.world import PNG

CASES = [
    ("national", "personal", True),
    ("national", "enterprise", False),
    ("national", "institute", False),
    ("hohhot", "enterprise", False),
    ("guangdong", "applicant", False),
    ("all", "applicant", False),
]
TYPED = """() => Object.fromEntries([...document.querySelectorAll('form[data-form] input, form[data-form] select')]
    .filter(e => e.name && !['password', 'file', 'hidden', 'submit'].includes(e.type) && e.name !== 'captcha')
    .filter(e => e.type !== 'radio' || e.checked)
    .map(e => [e.name, e.type === 'checkbox' ? e.checked : e.value]))"""
FORGE = """([name, value]) => {
    const e = document.querySelector(`form[data-form] [name=${name}]`);
    if (e.tagName === 'SELECT') { e.append(new Option('x', value)); e.value = value; }
    else if (e.type === 'radio') { for (const r of document.getElementsByName(name)) r.checked = false; if (value) { e.value = value; e.checked = true; } }
    else e.value = value;
}"""


@pytest.fixture(scope="module")
def address(app, world):
    """The application on a port of its own, in a thread."""
    with served(app) as url:
        yield url


@pytest.fixture(scope="module")
def chromium():
    with browser() as made:
        yield made


@pytest.fixture
def page(chromium, address):
    context = chromium.new_context(base_url=address, viewport=DESKTOP, locale="zh-CN")
    made = context.new_page()
    made.set_default_timeout(10_000)
    yield made
    context.close()


class Filler:
    """A person at one form who makes one mistake after the other."""

    def __init__(self, app, page, form: RegistrationForm, answers: dict, folder: Path, captcha: bool) -> None:
        self.app, self.page, self.form, self.answers, self.captcha = app, page, form, answers, captcha
        self.right, self.bad = folder / "right.png", folder / "bad.png"
        self.right.write_bytes(PNG)
        self.bad.write_bytes(b"MZ" + b"0" * 100)

    def put(self, field: FormField, answer: str) -> None:
        page, name = self.page, field.name
        if field.kind == "region":
            self.place(name)
        elif field.kind == "file":
            page.set_input_files(f"[name={name}]", str(self.right))
        elif field.kind in {"radio", "upload_type"}:
            page.check(f"[name={name}][value='{answer}']")
        elif field.kind in {"select", "reviewer"}:
            page.locator(f"select[name={name}] option[value='{answer}']").wait_for(state="attached")
            page.select_option(f"[name={name}]", answer)
        else:
            page.fill(f"[name={name}]", answer)

    def place(self, name: str) -> None:
        for part in ("province", "city", name):
            select = self.page.locator(f"select[name={part}]")
            select.locator(f"option[value='{self.answers[part]}']").wait_for(state="attached")
            if select.input_value() == self.answers[part]:
                continue
            if select.get_attribute("data-loads") is None:
                select.select_option(self.answers[part])
                continue
            with self.page.expect_response("**/divisions**"):
                select.select_option(self.answers[part])
            self.page.wait_for_timeout(50)  # the options are exchanged after the answer

    def fill(self) -> None:
        codes = {"phone_code", "email_code"}
        for field in self.form.fields:
            if field.kind not in codes:
                self.put(field, self.answers.get(field.name, ""))
        self.page.check("[name=agree]")
        self.solve()
        self.page.click("button[data-code]")
        note = self.page.locator("[data-code-note]")
        note.filter(has_text="验证码已发送").wait_for()
        channel = channel_of(self.form)
        self.answers[f"{channel}_code"] = sent_code(self.app, self.answers[channel])
        self.page.fill(f"[name={channel}_code]", self.answers[f"{channel}_code"])

    def solve(self) -> None:
        if self.captcha:
            self.page.wait_for_function("document.querySelector('[name=captcha]').value === ''")
            token = self.page.locator("[name=captcha_token]").input_value()
            self.page.fill("[name=captcha]", answer_of(self.app, token))

    def spoil(self, field: FormField) -> None:
        """Something that the rules of this kind refuse."""
        page, name = self.page, field.name
        wrong = {
            "username": "张三01",
            "password_again": "something else",
            "id_number": "123",
            "code": "123",
            "phone": "123",
            "phone_code": "",
            "email_code": "",
            "email": "nobody",
            "date": "2001-01-01",
        }
        if field.kind == "password":
            for part in ("password", "password_again"):
                page.fill(f"[name={part}]", "a1")
        elif field.kind == "file":
            page.set_input_files(f"[name={name}]", str(self.bad))
        elif field.kind in {"radio", "upload_type", "select", "reviewer", "region"}:
            page.evaluate(FORGE, [name, "" if field.required and field.kind != "upload_type" else "nosuch"])
        elif field.kind == "text":
            page.evaluate(FORGE, [name, "" if field.required else "长" * (field.limit + 1)])  # beyond maxlength
        else:
            page.fill(f"[name={name}]", wrong[field.kind])

    def passwords(self) -> None:
        for field in self.form.fields:
            if field.secret:
                self.page.fill(f"[name={field.name}]", self.answers[field.name])

    def send(self) -> None:
        with self.page.expect_navigation(wait_until="domcontentloaded"):
            self.page.locator("form[data-form] .form-foot button.btn-primary").click()

    def refused_at(self, name: str, kept: dict, free: set[str] = frozenset()) -> str:
        """Check the answer; gives the sentence."""
        wrong = self.page.locator("form[data-form] [id^='wrong-']")
        said = {e.get_attribute("id").removeprefix("wrong-"): e.inner_text() for e in wrong.all()}
        assert set(said) == {name}, (name, said)
        now = self.page.evaluate(TYPED)
        for key, value in kept.items():
            if key not in {name, *free}:
                assert now.get(key) == value, (name, key, value, now.get(key))
        for file in self.form.files():
            assert (self.page.locator(f"[name=kept_{file}]").count() == 1) == (file != name), (name, file)
        return said[name]


def mistakes(filler: Filler) -> dict[str, str]:
    """One field after the other; gives the sentences."""
    said, right = {}, filler.page.evaluate(TYPED)
    for field in filler.form.fields:
        filler.passwords()
        filler.solve()
        filler.spoil(field)
        filler.send()
        # the institutes offered follow from the place
        free = {"institute_id", "province", "city"} if field.kind == "region" else set()
        said[field.name] = filler.refused_at(field.name, right, free)
        assert not any(filler.page.input_value(f"[name={f.name}]") for f in filler.form.fields if f.secret)
        if not field.secret:
            filler.put(field, filler.answers.get(field.name, ""))
        if field.kind == "region" and filler.form.find("reviewer"):
            filler.put(filler.form.find("reviewer"), filler.answers["institute_id"])
        assert filler.page.evaluate(TYPED) == right, field.name
    return said


@pytest.mark.feature("REG-02", "REG-03", "REG-04", "REG-05", "REG-06", "REG-12", "REG-13", "REG-14", "REG-16")
@pytest.mark.parametrize(("name", "kind", "captcha"), CASES)
def test_each_field_wrong_in_turn(app, world, page, monkeypatch, tmp_path, name, kind, captcha):
    monkeypatch.setitem(app.config, "PROFILE", name)
    monkeypatch.setitem(app.config, "REGISTER_TRY_LIMIT", "1000 per hour")
    monkeypatch.setitem(app.config, "REGISTER_LIMIT", "1000 per hour")
    monkeypatch.setitem(app.config, "CODE_LIMIT", "1000 per hour")
    monkeypatch.setitem(load(name)["login"], "captcha", captcha)
    form = declared(name, kind)
    filler = Filler(app, page, form, good(form, name, world), tmp_path, captcha)
    page.goto(f"/register/{kind}")
    filler.fill()
    said = mistakes(filler)
    assert set(said) == {f.name for f in form.fields}
    assert len(set(said.values())) >= len(said) - 2, "every sentence speaks of its own field"

    right = page.evaluate(TYPED)
    filler.passwords()
    filler.solve()
    page.uncheck("[name=agree]")
    filler.send()
    assert filler.refused_at("agree", right) == "请阅读并同意用户协议和隐私政策。"
    page.check("[name=agree]")
    if captcha:
        filler.passwords()
        page.fill("[name=captcha]", "zzzz")
        filler.send()
        assert filler.refused_at("captcha", right) == "验证码错误或已过期。"
    filler.passwords()
    filler.solve()
    filler.send()
    page.wait_for_url("**/register/done")
