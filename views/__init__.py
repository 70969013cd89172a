"""What a person or a client sees. `register` holds every view in one place; the menu stands in views/menu.py."""

from __future__ import annotations

from flask import Flask
from flask_appbuilder import AppBuilder

from views.index import HomeView

__all__ = ["HomeView", "register", "register_cli"]


def register(app: Flask, appbuilder: AppBuilder) -> None:
    """Attach every page and resource."""
    from views.health import health
    from views.menu import init_side_menu

    app.register_blueprint(health)
    for view in fab_views():
        appbuilder.add_view_no_menu(view)
    from views.api import APIS

    for api in APIS:
        appbuilder.add_api(api)
    for blueprint in pages():
        app.register_blueprint(blueprint)
    init_side_menu(app)


def fab_views() -> list[type]:
    """Generated views: lists, detail pages and forms by role."""
    return []


def pages() -> list:
    """Thin custom pages and the portal."""
    return []


def register_cli(app: Flask) -> None:
    """Attach the commands."""
    from views.cli import register_commands

    register_commands(app)
