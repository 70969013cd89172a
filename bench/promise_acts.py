"""What each process of a herd does in bench.promises; `own` is its number, what it returns is told to the parent."""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from tests.faults.herd import meet

WHY = "同时办理的演练"
CHECKED = {"checked": True}


def _who(account: int) -> Any:
    from app.access.load import account_by_id, principal_of
    from models.base import db

    found = account_by_id(db.session(), account)
    assert found is not None
    principal = principal_of(found)
    db.session.rollback()
    return principal


def _does(what: Callable[[], Any]) -> str:
    """One transaction: "done", or the sentence with which it was refused."""
    from app.errors import QuanhengError
    from models.base import db

    try:
        what()
        db.session.commit()
    except QuanhengError as error:
        db.session.rollback()
        return error.sentence
    return "done"


def turns(_own: int, *, account: int, instruments: list[int], slot: int) -> dict[str, int]:
    """I-1: round by round, all processes book the same instrument at the same moment."""
    from app.access.principal import acting_as
    from app.operations.appointment import book
    from models.base import db

    said: Counter[str] = Counter()
    session = db.session()
    with acting_as(_who(account)) as actor:
        for one in instruments:
            meet()
            said[_does(lambda one=one: book(session, actor, instrument_ids=[one], slot_id=slot))] += 1  # type: ignore[misc]
    return dict(said)


class Comings:
    """I-3: books, moves, cancels, is refused and sent back at random on shared slots."""

    def __init__(self, own: int, unit: int, reception: int, instruments: list[int], slots: list[int]) -> None:
        from models.base import db

        self.session, self.dice = db.session(), random.Random(own)
        self.unit, self.reception = _who(unit), _who(reception)
        self.free, self.slots = list(instruments), slots
        self.orders: dict[int, tuple[int, int]] = {}
        """Order by instrument, with its item."""

    def step(self) -> str:
        """One act; its word, or "refused"."""
        word = self.dice.choice(("book", "book", "move", "cancel", "reject", "back") if self.orders else ("book",))
        if word == "book" and not self.free:
            word = "cancel"
        return word if _does(getattr(self, word)) == "done" else "refused"

    def book(self) -> None:
        from app.access.principal import acting_as
        from app.operations.appointment import book

        one = self.free[-1]
        with acting_as(self.unit) as actor:
            order = book(self.session, actor, instrument_ids=[one], slot_id=self.dice.choice(self.slots))
            self.orders[one] = (order.id, order.items[0].id)
        self.free.pop()

    def move(self) -> None:
        from app.workflow import APPOINTMENT

        order, _item = self.orders[self.dice.choice(sorted(self.orders))]
        self._fire(self.unit, APPOINTMENT, order, "reschedule", {"slot_id": str(self.dice.choice(self.slots))})

    def cancel(self) -> None:
        from app.workflow import ITEM

        self._ends(self.unit, ITEM, 1, "cancel")

    def reject(self) -> None:
        from app.workflow import ITEM

        self._ends(self.reception, ITEM, 1, "reject")

    def back(self) -> None:
        from app.workflow import APPOINTMENT

        self._ends(self.reception, APPOINTMENT, 0, "send_back")

    def _ends(self, who: Any, machine: Any, which: int, step: str) -> None:
        one = self.dice.choice(sorted(self.orders))
        self._fire(who, machine, self.orders[one][which], step, {"reason": WHY})
        del self.orders[one]
        self.free.append(one)

    def _fire(self, who: Any, machine: Any, pk: int, step: str, data: dict[str, Any]) -> None:
        from app.access.principal import acting_as
        from app.workflow import fire

        with acting_as(who) as actor:
            fire(self.session, machine, pk, step, actor, data)


def come_and_go(
    own: int, *, unit: int, reception: int, instruments: list[int], each: int, slots: list[int], steps: int
) -> dict[str, int]:
    """So many random acts with instruments of one's own: how often each was done."""
    day = Comings(own, unit, reception, instruments[own * each : (own + 1) * each], slots)
    return dict(Counter(day.step() for _number in range(steps)))


def refold(own: int, *, instruments: list[int], rivals: int) -> int:
    """I-7: let the platform write result, validity and number of every instrument; how many it went through."""
    from app.access.principal import as_system
    from app.workflow import CERTIFICATE
    from app.workflow.certificate import update_instrument
    from app.workflow.engine import Context
    from models.base import db
    from models.instrument import Instrument

    session, mine = db.session(), instruments[own::rivals]
    with as_system("measuring") as system:
        for number, pk in enumerate(mine):
            row = session.get(Instrument, pk)
            update_instrument(Context(session, CERTIFICATE, CERTIFICATE.step("publish"), row, system, {}), pk)
            if number % 100 == 99:
                session.commit()
                session.expunge_all()
        session.commit()
    return len(mine)


def boundary(own: int, *, account: int, orders: list[int], items: list[int]) -> list[str]:
    """I-16: the term ends while one process receives the instrument and the other tries to withdraw the order until it
    may, or until the instrument has come."""
    from app import clock
    from app.access.principal import acting_as, as_system
    from app.workflow import APPOINTMENT, ITEM, fire
    from models.appointment import Appointment
    from models.base import db

    session, said, who = db.session(), [], _who(account)
    dice = random.Random(own)
    for order, item in zip(orders, items, strict=True):
        if own:
            with as_system("measuring"):
                ends = clock.now() + timedelta(milliseconds=dice.uniform(5, 25))
                session.execute(update(Appointment).where(Appointment.id == order).values(deadline_at=ends))
                session.commit()
        meet()
        if own == 0:
            time.sleep(dice.uniform(0, 0.04))
            with acting_as(who) as actor:
                said.append(_does(lambda item=item: fire(session, ITEM, item, "receive", actor, CHECKED)))  # type: ignore[misc]
            continue
        with as_system("the term has passed") as system:
            for _try in range(100):
                answer = _does(lambda order=order: fire(session, APPOINTMENT, order, "auto_withdraw", system))  # type: ignore[misc]
                if "尚未超过" not in answer:
                    break
        said.append(answer)
    return said


def ask_again(
    own: int, *, people: dict[str, Any], instruments: list[int], rivals: int, nick: str
) -> list[tuple[int, str]]:
    """I-23: processes 2n and 2n + 1 send the same requests under the same keys at once, each of them twice;
    status and digest of every answer, in order."""
    from flask import current_app

    from tests.client import login, token
    from tests.world import World

    app = current_app._get_current_object()  # type: ignore[attr-defined]
    client = login(app, World(**people), nick)
    csrf, said = token(client), []
    pair, pairs = own // 2, rivals // 2

    def send(pk: int) -> None:
        headers = {"X-CSRFToken": csrf, "Idempotency-Key": f"promise-{pk}"}
        answer = client.post(f"/api/v1/instruments/{pk}/steps/suspend", json={"reason": WHY}, headers=headers)
        said.append((answer.status_code, hashlib.sha256(answer.get_data()).hexdigest()[:12]))

    meet()
    for pk in instruments[pair::pairs]:
        send(pk)
        send(pk)
    return said
