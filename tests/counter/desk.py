"""Acts at the counter, through the pages, for the tests of this folder."""

from __future__ import annotations

import re

from sqlalchemy import select

from app.access.principal import as_system
from models import Commission, Task
from models.base import db
from tests.client import post, text
from tests.world import PASSWORD, booked

TICKS = ["name", "model", "serial", "unit", "condition"]
SECRET = re.compile(r'id="secret">([2-9A-Z]{10})<')
assert PASSWORD


def order(app, world, count: int = 1, unit: str = "ua1", institute: str = "A", **more):
    """An accepted order, made in a context of its own."""
    with app.app_context():
        made = booked(world, unit, institute, count, **{"delivery_mode": "deliver", **more})
        db.session.remove()
    return made


def start(client, made) -> int:
    """Register the visit; gives the commission's id."""
    data = {"appointment_id": str(made.id), "name": "张送检", "phone": "13812345678"}
    answer = post(client, "/counter/start", data)
    assert answer.status_code == 303, text(answer)
    return int(answer.location.rsplit("/", 1)[1])


def lines(items, verdict: str = "receive", ticks=TICKS, **more) -> dict:
    """What the form of the visit sends for these items."""
    data: dict = {"line": [str(i) for i in items]}
    for item in items:
        data |= {f"verdict-{item}": verdict, f"ticks-{item}": ticks, f"accessories-{item}": "电源线"}
        data |= {f"{key}-{item}": value for key, value in more.items()}
    return data


def opened(client, made) -> tuple[int, str, str]:
    """Receive everything and open the commission: (id, number, password)."""
    pk = start(client, made)
    answer = post(client, f"/counter/visit/{pk}/check", lines(made.items))
    assert answer.status_code == 303, text(answer)
    page = post(client, f"/counter/visit/{pk}/open", {})
    assert page.status_code == 200, text(page)
    return pk, number_of(client.application, pk), SECRET.search(text(page)).group(1)


def number_of(app, pk: int) -> str:
    return str(read(app, Commission, pk).number)


def read(app, model, pk):
    """A row as the database has it, detached."""
    with app.app_context(), as_system("test"):
        row = db.session.get(model, pk)
        db.session.refresh(row)
        db.session.expunge(row)
        return row


def tasks_of(app, commission: int) -> list[Task]:
    with app.app_context(), as_system("test"):
        rows = list(db.session.scalars(select(Task).where(Task.commission_id == commission).order_by(Task.id)))
        for row in rows:
            db.session.expunge(row)
        return rows
