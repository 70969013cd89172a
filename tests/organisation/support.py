"""People and units of one test alone, and reading what the platform sent."""

import itertools
import os
import re

from sqlalchemy import select

from app.access.principal import as_system
from app.channels.deliver import deliver
from app.workflow import AFFILIATION, fire
from models import Account, Affiliation, DevelopmentMail
from models.base import db
from models.enums import AccountKind, Role
from models.types import blind_index
from tests import world as worlds
from tests.client import post, text
from tests.world import PASSWORD

_numbers = itertools.count(700_000 + int.from_bytes(os.urandom(2)))


def number() -> int:
    return next(_numbers)


def new_phone() -> str:
    return f"134{number():08d}"


def an_individual(app, world, **more) -> str:
    """The nickname of a new natural person who is linked to nobody."""
    nick = f"per{number()}"
    with app.app_context():
        worlds.person(world, nick, AccountKind.INDIVIDUAL, [Role.IND], phone=new_phone(), **more)
        with as_system("test"):
            account = db.session.get(Account, world.people[nick])
            account.id_number = worlds.citizen(number())
            account.id_number_index = blind_index(account.id_number)
            db.session.commit()
        db.session.remove()
    return nick


def a_unit(app, world) -> str:
    """The nickname of a new unit's main account."""
    nick = f"uni{number()}"
    with app.app_context():
        worlds.new_unit(world, nick, "440103", "recA", "A")
        db.session.remove()
    return nick


def staff(app, world, roles: list[Role], institute: str = "A", **more) -> str:
    nick = f"emp{number()}"
    with app.app_context():
        worlds.person(world, nick, AccountKind.INSTITUTE, roles, institute_id=world.institutes[institute], **more)
        db.session.remove()
    return nick


def linked(app, world, unit: str) -> str:
    """The nickname of a person linked to the unit of that main account."""
    nick = an_individual(app, world)
    asks(app, world, nick, world.codes[unit])
    decide(app, world, unit, nick, "approve")
    return nick


def asks(app, world, nick: str, code: str) -> None:
    from app.operations.affiliation import request_link

    with app.app_context():
        with world.acting(nick) as actor:
            request_link(db.session(), actor, code)
            db.session.commit()
        db.session.remove()


def decide(app, world, body: str, nick: str, step: str) -> None:
    with app.app_context():
        with world.acting(body) as actor:
            fire(db.session(), AFFILIATION, link_of(world, nick).id, step, actor)
            db.session.commit()
        db.session.remove()


def link_of(world, nick: str) -> Affiliation:
    with as_system("test"):
        statement = (
            select(Affiliation).where(Affiliation.account_id == world.people[nick]).order_by(Affiliation.id.desc())
        )
        return db.session.execute(statement).unique().scalars().first()


def state_of(app, world, nick: str) -> str | None:
    with app.app_context():
        link = link_of(world, nick)
        state = link.state if link else None
        db.session.remove()
    return state


def account_of(app, pk: int) -> Account:
    with app.app_context(), as_system("test"):
        found = db.session.get(Account, pk)
        assert found.user.username
        db.session.expunge_all()
        db.session.remove()
    return found


def texted(app, phone: str) -> str:
    """The newest text message to a number."""
    with app.app_context(), as_system("test"):
        deliver(db.session())
        statement = select(DevelopmentMail.body).where(DevelopmentMail.recipient_index == blind_index(phone))
        body = db.session.scalar(statement.order_by(DevelopmentMail.id.desc()))
        db.session.remove()
    return body or ""


def mailed(app, email: str) -> list[str]:
    """Bodies of the mails to an address, oldest first."""
    with app.app_context(), as_system("test"):
        deliver(db.session())
        statement = select(DevelopmentMail.body).where(DevelopmentMail.recipient_index == blind_index(email))
        bodies = list(db.session.execute(statement.order_by(DevelopmentMail.id)).scalars())
        db.session.remove()
    return bodies


def code_in(body: str) -> str:
    return re.search(r"\d{6}", body).group()


def confirm(client, page: str):
    """Type the password again."""
    return post(client, f"/me/confirm?next={page}", {"password": PASSWORD}, page=f"/me/confirm?next={page}")


def menu(client, group: str = "我的") -> list[str]:
    """Labels under a heading of the side menu."""
    page = text(client.get("/home/"))
    side = page[page.index('<aside class="side"') : page.index("</aside>")]
    found = re.search(rf'<div class="side-group">{group}</div>\s*<ul>(.*?)</ul>', side, re.DOTALL)
    return re.findall(r'<span class="label">(.*?)</span>', found.group(1)) if found else []


def filed_log(app, entity: str, pk: int) -> list[tuple[str, dict]]:
    """(step, input) of every step of a row, oldest first."""
    from models.log import TransitionLog

    with app.app_context(), as_system("test"):
        statement = select(TransitionLog.step, TransitionLog.input).where(
            TransitionLog.entity == entity, TransitionLog.entity_id == pk
        )
        rows = [tuple(row) for row in db.session.execute(statement.order_by(TransitionLog.id))]
        db.session.remove()
    return rows
