"""Entering instruments: the pages that add, copy, edit and complete one, the proposal while typing, and its files."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from flask import abort, flash, jsonify, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext

from app import filestore
from app.errors import InvalidInputError, QuanhengError, StaleVersionError
from app.fab.parts import Button, DetailTab
from app.operations import category_rules, instrument_files
from app.operations.assignment import proposed_institute
from app.operations.completeness import complete_info, missing_of
from app.operations.instrument import add_instrument, edit_instrument, locked_fields, row_policy, same_instrument
from app.operations.ledger_fields import extra_fields, ledger_noun
from app.operations.nozzles import nozzles_of
from app.operations.reference_tables import reference_tables
from app.profiles import setting
from models.base import db
from models.instrument import Instrument
from views.edge import clean
from views.instrument_form import (
    apply_cure,
    assignment_note,
    checked,
    detail_sections,
    make_form,
    notes_of,
    overtaken,
    refuse,
    sections,
    typed_nozzles,
    values_of,
)
from views.workflow_view import WorkflowView, me

OF_KEY = ("serial_no", "own_no", "manufacturer", "name", "model")
UNCOPIED = ("serial_no", "own_no", "valid_until", "last_result", "institute", "certificate_no", "code")


class EntryPages(WorkflowView):
    """Mixed into the ledger's view; what may be typed and under what word is the profile's (app.operations.ledger_fields)."""

    def may(self, method: str) -> bool:
        """Adding and editing have forms of their own, so no column list switches them on."""
        if method in {"add", "edit", "copy"}:
            wanted = "can_edit" if method == "edit" else "can_add"
            return bool(self.appbuilder.sm.has_access(wanted, self.class_permission_name))
        return bool(super().may(method))

    def _facts(self, item: Any) -> list[tuple[Any, list[tuple[Any, Any]]]]:
        """The record under the words of this deployment (CAT-12), as its form groups them."""
        found = []
        for title, names in detail_sections():
            shown = [(label, self._fact(item, column)) for column, label in names]
            found.append((title, [(label, value) for label, value in shown if value is not None]))
        return found

    def _fact(self, item: Any, column: str) -> Any:
        if column == "nozzles":  # only a dispenser has any
            told = "；".join(str(nozzle) for nozzle in nozzles_of(db.session(), item.id))
            return told or None
        return self.show_value(item, column)

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """A new instrument."""
        title = gettext("新增%(noun)s", noun=ledger_noun())
        form = make_form({"origin": "domestic", "kind": "working"})
        if request.method == "GET":
            return self.form_page(form, title)
        return self._saved(form, title, lambda values: add_instrument(db.session(), me(), values))

    @expose("/copy/<pk>", methods=["GET"])
    @has_access
    @permission_name("add")
    def copy(self, pk: str) -> Any:
        """The add form with everything of another instrument but its numbers, its verification and its files."""
        item = self.load_item(pk)
        values = {key: value for key, value in values_of(item).items() if key not in UNCOPIED}
        title = gettext("复制%(noun)s", noun=ledger_noun())
        return self.form_page(make_form(values), title, action=self.url("add"))

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """The form of an instrument; what an approved filing fixed is greyed."""
        item = self.load_item(pk)
        if reason := self.why_not("edit", item):
            flash(reason, "warning")
            return redirect(self.url("show", pk=pk), 303)
        locked = _locked(item)
        form = make_form({**values_of(item), "nozzles": _nozzles(item)}, locked)
        title = gettext("修改%(noun)s", noun=ledger_noun())
        if request.method == "GET":
            return self.form_page(form, title, item=item, locked=locked, seen=str(item.version))
        seen = request.form.get("seen_version", "")
        version = int(seen) if seen.isdecimal() else None
        write = lambda values: edit_instrument(db.session(), me(), item.id, values, seen_version=version)  # noqa: E731
        return self._saved(form, title, write, item=item, locked=locked, seen=seen)

    @expose("/complete/<pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("edit")
    def complete(self, pk: str) -> Any:
        """信息完善: only what the record lacks."""
        item = self.load_item(pk)
        missing = frozenset(missing_of(item))
        if not missing:
            flash(gettext("该器具的信息已经完整，如需更改请用“修改”。"), "info")
            return redirect(self.url("show", pk=pk), 303)
        values = values_of(item)
        form = make_form({k: v for k, v in values.items() if k in missing and k != "category"}, only=missing)
        title = gettext("信息完善")
        if request.method == "GET":
            return self.form_page(form, title, item=item, only=missing, seen=str(item.version))
        seen = request.form.get("seen_version", "")
        version = int(seen) if seen.isdecimal() else None
        write = lambda typed: complete_info(db.session(), me(), item, typed, seen_version=version)  # noqa: E731
        return self._saved(form, title, write, item=item, only=missing, seen=seen, values=values)

    def _saved(
        self, form: Any, title: str, write: Callable[[dict[str, Any]], Instrument], *, values: Any = None, **more: Any
    ) -> Any:
        """Check and write, then the instrument's page; or the form again with the sentences. A press on a cure's button
        only puts the value in and looks again."""
        cured = apply_cure(form)
        item = more.get("item")
        try:
            row = checked(form, values=values)
            if cured:
                return self.form_page(form, title, notes=notes_of(row), **more)
            typed: dict[str, Any] = dict(row.values)
            if "nozzles" in form and "nozzles" not in more.get("locked", ()):
                typed["nozzles"] = typed_nozzles()
            made = write(typed)
            if "attachments" in form:
                _keep_files(made)
        except QuanhengError as error:
            return self.refused(form, error, title, **{**more, "item": item})
        word = gettext("已新增“%(row)s”。", row=self.row_label(made)) if item is None else gettext("已保存。")
        flash(word, "success")
        for note in notes_of(row):
            flash(note, "warning")
        return redirect(self.url("show", pk=made.id), 303)

    def refused(self, form: Any, error: QuanhengError, title: Any, **more: Any) -> Any:
        """The same form with what was typed and the sentences."""
        db.session.rollback()
        if more.get("item") is not None:
            more["item"] = self.load_item(request.view_args["pk"] if request.view_args else "")
        if isinstance(error, StaleVersionError):  # what was typed stays; a second 保存 knows what it replaces
            more["seen"] = str(more["item"].version)
            return self.form_page(form, title, problems=overtaken(form, more["item"]), **more), 409
        return self.form_page(form, title, problems=refuse(form, error), **more), 422

    def form_page(
        self,
        form: Any,
        title: Any,
        *,
        item: Any = None,
        locked: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
        seen: str = "",
        problems: list[str] | None = None,
        notes: list[str] | None = None,
        action: str = "",
    ) -> str:
        """The page of the form."""
        shown = sections() if only is None else [("", [name for name in form._fields if name != "csrf_token"])]
        page: str = self.render_template(
            "pages/instrument_form.html",
            title=title,
            item=item,
            form=form,
            view=self,
            fieldsets=[(section, {"fields": names}) for section, names in shown],
            locked=locked,
            only=only,
            assignment=assignment_note(),
            form_errors=problems or [],
            notes=notes or [],
            hidden={"seen_version": seen} if seen else {},
            form_action=action,
            cancel_url=self.url("show", pk=item.id) if item is not None else self.url("list"),
            check_url=self.url("check", pk=item.id if item is not None else 0),
            guide_url=self.url("guidance") if setting("category", "rules") else "",
        )
        return page

    @expose("/check", methods=["POST"])
    @expose("/check/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("add")
    def check(self, pk: int = 0) -> Any:
        """What is to be said about one field, asked on leaving it: {"problem": sentence or "", "note": what does not stand
        in the way, "cure": {"label", "value"} or null}."""
        name = clean(request.args.get("field") or request.form.get("field"), 30)
        item = self.load_item(pk) if pk else None
        form = make_form(values_of(item) if item is not None else None)
        if name not in form:
            abort(404)
        problem = note = ""
        try:
            row = checked(form)
            values: dict[str, Any] = row.values
            note = next((p.message for p in row.problems if p.column == name), "")
        except InvalidInputError as error:
            problem = error.problems.get(name, "")
            values = {key: clean(request.form.get(key), 200) for key in OF_KEY}
        if not problem and name in {"serial_no", "manufacturer", "own_no"}:
            problem = same_instrument(db.session(), me(), values, besides=pk) or ""
        if name in {"use_division", "category"} and not problem and not note:
            note = _proposal(form)
        label, value = form.cures.get(name, ("", ""))
        cure = {"label": label, "value": value} if value and (problem or note) else None
        return jsonify(problem=problem, note="" if problem else note, cure=cure)

    @expose("/guidance", methods=["GET"])
    @has_access
    @permission_name("add")
    def guidance(self) -> Any:
        """What the rule table proposes for a name or a chosen entry (CAT-01); {} where the deployment has it off."""
        if not setting("category", "rules"):
            return jsonify({})
        policy = row_policy(session=db.session(), form=True)
        name, code = clean(request.args.get("name"), 100), clean(request.args.get("category"), 20)
        return jsonify(category_rules.proposal(db.session(), policy, name=name, code=code))

    # -- files ---------------------------------------------------------------------------------------------------------

    @expose("/files/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("edit")
    def files(self, pk: int) -> Any:
        """Put files beside an instrument."""
        item = self.load_item(str(pk))
        try:
            if not _keep_files(item):
                raise InvalidInputError(gettext("请选择要上传的文件。"))
        except QuanhengError as error:
            db.session.rollback()
            flash(error.sentence, "danger")
        else:
            flash(gettext("已上传。"), "success")
        return redirect(self.url("show", pk=pk) + "#attachments", 303)

    @expose("/files/<int:pk>/remove", methods=["POST"])
    @has_access
    @permission_name("edit")
    def remove_file(self, pk: int) -> Any:
        """Take one away."""
        item = self.load_item(str(pk))
        try:
            file_id = uuid.UUID(request.form.get("file", ""))
        except ValueError:
            abort(404)
        try:
            instrument_files.remove_file(db.session(), me(), item.id, file_id)
        except InvalidInputError as error:
            db.session.rollback()
            flash(error.sentence, "danger")
        else:
            flash(gettext("已删除。"), "success")
        return redirect(self.url("show", pk=pk) + "#attachments", 303)


def _proposal(form: Any) -> str:
    """Who would verify an instrument of this kind at this place (LED-25); "" while either is not chosen."""
    if "use_division" not in form or not form["use_division"].data or not form["category"].data:
        return ""
    entry = reference_tables(db.session()).by_code.get(str(form["category"].data))
    found = proposed_institute(db.session(), entry.id if entry else None, str(form["use_division"].data))
    if found is None:
        return gettext("该地区暂无获授权检定此类器具的机构。")
    return gettext("检定机构：%(name)s", name=found.name)


def _locked(item: Instrument) -> frozenset[str]:
    """Locked columns as form fields; the nozzles of a filed dispenser are exchanged, not retyped."""
    names = {"category_id": "category", "institute_id": "institute"}
    found = {names.get(key, key) for key in locked_fields(item)}
    return frozenset(found | {"nozzles"}) if "serial_no" in found else frozenset(found)


def _nozzles(item: Instrument) -> list[tuple[str, str]]:
    return [(str(n.number), n.serial_no) for n in nozzles_of(db.session(), item.id)]


def _keep_files(item: Instrument) -> int:
    """Store what was chosen; returns how many."""
    chosen = [file for file in request.files.getlist("attachments") if file.filename]
    for file in chosen:
        # one byte beyond the limit is enough to refuse it
        data = file.stream.read(filestore.MAX_PAPER + 1)
        instrument_files.add_file(db.session(), me(), item.id, filename=str(file.filename), data=data)
    return len(chosen)


def own_files_tab(item: Any) -> list[DetailTab]:
    """相关资料: what the unit keeps beside the instrument, where the deployment asks for it; to upload and to take away."""
    own = me().of_unit and item.unit_id == me().unit_id
    offered = any(field.key == "attachments" for field in extra_fields())
    if not own or not offered:
        return []
    found = instrument_files.files_of(db.session(), item.id)
    required = setting("category", "pv_certificate") == "required" and item.category.supervision == "P+V"
    context = {"files": found, "item": item, "required": required}
    return [DetailTab("attachments", gettext("相关资料"), "pages/instrument_files.html", context, count=len(found))]


def complete_button(item: Any, url: str) -> list[Button]:
    """信息完善, where the record lacks something."""
    if not me().of_unit or item.state not in {"unfiled", "in_use", "suspended"} or not missing_of(item):
        return []
    return [Button("complete", gettext("信息完善"), url, "get")]
