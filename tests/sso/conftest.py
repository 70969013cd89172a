"""Providers for one run, and their settings for one test."""

import itertools
import os

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from models import Account, ExternalIdentity, Unit
from models.base import db
from tests.client import visitor
from tests.sso.fakes import QQ, Issuer, serving

_numbers = itertools.count(7_000_000 + int.from_bytes(os.urandom(2)))


def number() -> int:
    return next(_numbers)


@pytest.fixture(scope="session")
def issuer_server():
    with serving(Issuer()) as issuer:
        yield issuer


@pytest.fixture(scope="session")
def qq_server():
    with serving(QQ()) as qq:
        yield qq


@pytest.fixture
def issuer(issuer_server, app, monkeypatch):
    """The issuer as government log-in and as licence; its keys are not kept from test to test."""
    issuer_server.reset()
    app.extensions.pop("identity_providers", None)
    one = {"issuer": issuer_server.base, "client_id": "quanheng", "client_secret": "s3cret"}
    monkeypatch.setitem(app.config, "IDENTITY_PROVIDERS", {"sso_gov": one, "licence": one})
    return issuer_server


@pytest.fixture
def qq(qq_server, app, monkeypatch):
    qq_server.openid, qq_server.client_id = f"OPENID{number()}", "qq-app"
    one = {"issuer": qq_server.base, "client_id": "qq-app", "client_secret": "qq-secret"}
    monkeypatch.setitem(app.config, "IDENTITY_PROVIDERS", {"qq": one})
    return qq_server


def come_back(client, issuer, key="sso_gov", target="", **claims):
    """From the button on the log-in page to our answer to the provider's."""
    issuer.claims = {**issuer.claims, **claims}
    query = f"?next={target}" if target else ""
    away = client.get(f"/login/with/{key}{query}")
    assert away.status_code == 302, away.get_data(as_text=True)[:500]
    return client.get(f"/login/back/{key}", query_string=issuer.authorize(away.location, f"code-{number()}"))


def browser(app):
    return visitor(app)


def rows_of(app, subject):
    """(accounts, units) behind a subject: ids."""
    with app.app_context(), as_system("test looks"):
        statement = (
            select(Account.id, Account.unit_id)
            .join(ExternalIdentity, ExternalIdentity.account_id == Account.id)
            .where(ExternalIdentity.subject == subject)
        )
        found = [tuple(row) for row in db.session.execute(statement)]
        db.session.remove()
    return found


def units_of(app, code):
    with app.app_context(), as_system("test looks"):
        found = list(db.session.execute(select(Unit).where(Unit.code == code).order_by(Unit.id)).unique().scalars())
        db.session.expunge_all()
        db.session.remove()
    return found
