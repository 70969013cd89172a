"""Any registration form as a person fills it in, made from its declaration: field by field, one rule for all profiles."""

import io
import itertools
import os
import re
import zipfile

from sqlalchemy import func, select

from app.access.principal import as_system
from app.channels.deliver import deliver
from app.profiles import load
from app.profiles.forms import RegistrationForm, form_of
from models import Account, DevelopmentMail
from models.base import db
from models.types import blind_index
from tests.client import TOKEN, text, visitor
from tests.world import PASSWORD, PNG, id_number, uscc

_numbers = itertools.count(1_000_000 + int.from_bytes(os.urandom(2)))
PDF = b"%PDF-1.7\n" + b"0" * 200
PLACES = {"": "440103", "440000": "440103", "150100": "150102", "150800": "150821"}
FORMS = [
    ("national", "personal"),
    ("national", "enterprise"),
    ("national", "institute"),
    ("bayannur", "enterprise"),
    ("hohhot", "enterprise"),
    ("guangdong", "applicant"),
    ("guangdong", "applicant_person"),
    ("all", "applicant"),
]
"""The forms that differ by more than the profile's name."""


def docx(*, macro: bool = False) -> bytes:
    """The smallest thing that is a Word document."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<w:document/>")
        if macro:
            archive.writestr("word/vbaProject.bin", "x")
    return out.getvalue()


def declared(profile: str, kind: str) -> RegistrationForm:
    form = form_of(kind, profile)
    assert form is not None, f"{profile} has no form {kind}"
    return form


def good(form: RegistrationForm, profile: str, world=None, **more) -> dict[str, str]:
    """Every answer of a form that would be taken, but the code that is sent."""
    number = next(_numbers)
    place = PLACES[load(profile)["region"]["root"]]
    known = {
        "username": f"reg{number}",
        "password": PASSWORD,
        "password_again": PASSWORD,
        "id_number": id_number(number),
        "code": uscc(number),
        "phone": f"137{number:08d}",
        "email": f"reg{number}@example.com",
        "date": "2031-12-31",
        "reviewer": str(world.institutes["A"]) if world else "",
    }
    found = {"agree": "1"}
    for field in form.fields:
        if field.kind in known:
            found[field.name] = known[field.kind]
        elif field.kind == "region":
            found |= {"province": f"{place[:2]}0000", "city": f"{place[:4]}00", field.name: place}
        elif field.kind in {"select", "radio", "upload_type"}:
            found[field.name] = field.default or field.options[-1][0]
        elif field.kind == "text":
            found[field.name] = (
                f"{field.label[:12]}{number}" if field.name.endswith("name") else f"{field.label[:12]}1号"
            )
    return {**found, **more}


def files_of(form: RegistrationForm, *, leave: str = "") -> dict[str, tuple[io.BytesIO, str]]:
    """Fresh streams for every upload."""
    return {name: (io.BytesIO(PNG), f"{name}.png") for name in form.files() if name != leave}


def channel_of(form: RegistrationForm) -> str:
    return "email" if form.find("email_code") is not None else "phone"


def send_code(client, form: RegistrationForm, answers: dict, **more):
    """Press 获取验证码."""
    channel = channel_of(form)
    data = {channel: answers[channel], "csrf_token": csrf(client, form), **more}
    return client.post(f"/register/{form.kind}/code", data=data, headers={"Accept": "application/json"})


def csrf(client, form: RegistrationForm) -> str:
    return TOKEN.search(text(client.get(f"/register/{form.kind}"))).group(1)


def sent_code(app, address: str) -> str:
    """The six digits of the newest mail or text message to the address."""
    with app.app_context(), as_system("test reads what was sent"):
        deliver(db.session())
        body = db.session.scalar(
            select(DevelopmentMail.body)
            .where(DevelopmentMail.recipient_index == blind_index(address))
            .order_by(DevelopmentMail.id.desc())
        )
        db.session.remove()
    return re.search(r"\d{6}", body).group()


def coded(app, client, form: RegistrationForm, answers: dict) -> dict:
    """The answers with the code that was sent for them."""
    channel = channel_of(form)
    answer = send_code(client, form, answers)
    assert answer.status_code == 200, text(answer)
    return {**answers, f"{channel}_code": sent_code(app, answers[channel])}


def hand_in(client, form: RegistrationForm, answers: dict, files: dict | None = None):
    data = {**answers, **(files_of(form) if files is None else files), "csrf_token": csrf(client, form)}
    return client.post(f"/register/{form.kind}", data=data, content_type="multipart/form-data")


def registered(app, profile: str, kind: str, world=None, files: dict | None = None, **more):
    """The whole way: (client, answers)."""
    client, form = visitor(app), declared(profile, kind)
    answers = coded(app, client, form, good(form, profile, world, **more))
    answer = hand_in(client, form, answers, files)
    assert (answer.status_code, answer.location) == (303, "/register/done"), wrongs(answer)
    return client, answers


def wrongs(answer) -> str:
    """What the page says is wrong."""
    return " ".join(re.findall(r'class="wrong"[^>]*>([^<]+)<', text(answer))) or text(answer)[:2000]


def wrong_at(page: str, name: str) -> str:
    """The sentence at one field."""
    found = re.search(rf'id="wrong-{name}">([^<]+)<', page)
    return found.group(1) if found else ""


def accounts(app) -> int:
    with app.app_context(), as_system("test counts"):
        count = db.session.scalar(select(func.count()).select_from(Account))
        db.session.remove()
    return count
