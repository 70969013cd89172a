"""`/settings/`: what holds, where it comes from, changing it with a preview, and the security administrator's answer."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, abort, current_app, flash, redirect, render_template, request
from flask_babel import gettext
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField, TextAreaField

from app.errors import InvalidInputError, QuanhengError
from app.fab.fields import Ticks
from app.fab.parts import Button
from app.operations import settings as rules
from app.profiles import profile
from app.profiles.schema import Setting, in_words
from models.base import db
from models.enums import Role, SettingState
from views.edge import clean
from views.guards import roles
from views.menu import ITEMS
from views.workflow_view import me, put_on_form

settings_pages = Blueprint("settings", __name__, url_prefix="/settings")


@settings_pages.get("/")
@roles(Role.ADM, Role.SEC)
def overview() -> str:
    """Every setting by section; what waits for confirmation stands on top."""
    sections = rules.page(db.session())
    waiting = [shown for _section, _word, found in sections for shown in found if shown.proposal is not None]
    return render_template(
        "pages/settings.html",
        title=gettext("平台设置"),
        sections=sections,
        waiting=[(shown, _answers(shown)) for shown in waiting],
        sources=rules.SOURCES,
        waiting_word=rules.STATES[SettingState.PROPOSED],
        may_change=me().has(Role.ADM),
        profile_name=current_app.config["PROFILE"],
    )


def _answers(shown: rules.Shown) -> list[Button]:
    """Who may do what about a proposal."""
    assert shown.proposal is not None
    hidden = {"id": str(shown.proposal.id)}
    if me().has(Role.ADM):
        return [Button("withdraw", gettext("撤回"), "/settings/withdraw", hidden=hidden)]
    if shown.proposal.changed_by_id == me().account_id:
        return []
    ask = gettext("确认后立即生效，确定吗？")
    return [
        Button("confirm", gettext("确认生效"), "/settings/confirm", style="primary", confirm=ask, hidden=hidden),
        Button("refuse", gettext("不同意"), "/settings/refuse", style="danger", needs_reason=True, hidden=hidden),
    ]


@settings_pages.get("/export.yaml")
@roles(Role.ADM, Role.SEC)
def export() -> Response:
    """The settings in force as YAML."""
    name = current_app.config["PROFILE"]
    answer = Response(rules.as_yaml(profile()), mimetype="application/yaml")
    answer.headers["Content-Disposition"] = f'attachment; filename="settings-{name}.yaml"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


# -- changing -------------------------------------------------------------------------------------------------------


@settings_pages.get("/edit")
@roles(Role.ADM)
def edit() -> str:
    """The form of one setting, filled with what holds."""
    setting = rules.setting_of(clean(request.args.get("key"), 80))
    return _form_page(setting, _form(setting, rules.value_in_force(setting.key)), [])


@settings_pages.post("/edit")
@roles(Role.ADM)
def preview() -> Any:
    """What the typed value would change; nothing is written."""
    setting = rules.setting_of(clean(request.form.get("key"), 80))
    if request.form.get("restore"):
        return _preview_page(setting, rules.file_value(setting.key))
    form = _form(setting, None)
    try:
        value = _typed(setting, form)
        rules.check(setting.key, value)
        if value == rules.value_in_force(setting.key):
            raise InvalidInputError(gettext("值没有变化。"), field="value")
    except QuanhengError as error:
        return _form_page(setting, form, put_on_form(form, error)), 422
    return _preview_page(setting, value)


@settings_pages.post("/change")
@roles(Role.ADM)
def change() -> Any:
    """Put the previewed value in force, or before the security administrator."""
    key = clean(request.form.get("key"), 80)
    try:
        value = json.loads(request.form.get("value", ""))
    except ValueError:
        abort(400)
    try:
        at_once = rules.change(db.session(), me(), key, value, seen=request.form.get("seen"))
    except QuanhengError as error:
        return _refused(error)
    label = rules.setting_of(key).label
    if at_once:
        flash(gettext("“%(label)s”已修改，立即生效。", label=label), "success")
    else:
        flash(gettext("“%(label)s”的修改已提交，由安全管理员确认后生效。", label=label), "success")
    return redirect("/settings/", 303)


def _refused(error: QuanhengError) -> Any:
    """The page with the sentence: nothing of what was asked stays."""
    if error.status in {403, 404}:
        raise error
    db.session.rollback()
    flash(error.sentence, "danger")
    return redirect("/settings/", 303)


def _form(setting: Setting, value: Any) -> FlaskForm:
    """The one input that suits the kind of setting."""
    common: dict[str, Any] = {"label": setting.label, "description": _hint(setting)}
    if value is not None:
        common["default"] = _shown(setting, value)
    field: Any
    if setting.kind in {"bool", "choice"}:
        pairs = [("1", gettext("开")), ("0", gettext("关"))] if setting.kind == "bool" else list(setting.choices)
        field = SelectField(choices=pairs, validate_choice=False, **common)
    elif setting.kind == "list":
        field = Ticks(choices=list(setting.choices), validate_choice=False, **common)
    elif setting.kind == "lines" or (setting.kind == "text" and setting.highest > 100):
        field = TextAreaField(render_kw={"rows": 6 if setting.kind == "lines" else 3}, **common)
    else:
        field = StringField(render_kw={"maxlength": max(setting.highest, 60)}, **common)
    return type("SettingForm", (FlaskForm,), {"value": field})()


def _hint(setting: Setting) -> str:
    more = {
        "int": gettext("%(low)s～%(high)s的整数。", low=setting.lowest, high=setting.highest),
        "numbers": gettext("多个数用顿号或空格分开。"),
        "times": gettext("例如 09:00，多个时间用顿号或空格分开。"),
        "lines": gettext("每行一条。"),
    }.get(setting.kind, "")
    return f"{setting.effect}{more}{setting.pattern_hint and setting.pattern_hint + '。'}"


def _shown(setting: Setting, value: Any) -> Any:
    """The value as the input holds it."""
    if setting.kind == "bool":
        return "1" if value else "0"
    if setting.kind == "lines":
        return "\n".join(value)
    if setting.kind in {"numbers", "times"}:
        return "、".join(str(v) for v in value)
    return str(value) if setting.kind == "int" else value


def _typed(setting: Setting, form: FlaskForm) -> Any:
    """What was typed as the profile holds it; a number that is none stays text, and the schema says so."""
    raw = form["value"].data
    if setting.kind == "bool":
        return {"1": True, "0": False}.get(str(raw))
    if setting.kind == "list":
        return list(dict.fromkeys(clean(v, 60) for v in raw or []))
    if setting.kind == "lines":
        return [line for line in (clean(part, 600) for part in str(raw or "").splitlines()) if line]
    if setting.kind in {"numbers", "times"}:
        parts = clean(raw, 300).replace("，", " ").replace(",", " ").replace("、", " ").replace("：", ":").split()
        return [_whole(p) for p in parts] if setting.kind == "numbers" else sorted(set(parts))
    if setting.kind == "int":
        return _whole(clean(raw, 12))
    return " ".join(clean(raw, 600).split()) if setting.kind == "text" else clean(raw, 60)


def _whole(text: str) -> Any:
    return int(text) if text.removeprefix("-").isdecimal() and text.isascii() else text


def _form_page(setting: Setting, form: FlaskForm, problems: list[str]) -> str:
    return render_template(
        "pages/settings_edit.html",
        title=gettext("修改“%(label)s”", label=setting.label),
        form=form,
        form_errors=problems,
        columns=["value"],
        hidden={"key": setting.key},
        form_action="/settings/edit",
        submit_label=gettext("下一步"),
        cancel_url="/settings/",
        intro=gettext("下一步先显示将会改变什么，确定后才修改。"),
    )


def _preview_page(setting: Setting, value: Any) -> str:
    """Old → new, and what follows from it."""
    effects = rules.effects(setting.key, value, db.session())
    if entries := _menu_entries(setting.key):
        words = "、".join(entries)
        effects.append(
            gettext("菜单将出现：%(entries)s。", entries=words)
            if value
            else gettext("菜单将不再显示：%(entries)s。", entries=words)
        )
    return render_template(
        "pages/settings_preview.html",
        title=gettext("将会改变什么"),
        setting=setting,
        old=in_words(setting, rules.value_in_force(setting.key)),
        new=in_words(setting, value),
        same=value == rules.value_in_force(setting.key),
        effects=effects,
        value=json.dumps(value, ensure_ascii=False),
        seen=rules.fingerprint(setting.key),
    )


def _menu_entries(key: str) -> list[str]:
    """Menu entries that live and die with a switch."""
    return [str(item.label) for item in ITEMS if item.switch and f"switches.{item.switch}" == key]


# -- the security administrator ----------------------------------------------------------------------------------------


def _number() -> int:
    text = request.form.get("id", "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        abort(404)
    return int(text)


@settings_pages.post("/confirm")
@roles(Role.SEC)
def confirm() -> Any:
    """Put a proposed security setting in force."""
    try:
        row = rules.confirm(db.session(), me(), _number())
    except QuanhengError as error:
        return _refused(error)
    flash(gettext("“%(label)s”的修改已生效。", label=rules.setting_of(row.key).label), "success")
    return redirect("/settings/", 303)


@settings_pages.post("/refuse")
@roles(Role.SEC)
def refuse() -> Any:
    """Turn a proposed security setting down."""
    try:
        rules.refuse(db.session(), me(), _number(), clean(request.form.get("reason")))
    except QuanhengError as error:
        return _refused(error)
    flash(gettext("已拒绝该项修改，并通知提出人。"), "success")
    return redirect("/settings/", 303)


@settings_pages.post("/withdraw")
@roles(Role.ADM)
def withdraw() -> Any:
    """Take a proposal back."""
    try:
        rules.withdraw(db.session(), me(), _number())
    except QuanhengError as error:
        return _refused(error)
    flash(gettext("已撤回该项修改。"), "success")
    return redirect("/settings/", 303)
