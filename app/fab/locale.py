"""Which language a request gets, without writing it into the session, and its words without asking anew for each.

Stock Flask-AppBuilder stores the locale in the session of every first visitor, so each public page would set a cookie
and vary by it. Stock Flask-Babel finds out the language again for each of the 300 words of a list.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from babel.support import NullTranslations
from flask import Flask, current_app, g, has_request_context, session
from flask_babel import Domain


def current_locale() -> str:
    """The language chosen by the person, else the deployment's."""
    default = str(current_app.config["BABEL_DEFAULT_LOCALE"])
    chosen = session.get("locale", default) if has_request_context() else default
    return chosen if chosen in current_app.config["LANGUAGES"] else default


class QuickDomain(Domain):
    """Keeps the request's translations as long as its language stays the same (`refresh` makes it be asked again)."""

    def get_translations(self) -> Any:
        try:
            context: SimpleNamespace | None = g.get("_flask_babel")
        except RuntimeError:  # outside of any application
            return NullTranslations()
        if context is not None and (kept := getattr(context, "quick", None)) is not None:
            locale, translations = kept
            if locale is getattr(context, "babel_locale", None):
                return translations
        translations = super().get_translations()
        context = g.get("_flask_babel")
        if context is not None and getattr(context, "babel_locale", None) is not None:
            context.quick = (context.babel_locale, translations)
        return translations


def init_locale(app: Flask) -> None:
    """Replace Flask-AppBuilder's selector and Flask-Babel's domain; after AppBuilder has set up Babel."""
    babel = app.extensions["babel"]
    babel.locale_selector = current_locale
    words = QuickDomain(domain=babel.default_domain)
    babel.instance.__dict__["domain_instance"] = words
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        gettext=lambda s: words.get_translations().ugettext(s),
        ngettext=lambda s, p, n: words.get_translations().ungettext(s, p, n),
        newstyle=True,
        pgettext=lambda c, s: words.get_translations().upgettext(c, s),
        npgettext=lambda c, s, p, n: words.get_translations().unpgettext(c, s, p, n),
    )
