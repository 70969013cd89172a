"""Which language a request gets, without writing it into the session.

Stock Flask-AppBuilder stores the locale in the session of every first visitor, so each public page would set a cookie
and vary by it.
"""

from __future__ import annotations

from flask import Flask, current_app, has_request_context, session


def current_locale() -> str:
    """The language chosen by the person, else the deployment's."""
    default = str(current_app.config["BABEL_DEFAULT_LOCALE"])
    chosen = session.get("locale", default) if has_request_context() else default
    return chosen if chosen in current_app.config["LANGUAGES"] else default


def init_locale(app: Flask) -> None:
    """Replace Flask-AppBuilder's selector; after AppBuilder has set up Babel."""
    app.extensions["babel"].locale_selector = current_locale
