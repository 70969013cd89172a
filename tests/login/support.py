"""People of these tests alone, codes sent to phones, dynamic codes."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta

import pyotp
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.channels.deliver import deliver
from app.workflow import bear
from models import Account, AuditLog, DevelopmentMail
from models.base import db
from models.enums import AccountKind, Role
from models.types import blind_index
from tests.client import post, visitor
from tests.world import PASSWORD, person

_numbers = itertools.count(1)
NEW = "Duanwu-Longzhou-27"


def somebody(app, world, kind=AccountKind.REGULATOR, roles=(Role.REG,), **more) -> str:
    """A fresh account whose locks and passwords disturb nobody; gives its nickname."""
    nick = f"login{next(_numbers)}x"
    if kind == AccountKind.REGULATOR:
        more.setdefault("area", "4401")
    with app.app_context():
        person(world, nick, kind, list(roles), **more)
        db.session.remove()
    return nick


def sub_user(app, world, main: str, phone: str) -> str:
    """A sub-account of that unit's main account, active, its phone verified now."""
    from app.operations.account import activate, new_link
    from app.operations.logins import new_user

    nick = f"sub{next(_numbers)}x"
    with app.app_context():
        session = db.session()
        with as_system("fixture"):
            unit = session.get(Account, world.people[main]).unit_id
        with world.acting(main) as actor:
            made = Account(
                kind=AccountKind.ENTERPRISE,
                name="李子户",
                roles=[Role.SUB.value],
                unit_id=unit,
                phone=phone,
                phone_index=blind_index(phone),
                phone_verified_at=clock.now(),
            )
            made.user_id = new_user(session, f"{nick}{phone[-6:]}", made.name, None, None).id
            link = new_link(made)
            bear(session, made, "invite_sub", actor)
            session.commit()
        with as_system("fixture"):
            activate(session, link, PASSWORD)
            session.commit()
            world.people[nick], world.names[nick] = made.id, made.user.username
        db.session.remove()
    return nick


def change(app, world, nick: str, **values) -> None:
    """Write columns of an account directly, as time or an operator would have."""
    with app.app_context(), as_system("fixture"):
        account = db.session.get(Account, world.people[nick])
        for name, value in values.items():
            setattr(account, name, value)
        db.session.commit()
        db.session.remove()


def facts(app, world, nick: str, *names: str) -> tuple:
    """Columns of an account as they are now."""
    with app.app_context(), as_system("fixture"):
        account = db.session.get(Account, world.people[nick])
        found = tuple(getattr(account, name) for name in names)
        db.session.remove()
    return found


def logins(app, world, nick: str) -> list:
    """Lines of the audit log about logging in to that account, the newest first."""
    with app.app_context(), as_system("fixture"):
        statement = (
            select(AuditLog)
            .where(AuditLog.action == "login", AuditLog.actor_id == world.people[nick])
            .order_by(AuditLog.seq.desc())
        )
        rows = list(db.session.execute(statement).scalars())
        db.session.remove()
    return rows


def texts_to(app, phone: str) -> list[str]:
    """Codes sent to a phone, the newest first."""
    with app.app_context(), as_system("fixture"):
        deliver(db.session())
        statement = select(DevelopmentMail.body).where(DevelopmentMail.recipient_index == blind_index(phone))
        bodies = list(db.session.execute(statement.order_by(DevelopmentMail.id.desc())).scalars())
        db.session.remove()
    return [re.search(r"\d{6}", body).group() for body in bodies]


def enrol(app, client, password: str = PASSWORD) -> str:
    """Set up dynamic codes through the pages; gives the secret. The code used is the one before the present one."""
    assert post(client, "/me/confirm?next=/me/second-factor", {"password": password}).status_code == 303
    page = client.get("/me/second-factor").get_data(as_text=True)
    secret = re.search(r'<code class="break">([A-Z2-7 ]+)</code>', page).group(1).replace(" ", "")
    answer = post(client, "/me/second-factor", {"code": code_at(secret, -1)}, page="/me/second-factor")
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return secret


def code_at(secret: str, steps: int = 0) -> str:
    """The code of the present half minute, or of one before or after."""
    return pyotp.TOTP(secret).at(clock.now() + timedelta(seconds=30 * steps))


def stolen(app, client, name: str = "session"):
    """Another browser with this one's cookie."""
    other = visitor(app)
    other.set_cookie("session", client.get_cookie(name).value)
    return other
