"""The inputs of a registration and of its correction, made from the declaration. The rules stand in the operation."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, FileField, PasswordField, RadioField, SelectField, StringField
from wtforms.validators import InputRequired

from app.access import captcha, passwords
from app.operations import places
from app.profiles import setting
from app.profiles.forms import FormField, RegistrationForm
from models.base import db
from views.edge import clean

LONGEST = 500
"""Where typed text is cut; what is longer than the field allows is refused with a sentence, not cut in silence."""
KEYBOARDS: dict[str, dict[str, Any]] = {
    "username": {"autocomplete": "username", "maxlength": 20},
    "code": {"autocomplete": "off", "spellcheck": "false", "maxlength": 24},
    "id_number": {"autocomplete": "off", "spellcheck": "false", "maxlength": 18},
    "phone": {"inputmode": "tel", "autocomplete": "tel", "maxlength": 11},
    "email": {"inputmode": "email", "autocomplete": "email", "maxlength": 120},
    "phone_code": {"inputmode": "numeric", "autocomplete": "one-time-code", "maxlength": 6},
    "email_code": {"inputmode": "numeric", "autocomplete": "one-time-code", "maxlength": 6},
    "date": {"type": "date"},
}
PICKED = {
    "image": "image/jpeg,image/png",
    "document": ".pdf,.doc,.docx",
    "paper": "image/jpeg,image/png,application/pdf",
}


class DeclaredForm(FlaskForm):
    """A form with the declared fields; `build` makes it. Places are three selects under the region's name."""

    declared: tuple[FormField, ...] = ()

    def typed(self) -> dict[str, str]:
        """What was typed, without control signs; passwords as they are. Fields that were not sent are left out."""
        secret = {f.name for f in self.declared if f.secret}
        found = {}
        for field in self:
            if field.name not in request.form:
                continue
            value = field.data if isinstance(field.data, str) else ("1" if field.data is True else "")
            found[field.name] = value if field.name in secret else clean(value, LONGEST)
        return found

    def fill(self, answers: dict[str, str]) -> None:
        """Set the fields to what is known."""
        for name, answer in answers.items():
            if name in self:
                self[name].data = answer

    def offer_places(self) -> None:
        """Fill the three selects and the institutes from what is chosen; a choice that no longer fits is dropped."""
        session, root = db.session(), str(setting("region", "root"))
        region = next((f for f in self.declared if f.kind == "region"), None)
        if region is None:
            return
        above = ""
        for number, name in enumerate(("province", "city", region.name)):
            found = places.children(session, above, root) if above or not number else []
            fixed = bool(root) and len(found) == 1 and places.prefix(root).startswith(places.prefix(found[0][0]))
            above = self._offer(self[name], found, fixed=fixed)
        reviewer = next((f for f in self.declared if f.kind == "reviewer"), None)
        if reviewer is not None:
            near = places.reviewers(session, self[region.name].data or "")
            self._offer(self[reviewer.name], near, first=True)

    def _offer(self, field: Any, found: list[places.Pair], *, first: bool = False, fixed: bool = False) -> str:
        """`first`: the nearest is chosen until the person chooses; `fixed`: the deployment knows no other place."""
        if field.data not in {value for value, _name in found}:
            field.data = found[0][0] if found and (first or len(found) == 1) else ""
        field.choices = [*found] if fixed else [("", gettext("请选择")), *found]
        return str(field.data or "")


def build(form: RegistrationForm, *, correcting: bool = False) -> Any:
    """The form of a declaration; never shared between requests. `correcting`: without the means of logging in."""
    declared = form.correctable() if correcting else form.fields
    made: dict[str, Any] = {"declared": declared}
    for field in declared:
        made |= _inputs(field, form, correcting=correcting)
    if captcha.required():
        made["captcha"] = StringField(_("验证码"))
    if not correcting:
        made["agree"] = BooleanField(_("用户协议"))
    return type("RegistrationInputs", (DeclaredForm,), made)()


def _inputs(field: FormField, form: RegistrationForm, *, correcting: bool) -> dict[str, Any]:
    needed = field.required and not (correcting and (field.kind == "file" or field.kind.endswith("_code")))
    common: dict[str, Any] = {"label": field.label, "validators": [InputRequired()] if needed else []}
    common["description"] = hint_of(field, form)
    if field.kind == "region":
        return _region(field, common, reviewer=form.find("reviewer"))
    return {field.name: _input(field, common)}


def _input(field: FormField, common: dict[str, Any]) -> Any:
    extra = {"placeholder": field.placeholder} if field.placeholder else {}
    if field.kind in {"password", "password_again"}:
        return PasswordField(render_kw={"autocomplete": "new-password", "maxlength": 128, **extra}, **common)
    if field.kind in {"radio", "upload_type"}:
        return RadioField(choices=list(field.options), default=field.default, validate_choice=False, **common)
    if field.kind == "select":
        offered = [("", gettext("请选择")), *field.options]
        return SelectField(choices=offered, default=field.default, validate_choice=False, **common)
    if field.kind == "reviewer":
        return SelectField(choices=[], validate_choice=False, render_kw={"data-first": "1"}, **common)
    if field.kind == "file":
        accept = "image" if field.upload_type else field.accept
        return FileField(render_kw={"accept": PICKED[accept]}, **common)
    keyboard = KEYBOARDS.get(field.kind, {"maxlength": field.limit, "autocomplete": "off"})
    return StringField(render_kw={**keyboard, **extra}, **common)


def _region(field: FormField, common: dict[str, Any], *, reviewer: FormField | None) -> dict[str, Any]:
    """Three selects, each loading the next; the last loads the institutes where one is chosen."""
    last = {"data-loads": reviewer.name, "data-url": "/divisions/institutes?division="} if reviewer else {}

    def level(label: Any, loads: dict[str, str], url: str = "/divisions?parent=") -> Any:
        render = {**loads, "data-url": url} if loads and "data-url" not in loads else loads
        return SelectField(label, choices=[], validate_choice=False, render_kw=render)

    return {
        "province": level(_("省"), {"data-loads": "city"}),
        "city": level(_("市"), {"data-loads": field.name}),
        field.name: SelectField(choices=[], validate_choice=False, render_kw=last, **common),
    }


def hint_of(field: FormField, form: RegistrationForm) -> str:
    """The declared hint. A password's is the manual's only while the manual's rule holds."""
    if field.kind != "password" or (field.hint and passwords.policy() == "manual"):
        return field.hint
    return passwords.hint(form.account)
