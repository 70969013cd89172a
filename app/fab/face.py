"""What a deployment looks like: its name, hotline, logo and colour, and the two reader's settings (text size, brand)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, redirect, request
from markupsafe import Markup, escape

from app.fab.formats import plain, thousands
from app.fab.paging import CappedInt
from app.fab.parts import state_chip
from app.fab.urls import address, local_path

COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
LARGE_COOKIE = "large_text"
YEAR = 31_536_000  # seconds


@dataclass(frozen=True)
class NavLink:
    """A link of the public navigation or the account menu."""

    label: Any
    href: str
    icon: str = ""


@dataclass(frozen=True)
class Face:
    """One deployment's face. Colours are #RRGGBB; brand_dark is the band of the portal and the side menu."""

    name: str
    owner: str = ""  # the authority that runs it
    short_name: str = ""
    hotline: str = ""
    hotline_hours: str = ""
    logo_url: str = ""
    brand: str = ""
    brand_dark: str = ""
    record_number: str = ""
    home_url: str = "/"
    search_url: str = "/search"
    search_hint: Any = ""
    todo_url: str = "/"
    login_url: str = "/login/"
    logout_url: str = "/logout/"
    portal_nav: tuple[NavLink, ...] = ()
    account_links: tuple[NavLink, ...] = ()
    login_links: tuple[NavLink, ...] = ()  # other ways to log in, registration, forgotten password
    footer_links: tuple[NavLink, ...] = ()


def icon(name: str, label: Any = "") -> Markup:
    """A symbol of static/icons.svg; with a label it has a name for screen readers, without it is decoration."""
    said = f' role="img" aria-label="{escape(label)}"' if label else ' aria-hidden="true"'
    return Markup(f'<svg class="icon"{said}><use href="/static/icons.svg#{escape(name)}"></use></svg>')  # noqa: S704


def init_face(app: Flask, face: Callable[[], Face]) -> None:
    """Give templates `face`, `icon`, `address`, `thousands`, `plain`, `state_chip`, and add /brand.css, /text-size."""
    app.jinja_env.globals.update(icon=icon, address=address, state_chip=state_chip)
    app.jinja_env.filters.update(thousands=thousands, plain=plain)
    app.jinja_env.tests["capped"] = lambda count: isinstance(count, CappedInt)

    @app.context_processor
    def shared() -> dict[str, Any]:
        return {"face": face(), "large_text": request.cookies.get(LARGE_COOKIE) == "1" if request else False}

    @app.get("/brand.css")
    def brand_css() -> Response:
        """The deployment's colours as custom properties; empty when it keeps the standard ones."""
        mine = face()
        pairs = {"--brand": mine.brand, "--band": mine.brand_dark}
        rules = "".join(f"{name}:{value};" for name, value in pairs.items() if COLOUR.fullmatch(value))
        answer = Response(f":root{{{rules}}}" if rules else "", mimetype="text/css")
        answer.headers["Cache-Control"] = "public, max-age=300"
        return answer

    @app.get("/text-size/<any(normal, large):size>")
    def text_size(size: str) -> Any:
        """Switch 老年模式 on or off for this browser and go back; works without a script."""
        answer = redirect(local_path(request.args.get("next"), "/"), 303)
        if size == "large":
            answer.set_cookie(LARGE_COOKIE, "1", max_age=YEAR, samesite="Lax", secure=request.is_secure)
        else:
            answer.delete_cookie(LARGE_COOKIE, samesite="Lax", secure=request.is_secure)
        return answer
