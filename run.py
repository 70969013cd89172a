"""The composition root: create_app() joins settings, stores, rules and views; `python run.py` starts everything."""

from __future__ import annotations

import logging
import sys

from flask import Flask
from flask_appbuilder import AppBuilder
from flask_migrate import Migrate
from flask_sqlalchemy.session import Session as FlaskSession
from werkzeug.middleware.proxy_fix import ProxyFix

import models
from app.access import business_predicates, predicates, scope
from app.access.constraints import sentence_for
from app.access.grants import check_public
from app.access.hardening import assert_safe
from app.access.security import SecurityManager
from app.access.sessions import DatabaseSessions
from app.access.tokens import token_settings
from app.fab.csp import init_headers
from app.fab.dberrors import register_lookup
from app.fab.errors import init_errors
from app.fab.face import init_face
from app.fab.locale import init_locale
from app.operations.signing import check_signing
from app.workflow import journal
from config import ROOT, settings
from models.base import db
from views.edge import csrf, init_edge, init_refusals
from views.gates import init_gates
from views.idempotency import init_idempotency

assert models
assert predicates, "importing them registers tables and scopes"
assert business_predicates


def create_app(overrides: dict[str, object] | None = None) -> Flask:
    """A complete application. `overrides` replaces settings, for tests.

    Raises UnsafeSettingsError when a setting of TRUST section 5 does not hold. Does not touch the database.
    """
    # FAB warns at every start about columns (arrays, JSON) that it offers no filter for; we offer none on purpose
    logging.getLogger("flask_appbuilder.models.sqla.filters").setLevel(logging.ERROR)
    logging.getLogger("flask_appbuilder.models.filters").setLevel(logging.ERROR)
    app = Flask("app")
    app.config.from_mapping(settings())
    app.config.update(overrides or {})
    if count := int(app.config["PROXY_COUNT"]):
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=0)  # type: ignore[method-assign]
    app.session_interface = DatabaseSessions()
    token_settings(app)
    scope.install(FlaskSession)
    journal.install(FlaskSession)
    register_lookup(sentence_for)
    init_headers(app)
    db.init_app(app)
    csrf.init_app(app)
    Migrate(app, db, directory=str(ROOT / "migrations"), compare_type=True)
    with app.app_context():
        from views import HomeView, register, register_cli
        from views.menu import current_face

        init_face(app, current_face)
        appbuilder = AppBuilder(app, db.session, indexview=HomeView, security_manager_class=SecurityManager)
        init_edge(app)
        init_gates(app)
        init_idempotency(app)
        register(app, appbuilder)
        register_cli(app)
    init_locale(app)
    init_errors(app)
    init_refusals(app)
    app.extensions["start_checks"] = [check_public, check_signing]
    assert_safe(app)
    return app


if __name__ == "__main__":
    from app.embedded.main import main

    sys.exit(main())
