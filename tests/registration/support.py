"""A registration as a person fills it in, and reading what the platform sent and stored."""

import io
import itertools
import os
import re

from sqlalchemy import select

from app.access.principal import as_system
from app.channels.deliver import deliver
from models import Account, DevelopmentMail
from models.base import db
from tests.client import post, token
from tests.world import PASSWORD, PNG, uscc

_numbers = itertools.count(600_000 + int.from_bytes(os.urandom(2)))
PDF = b"%PDF-1.7\n" + b"0" * 200


def filled(world, institute: str = "A", **more) -> dict:
    """Every field of a good form but the code from the mail."""
    number = next(_numbers)
    return {
        "user_type": "applicant",
        "identity": "unit",
        "unit_name": f"友谊超市有限公司{number}",
        "code": uscc(number),
        "province": "440000",
        "city": "440100",
        "division_code": "440103",
        "address": "中山七路3号",
        "contact_name": "赵敏",
        "phone": f"137{number:08d}",
        "email": f"shop{number}@example.com",
        "username": f"shop{number}",
        "password": PASSWORD,
        "password_again": PASSWORD,
        "agree": "1",
        "institute_id": str(world.institutes[institute]),
        **more,
    }


def papers(*, authorisation: bool = True) -> dict:
    """Fresh upload streams: a stream can be read once."""
    found = {"licence": (io.BytesIO(PNG), "证照.png")}
    if authorisation:
        found["authorisation"] = (io.BytesIO(PDF), "授权书.pdf")
    return found


def ask_code(app, client, email: str) -> str:
    """Press 获取验证码 and read the mail."""
    answer = post(client, "/register/code", {"email": email}, page="/register", headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return mailed_code(app, email)


def mailed_code(app, email: str) -> str:
    with app.app_context(), as_system("test reads the mail"):
        deliver(db.session())
        body = db.session.scalar(
            select(DevelopmentMail.body).where(DevelopmentMail.recipient == email).order_by(DevelopmentMail.id.desc())
        )
        db.session.remove()
    return re.search(r"\d{6}", body).group()


def send(client, form: dict, files: dict | None = None, **kwargs):
    data = {**form, **(papers() if files is None else files), "csrf_token": token(client, "/register")}
    return client.post("/register", data=data, content_type="multipart/form-data", **kwargs)


def register(app, client, world, institute: str = "A", **more) -> dict:
    """The whole way; answers with the form that was handed in."""
    form = filled(world, institute, **more)
    form["email_code"] = ask_code(app, client, form["email"])
    answer = send(client, form)
    assert (answer.status_code, answer.location) == (303, "/register/done"), answer.get_data(as_text=True)[:3000]
    return form


def account_named(app, username: str) -> Account | None:
    """Id, state, version and unit of the account, or None."""
    from flask_appbuilder.security.sqla.models import User

    with app.app_context(), as_system("test looks"):
        statement = select(Account).join(User, User.id == Account.user_id).where(User.username == username)
        found = db.session.execute(statement).unique().scalar_one_or_none()
        db.session.expunge_all()
        db.session.remove()
    return found
