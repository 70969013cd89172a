"""`/unmask/<kind>/<id>`: a masked number in full, shown by the answer to the POST and by no address (ROLES 3 and 4)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import TextAreaField
from wtforms.validators import InputRequired

from app.access.masking import is_name_label
from app.errors import InvalidInputError
from app.fab.parts import Button
from app.operations.unmask import NEVER, Kind, find, may_unmask, unmask
from models.account import Account
from models.base import db
from models.types import mask_name
from views.edge import clean
from views.guards import roles
from views.workflow_view import me, put_on_form

unmask_pages = Blueprint("unmask", __name__)


class ReasonForm(FlaskForm):
    """Why somebody needs the whole number; the dialog of the button sends the same field."""

    reason = TextAreaField(
        _("查看原因"),
        [InputRequired(_("请填写查看原因（5～500字）。"))],
        description=_("5～500字。查看人、时间和原因会记入审计日志。"),
        render_kw={"rows": 3, "maxlength": 500},
    )


WAITING = ("pending", "returned")
REGISTERED = ("enterprise", "individual", "expert")


def shown_name(account: Account) -> str:
    """A person's name as the principal may read it (ROLES 4): institutes and the three administrators see 王* of those
    who registered themselves, but for an application that waits: its papers carry the name that must be compared."""
    p = me()
    if account.id == p.account_id or account.kind not in REGISTERED or account.state in WAITING:
        return account.name
    foreign = p.of_institute and account.institute_id != p.institute_id
    return mask_name(account.name) if foreign or p.has(*NEVER) else account.name


def shown_facts(account: Account, facts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What a registration says, with the names as `shown_name` has them."""
    if shown_name(account) == account.name:
        return facts
    return [(label, mask_name(value) if is_name_label(label) else value) for label, value in facts]


def unmask_button(kind: str, row: Any, label: Any = None) -> list[Button]:
    """[查看完整号码] where the principal may see it, else nothing."""
    if not may_unmask(db.session(), me(), kind, row):
        return []
    word = label or gettext("查看完整号码")
    ask = gettext("查看人、时间和原因会记入审计日志。")
    return [Button(f"unmask-{kind}", word, f"/unmask/{kind}/{row.id}", needs_reason=True, confirm=ask)]


@unmask_pages.post("/unmask/<kind>/<int:pk>")
@roles()
def show(kind: str, pk: int) -> Any:
    """With a reason the value, once; without one the form that asks for it (a browser without script has no dialog)."""
    found, row = find(db.session(), me(), kind, pk)
    form = ReasonForm()
    try:
        value = unmask(db.session(), me(), kind, pk, clean(form.reason.data))
    except InvalidInputError as error:
        db.session.rollback()
        return _ask(found, pk, form, put_on_form(form, error) if request.form.get("reason") else []), 422
    facts = [(found.label, value), (gettext("查看原因"), clean(form.reason.data))]
    return _kept_nowhere(
        render_template(
            "pages/unmasked.html",
            title=gettext("完整%(field)s", field=found.label),
            row=str(row),
            sections=[("", facts)],
            back=_page(found, row),
        )
    )


def _ask(kind: Kind, pk: int, form: ReasonForm, problems: list[str]) -> Any:
    return _kept_nowhere(
        render_template(
            "kinds/form.html",
            title=gettext("查看完整%(field)s", field=kind.label),
            form=form,
            columns=["reason"],
            form_errors=problems,
            form_action=f"/unmask/{kind.name}/{pk}",
            submit_label=gettext("查看"),
            cancel_url=kind.page.format(pk),
        )
    )


def _page(kind: Kind, row: Any) -> str:
    return f"/units/show/{row.unit_id}" if kind.name == "unit-contact-phone" else kind.page.format(row.id)


def _kept_nowhere(page: str) -> Any:
    answer = make_response(page)
    answer.headers["Cache-Control"] = "no-store"
    return answer
