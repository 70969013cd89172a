"""Buttons that do something (`@action`), for one row or for the ticked ones, and the search behind remote selects.

Stock action routes answer GET and load rows by bare key: whoever holds the permission can act on any row of the table.
Here they answer POST only and load through the view's filters; an unknown action or a foreign row is a 404.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from flask import Response, abort, flash, jsonify, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext
from werkzeug.datastructures import MultiDict

from app.fab.parts import Button
from app.fab.refusals import is_refusal, sentence_of
from app.fab.request_filters import int_arg, read_filters
from app.fab.urls import local_path

log = logging.getLogger(__name__)

MAX_ROWS = 200  # law 4: more rows than this is a job
OPTIONS_PAGE = 20
OPTIONS_PAGES = 10


if TYPE_CHECKING:
    Host = Any  # the view this is mixed into supplies datamodel, url, may and the rest
else:
    Host = object


class ActionRoutes(Host):
    """Mixed into CrudView."""

    action_needs_reason: frozenset[str] = frozenset()
    action_styles: dict[str, str] = {}
    options_column = ""  # the column a remote select searches; "" closes /options

    def option_text(self, item: Any) -> str:
        """How a row reads in a remote select."""
        return str(item)

    def narrow(self, args: MultiDict[str, str]) -> None:
        """Add to `self._filters` what the list means beyond its search fields, read from the list's arguments."""

    def bulk_job(self, name: str, filters: Any) -> Any:
        """Called when an action shall act on more rows than a click allows. Override to start a job."""
        abort(413, gettext("所选记录超过 %(most)s 条，请缩小筛选范围后分批办理。", most=MAX_ROWS))

    def reason(self) -> str:
        """What was typed into the reason box, at most 500 characters."""
        return request.form.get("reason", "").replace("\x00", "").strip()[:500]

    # -- buttons ------------------------------------------------------------------------------------------------

    def may_act(self, name: str) -> bool:
        """Whether the current person holds the action's permission."""
        wanted = self.get_action_permission_name(name)
        return self.appbuilder.sm.has_access(wanted, self.class_permission_name)

    def action_buttons(self, item: Any) -> list[Button]:
        """Single actions as buttons of the detail page; the first possible one is the filled one."""
        found: list[Button] = []
        pk = self.datamodel.get_pk_value(item)
        for name, act in self.actions.items():
            if not act.single or not self.may_act(name):
                continue
            why = self.why_not(name, item)
            filled = why is None and all(b.style != "primary" for b in found)
            found.append(
                Button(
                    name,
                    act.text,
                    self.url("action", name=name, pk=pk),
                    style=self.action_styles.get(name, "primary" if filled else "default"),
                    needs_reason=name in self.action_needs_reason,
                    confirm=act.confirmation,
                    why_not=why,
                )
            )
        return found

    def bulk_actions(self) -> list[Button]:
        """Actions for ticked rows."""
        return [
            Button(
                name,
                act.text,
                self.url("action_post"),
                style=self.action_styles.get(name, "default"),
                needs_reason=name in self.action_needs_reason,
                confirm=act.confirmation,
            )
            for name, act in self.actions.items()
            if act.multiple and self.may_act(name)
        ]

    # -- routes -------------------------------------------------------------------------------------------------

    @expose("/action/<string:name>/<pk>", methods=["POST"])
    def action(self, name: str, pk: str) -> Any:
        """One row."""
        act = self._permitted(name, "single")
        item = self.load_item(pk)
        back = self.url("show", pk=pk) if self.may("show") else self.get_redirect()
        if why := self.why_not(name, item):
            flash(why, "warning")
            return redirect(back, 303)
        return self._perform(name, act, item, back)

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Any:
        """The ticked rows, or all rows of the filtered list (all=1&query=…)."""
        name = request.form.get("action", "")
        act = self._permitted(name, "multiple")
        back = local_path(request.form.get("back"), self.get_redirect())
        if request.form.get("all") == "1":
            items = self._filtered_rows(name)
            if isinstance(items, Response):
                return items
        else:
            keys = list(dict.fromkeys(request.form.getlist("rowid")))
            if not keys:
                flash(gettext("请先勾选要办理的记录。"), "warning")
                return redirect(back, 303)
            if len(keys) > MAX_ROWS:
                abort(413, gettext("一次最多勾选 %(most)s 条。", most=MAX_ROWS))
            items = [self.load_item(key) for key in keys]
        ready = [item for item in items if self.why_not(name, item) is None]
        if len(ready) < len(items):
            skipped = len(items) - len(ready)
            flash(gettext("%(n)s 条记录的状态不允许“%(step)s”，已跳过。", n=skipped, step=act.text), "warning")
        return self._perform(name, act, ready, back) if ready else redirect(back, 303)

    def _permitted(self, name: str, mode: str) -> Any:
        act = self.actions.get(name)
        if act is None or not getattr(act, mode):
            abort(404)
        if not self.may_act(name):
            abort(403)
        return act

    def _filtered_rows(self, name: str) -> Any:
        """All rows the list was showing, or the answer of bulk_job when they are too many for a click."""
        pairs = parse_qsl(request.form.get("query", "").lstrip("?"), max_num_fields=100)
        args: MultiDict[str, str] = MultiDict(pairs)
        read_filters(self._filters, args)
        self.narrow(args)
        filters = self._filters.get_joined_filters(self._base_filters)
        count, items = self.datamodel.query(filters, page=0, page_size=MAX_ROWS)
        return self.bulk_job(name, filters) if count > MAX_ROWS else items

    def _perform(self, name: str, act: Any, target: Any, back: str) -> Any:
        if name in self.action_needs_reason and not self.reason():
            flash(gettext("办理“%(step)s”请填写原因。", step=act.text), "danger")
            return redirect(back, 303)
        try:
            answer = act.func(target)
        except Exception as error:
            if not is_refusal(error):
                raise
            self.datamodel.session.rollback()
            flash(sentence_of(error), "danger")
            return redirect(back, 303)
        return answer if answer is not None else redirect(back, 303)

    @expose("/options")
    @has_access
    @permission_name("list")
    def options(self) -> Any:
        """Rows for a remote select: {"results": [{"id", "text"}], "pagination": {"more"}}."""
        if not self.options_column:
            abort(404)
        page = min(max(int_arg("page", 1) or 1, 1), OPTIONS_PAGES)
        term = request.args.get("term", "").replace("\x00", "").strip()[:50]
        rows = self.datamodel.find_options(
            self.options_column, term, self._base_filters, (page - 1) * OPTIONS_PAGE, OPTIONS_PAGE
        )
        results = [{"id": self.datamodel.get_pk_value(r), "text": self.option_text(r)} for r in rows[:OPTIONS_PAGE]]
        return jsonify(results=results, pagination={"more": len(rows) > OPTIONS_PAGE and page < OPTIONS_PAGES})
