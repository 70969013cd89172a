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
    from views.switched import init_switched

    init_switched(app)
    app.register_blueprint(health)
    for view in fab_views():
        appbuilder.add_view_no_menu(view)
    from views.api import APIS
    from views.api_bench import BENCH_APIS
    from views.api_records import RECORD_APIS
    from views.organisation_api import ORGANISATION_APIS

    for api in (*APIS, *BENCH_APIS, *ORGANISATION_APIS, *RECORD_APIS):
        appbuilder.add_api(api)
    for blueprint in pages():
        app.register_blueprint(blueprint)
    init_side_menu(app)


def fab_views() -> list[type]:
    """Generated views: lists, detail pages and forms by role."""
    from views.account import AccountView
    from views.affiliation import AffiliationView
    from views.amendment import AmendmentView
    from views.appointment import AppointmentView
    from views.assignment_rules import AssignmentRuleView
    from views.audit import AuditLogView
    from views.category import CalendarView, CategoryView
    from views.category_rules import CategoryRuleView
    from views.certificate import CertificateView
    from views.commission import CommissionView
    from views.filing import FilingView
    from views.filing_pending import PendingFilingView
    from views.former import FormerView
    from views.institute import CapabilityView, InstituteView
    from views.instrument import InstrumentView
    from views.item import ItemView
    from views.mail import DevelopmentMailView
    from views.message import MessageView
    from views.recovery_requests import RecoveryRequestView
    from views.regulation import RegulationView
    from views.reminder import ReminderView
    from views.slot import SlotView
    from views.staff import StaffView
    from views.subaccounts import SubaccountView
    from views.task import TaskView
    from views.transfer import TransferView
    from views.unit import UnitView
    from views.unit_changes import UnitChangeView
    from views.unmatched import UnmatchedView
    from views.verifier_project import VerifierProjectView
    from views.warnings import WarningView

    return [
        InstrumentView,
        FormerView,
        TransferView,
        FilingView,
        PendingFilingView,
        AmendmentView,
        ReminderView,
        WarningView,
        AppointmentView,
        AssignmentRuleView,
        ItemView,
        CommissionView,
        TaskView,
        CertificateView,
        VerifierProjectView,
        RegulationView,
        UnmatchedView,
        SlotView,
        AccountView,
        RecoveryRequestView,
        UnitView,
        UnitChangeView,
        AffiliationView,
        SubaccountView,
        StaffView,
        InstituteView,
        CapabilityView,
        MessageView,
        CategoryView,
        CategoryRuleView,
        CalendarView,
        DevelopmentMailView,
        AuditLogView,
    ]


def pages() -> list:
    """Thin custom pages and the portal."""
    from views.account_import import account_import
    from views.activation import activation
    from views.affiliation import affiliation_pages
    from views.amendment import amendment_pages
    from views.api_token import api_token
    from views.basket import basket_pages
    from views.batch_results import batch_results
    from views.bindings import bindings
    from views.booking import booking
    from views.booking_draft import draft_pages
    from views.booking_due import due_pages
    from views.booking_query import query_pages
    from views.bulk import bulk_pages
    from views.captcha import captchas
    from views.category_rules import rule_help
    from views.clocks import clock_pages
    from views.confirm import confirm_pages
    from views.contact_prompt import contact_pages
    from views.counter import counter
    from views.duplicates import duplicate_pages
    from views.feeds import feed_pages
    from views.files import files
    from views.filing_submit import filing_submit
    from views.help import help_pages
    from views.import_mapping import imports
    from views.instrument_quality import ledger_quality
    from views.job import jobs
    from views.login import ways_in
    from views.me import own_pages
    from views.me_edit import edit_pages
    from views.my_business import business_pages
    from views.my_quality import quality_pages
    from views.options import options
    from views.password import password_pages
    from views.personal import personal_pages
    from views.portal import portal
    from views.portal_download import portal_download
    from views.portal_hash import portal_hash
    from views.recovery import recovery
    from views.registration import registration
    from views.registration_code import registration_help
    from views.registration_mine import mine_pages
    from views.saved_views import saved_views
    from views.search import search_pages
    from views.second_factor import factor_pages
    from views.sessions import session_pages
    from views.settings import settings_pages
    from views.site_texts import site_pages
    from views.sso import sso
    from views.stickers import sticker_pages
    from views.transfer import transfer_pages
    from views.unit_master import master_pages
    from views.unit_profile import unit_pages
    from views.unmask import unmask_pages
    from views.unmatched_send import record_pages

    return [
        portal,
        portal_hash,
        portal_download,
        counter,
        sticker_pages,
        batch_results,
        account_import,
        api_token,
        registration,
        registration_help,
        mine_pages,
        activation,
        captchas,
        ways_in,
        password_pages,
        confirm_pages,
        factor_pages,
        session_pages,
        own_pages,
        edit_pages,
        affiliation_pages,
        amendment_pages,
        business_pages,
        quality_pages,
        ledger_quality,
        duplicate_pages,
        contact_pages,
        unit_pages,
        master_pages,
        personal_pages,
        booking,
        basket_pages,
        draft_pages,
        due_pages,
        query_pages,
        bulk_pages,
        transfer_pages,
        clock_pages,
        feed_pages,
        files,
        filing_submit,
        imports,
        jobs,
        options,
        help_pages,
        rule_help,
        saved_views,
        search_pages,
        settings_pages,
        site_pages,
        unmask_pages,
        record_pages,
        sso,
        bindings,
        recovery,
    ]


def register_cli(app: Flask) -> None:
    """Attach the commands."""
    from views.cli import register_commands

    register_commands(app)
