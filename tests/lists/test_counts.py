"""The number above a list is the number of rows its reader may see: not the platform's."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from models import Account, Appointment, AppointmentItem, Certificate, Filing, Instrument, Message
from models.base import db
from tests.client import login

HEAD = re.compile(r'<span class="count num">([\d,]+)')
LISTS = {
    "/accounts/list/": Account,
    "/appointments/list/": Appointment,
    "/items/list/": AppointmentItem,
    "/certificates/list/": Certificate,
    "/filings/list/": Filing,
    "/instruments/list/": Instrument,
    "/messages/list/": Message,
}


@pytest.mark.parametrize("nick", ["ua1", "recA"])
@pytest.mark.parametrize("url", LISTS)
def test_the_number_above_a_list_counts_what_is_seen(app, world, nick, url):
    page = login(app, world, nick).get(url)
    if page.status_code in (403, 404):
        pytest.skip("not a list of theirs")
    shown = int(HEAD.search(page.get_data(as_text=True)).group(1).replace(",", ""))
    with app.app_context(), world.acting(nick):
        seen = len(db.session.scalars(select(LISTS[url])).all())
        db.session.remove()
    assert shown <= seen
