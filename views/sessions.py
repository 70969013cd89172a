"""`/me/sessions`: where one is logged in, and ending it; `/sessions/<account>`: the same for the security administrator."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session
from flask_babel import gettext

from app.access import second_factor
from app.access.sessions import fingerprint
from app.errors import InvalidInputError, NotVisibleError
from app.operations import own_sessions as rules
from models.account import Account
from models.base import db
from views.edge import clean
from views.guards import roles
from views.password import own_account
from views.workflow_view import me

session_pages = Blueprint("sessions", __name__)
PAGE = "/me/sessions"


def _this_key() -> str | None:
    key = getattr(session, "key", None)
    return fingerprint(key) if key else None


@session_pages.get(PAGE)
@roles()
def own() -> str:
    """One's own sessions, this browser marked, and the latest log-ins."""
    account = own_account()
    return _page(gettext("登录设备"), account, PAGE, this_key=_this_key())


def _page(title: str, account: Account, address: str, *, this_key: str | None = None, security: bool = False) -> str:
    return render_template(
        "pages/sessions.html",
        title=title,
        account=account,
        address=address,
        places=rules.places(db.session(), account, this_key),
        entries=rules.entries(db.session(), account.id),
        security=security,
        has_factor=second_factor.switched_on(account),
    )


@session_pages.post(f"{PAGE}/end")
@roles()
def end_own() -> Any:
    """End one of one's own sessions, not this one: that is logging out."""
    key = clean(request.form.get("session"), 64)
    if key == _this_key() or not rules.end_one(db.session(), own_account(), key):
        raise NotVisibleError
    flash(gettext("该设备上的登录已退出。"), "success")
    return redirect(PAGE, 303)


@session_pages.post(f"{PAGE}/end-others")
@roles()
def end_own_others() -> Any:
    """End all but this one."""
    account = own_account()
    count = rules.end_others(db.session(), account, _this_key())
    session["epoch"] = account.session_epoch
    flash(gettext("其他设备上的登录已全部退出（%(n)s处）。", n=count), "success")
    return redirect(PAGE, 303)


# -- the security administrator ---------------------------------------------------------------------------------------


def _account(account_id: int) -> Account:
    return rules.account_for_security(db.session(), me(), account_id)


@session_pages.get("/sessions/<int:account_id>")
@roles()
def of_account(account_id: int) -> str:
    """Where somebody is logged in; for everybody but the security administrator the page does not exist."""
    account = _account(account_id)
    title = gettext("登录安全：%(name)s", name=account.name)
    return _page(title, account, f"/sessions/{account_id}", security=True)


@session_pages.post("/sessions/<int:account_id>/end")
@roles()
def end_of_account(account_id: int) -> Any:
    """End one session of somebody."""
    if not rules.end_one(db.session(), _account(account_id), clean(request.form.get("session"), 64)):
        raise NotVisibleError
    flash(gettext("该设备上的登录已退出。"), "success")
    return redirect(f"/sessions/{account_id}", 303)


@session_pages.post("/sessions/<int:account_id>/end-others")
@roles()
def end_all_of_account(account_id: int) -> Any:
    """End every session of somebody."""
    count = rules.end_others(db.session(), _account(account_id), None)
    flash(gettext("该账号的登录已全部退出（%(n)s处）。", n=count), "success")
    return redirect(f"/sessions/{account_id}", 303)


@session_pages.post("/sessions/<int:account_id>/reset-second-factor")
@roles()
def reset_factor(account_id: int) -> Any:
    """Take the dynamic codes off somebody whose device is gone."""
    try:
        rules.reset_second_factor(db.session(), me(), account_id, clean(request.form.get("reason"), 500))
        flash(gettext("动态口令已重置，该账号的登录已全部退出。"), "success")
    except InvalidInputError as error:
        db.session.rollback()
        flash(error.sentence, "warning")
    return redirect(f"/sessions/{account_id}", 303)
