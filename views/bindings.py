"""`/me/bindings`: the outside identities that open the own account (LOG-18)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from flask_babel import gettext

from app.access.providers import REGISTERS, label_of, offered
from app.errors import ConflictError, InvalidInputError
from app.operations.bindings import identities, unbind
from models.account import Account
from models.base import db
from models.enums import Role
from views.answers import whole
from views.edge import clean
from views.guards import confirmed_recently, roles
from views.sso import way_to
from views.workflow_view import me

bindings = Blueprint("bindings", __name__)
PAGE = "/me/bindings"


@bindings.get(PAGE)
@roles()
def own_bindings() -> str:
    """What is bound, since when, and what else could be."""
    own = identities(db.session(), me())
    bound = {row.provider for row in own}
    return render_template(
        "pages/bindings.html",
        title=gettext("绑定管理"),
        rows=[(row.id, label_of(row.provider), row.bound_at) for row in own],
        offered=[(k, label) for k, label in offered() if k not in bound and (k not in REGISTERS or me().has(Role.ENT))],
    )


def _must_confirm() -> Any:
    """Where to prove oneself first: by the password, or by the provider itself when the account has none."""
    if confirmed_recently():
        return None
    account = db.session.get(Account, me().account_id)
    own = [row.provider for row in identities(db.session(), me()) if row.provider in dict(offered())]
    if account is not None and not account.user.password and own:
        return redirect(f"/login/with/{own[0]}?next={PAGE}", 303)
    flash(gettext("请先输入密码确认是您本人，再继续操作。"), "info")
    return redirect(f"/me/confirm?next={PAGE}", 303)


@bindings.post(f"{PAGE}/add")
@roles()
def add() -> Any:
    """To the provider; what it answers is bound to the account that asked."""
    if answer := _must_confirm():
        return answer
    return redirect(way_to(clean(request.form.get("provider"), 20), PAGE, me().account_id), 303)


@bindings.post(f"{PAGE}/remove")
@roles()
def remove() -> Any:
    """Unbind: from now on that identity opens nothing."""
    if answer := _must_confirm():
        return answer
    pk = whole(request.form.get("identity"))
    try:
        provider = unbind(db.session(), me(), pk or 0)
        flash(gettext("已解绑“%(name)s”。", name=label_of(provider)), "success")
    except (ConflictError, InvalidInputError) as error:
        db.session.rollback()
        flash(error.sentence, "danger")
    return redirect(PAGE, 303)
