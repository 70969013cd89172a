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
    from views.account import AccountView
    from views.appointment import AppointmentView
    from views.audit import AuditLogView
    from views.category import CalendarView, CategoryView
    from views.certificate import CertificateView
    from views.filing import FilingView
    from views.institute import CapabilityView, InstituteView
    from views.instrument import InstrumentView
    from views.item import ItemView
    from views.mail import DevelopmentMailView
    from views.message import MessageView
    from views.reminder import ReminderView
    from views.slot import SlotView
    from views.unit import UnitView

    return [
        InstrumentView,
        FilingView,
        ReminderView,
        AppointmentView,
        ItemView,
        CertificateView,
        SlotView,
        AccountView,
        UnitView,
        InstituteView,
        CapabilityView,
        MessageView,
        CategoryView,
        CalendarView,
        DevelopmentMailView,
        AuditLogView,
    ]


def pages() -> list:
    """Thin custom pages and the portal."""
    from views.activation import activation
    from views.api_token import api_token
    from views.booking import booking
    from views.files import files
    from views.filing_submit import filing_submit
    from views.help import help_pages
    from views.imports import imports
    from views.job import jobs
    from views.me import own_pages
    from views.options import options
    from views.portal import portal
    from views.registration import registration
    from views.registration_mine import mine_pages
    from views.search import search_pages

    return [
        portal,
        api_token,
        registration,
        mine_pages,
        activation,
        own_pages,
        booking,
        files,
        filing_submit,
        imports,
        jobs,
        options,
        help_pages,
        search_pages,
    ]


def register_cli(app: Flask) -> None:
    """Attach the commands."""
    from views.cli import register_commands

    register_commands(app)
