"""The add and edit routes: whatever refuses (form, rule, database), the same form comes back with what was typed,
the sentence, and status 422. The stock ones redirect and the input is lost (baseviews `finally: return None`)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flask import flash, g, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext

from app.fab.refusals import FormRefused, is_refusal, sentence_of
from app.fab.urls import local_path

log = logging.getLogger(__name__)

VERSION_FIELD = "seen_version"


if TYPE_CHECKING:
    Host = Any  # the view this is mixed into supplies datamodel, url, may and the rest
else:
    Host = object


class FormRoutes(Host):
    """Mixed into CrudView."""

    version_attribute = "version"  # compared when the model has it, so that a stale page never overwrites

    # -- hooks --------------------------------------------------------------------------------------------------

    def prefill_add(self, form: Any) -> None:
        """Set defaults of an empty add form, for example from the address."""

    def store(self, item: Any, form: Any, is_new: bool) -> None:
        """Write the row. Override to call an operation instead; raise FormRefused to send the form back."""
        (self.datamodel.add if is_new else self.datamodel.edit)(item)

    def saved_redirect(self, item: Any, is_new: bool) -> Any:
        """After saving: back where the form was opened from (?next=), else the row, else the list."""
        pk = self.datamodel.get_pk_value(item)
        default = self.url("show", pk=pk) if self.may("show") else self.get_redirect()
        return redirect(local_path(request.args.get("next"), default), 303)

    def form_hints(self) -> dict[str, Any]:
        """Hints under labels; the stock description_columns do the same."""
        return {}

    # -- routes -------------------------------------------------------------------------------------------------

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """The form for a new row, and its submission."""
        form = self.add_form.refresh()
        if request.method == "POST":
            item = self._submit(form, None)
            if item is not None:
                return self.saved_redirect(item, True)
        else:
            self.prefill_add(form)
        return self._form_page("add", form, None)

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """The form of an existing row, and its submission."""
        item = self.load_item(pk)
        if reason := self.why_not("edit", item):
            flash(reason, "warning")
            return redirect(self.url("show", pk=pk) if self.may("show") else self.get_redirect(), 303)
        seen = getattr(item, self.version_attribute, None)
        form = self.edit_form.refresh(obj=item)
        if request.method == "POST":
            form._id = self.datamodel.get_pk_value(item)
            seen = request.form.get(VERSION_FIELD, seen)
            if self._submit(form, item) is not None:
                return self.saved_redirect(item, False)
            item = self.load_item(pk)
        else:
            self.prefill_form(form, pk)
        return self._form_page("edit", form, item, seen)

    def _form_page(self, kind: str, form: Any, item: Any, seen: Any = None) -> Any:
        status = 422 if request.method == "POST" else 200
        widget = getattr(self, f"{kind}_widget")(
            form=form,
            include_cols=getattr(self, f"{kind}_columns"),
            fieldsets=getattr(self, f"{kind}_fieldsets"),
            hints=self.form_hints(),
            hidden={VERSION_FIELD: seen} if seen is not None else {},
            form_errors=g.get("_form_errors", []),
            cancel_url=self._cancel_url(item),
        )
        title = getattr(self, f"{kind}_title")
        page = self.render_template(
            getattr(self, f"{kind}_template"), title=title, item=item, widgets={kind: widget}, form=form, **self._page()
        )
        return page, status

    def _cancel_url(self, item: Any) -> str:
        if item is not None and self.may("show"):
            return self.url("show", pk=self.datamodel.get_pk_value(item))
        return local_path(request.args.get("next"), self.get_redirect())

    # -- saving -------------------------------------------------------------------------------------------------

    def _submit(self, form: Any, item: Any) -> Any | None:
        """The saved row, or None after putting the reason on the form."""
        if not form.validate():
            return None
        is_new = item is None
        try:
            self.process_form(form, is_new)
            item = self.datamodel.obj() if is_new else item
            self._check_version(item, is_new)
            with self.datamodel.session.no_autoflush:
                form.populate_obj(item)
                (self.pre_add if is_new else self.pre_update)(item)
            self.store(item, form, is_new)
            (self.post_add if is_new else self.post_update)(item)
        except Exception as error:  # noqa: BLE001 - everything goes back to the form; what nobody foresaw is logged in full
            self.datamodel.session.rollback()
            self._refuse(form, error)
            return None
        flash(str(self.add_row_message if is_new else self.edit_row_message), "success")
        return item

    def _check_version(self, item: Any, is_new: bool) -> None:
        seen = request.form.get(VERSION_FIELD)
        if not is_new and seen is not None and str(getattr(item, self.version_attribute, seen)) != seen:
            raise FormRefused(gettext("您打开这张表单后，别人修改过这条记录。请打开最新内容核对后再改。"))

    def _refuse(self, form: Any, error: Exception) -> None:
        if not is_refusal(error):
            log.error("saving a form of %s failed", type(self).__name__, exc_info=error)
        sentence, name = sentence_of(error), getattr(error, "field", "")
        if name and name in form:
            form[name].errors = [*form[name].errors, sentence]
        else:
            g._form_errors = [*g.get("_form_errors", []), sentence]

    def remove(self, item: Any, pk: Any) -> Any:
        """Delete with the hooks; a refusal is shown on the row's page."""
        try:
            self.pre_delete(item)
            self.datamodel.delete(item)
            self.post_delete(item)
        except Exception as error:
            self.datamodel.session.rollback()
            if not is_refusal(error):
                log.exception("deleting a row of %s failed", type(self).__name__)
            flash(sentence_of(error), "danger")
            return redirect(self.url("show", pk=pk) if self.may("show") else self.get_redirect(), 303)
        flash(str(self.delete_row_message), "success")
        return redirect(self.get_redirect(), 303)
