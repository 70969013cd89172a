"""What a person arranges in lists: columns, page size, named filters. Pinned ones are counted on the home page (views/index.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request
from flask_babel import gettext
from werkzeug.datastructures import MultiDict

from app.access.principal import Principal, current_principal
from app.errors import QuanhengError
from app.fab.crud import CrudView
from app.fab.preferences import Kept, NamedFilter, use
from app.fab.urls import args_of, join, local_path
from app.operations import list_settings
from app.operations import saved_views as operations
from models.base import db
from models.preference import SavedView
from views.edge import clean
from views.guards import roles
from views.workflow_view import me

saved_views = Blueprint("saved_views", __name__)


class DatabaseKeeper:
    """Remembers in the tables list_setting and saved_view."""

    def kept(self, list_name: str) -> Kept:
        actor = current_principal()
        found = list_settings.kept_setting(db.session(), actor, list_name) if actor else None
        return Kept(tuple(found.columns), found.page_size) if found else Kept()

    def filters(self, list_name: str) -> Sequence[NamedFilter]:
        actor = current_principal()
        if actor is None or actor.account_id is None:
            return ()
        return [_named(view, actor) for view in operations.visible_views(db.session(), actor, list_name)]

    def named(self, list_name: str, key: str) -> NamedFilter | None:
        actor = current_principal()
        found = operations.view_by_id(db.session(), int(key)) if actor and len(key) < 19 else None
        return _named(found, actor) if found and actor and found.list_name == list_name else None

    def sizes(self) -> tuple[int, tuple[int, ...]]:
        return list_settings.page_sizes()


@saved_views.record_once
def remember(state: Any) -> None:
    """Every list of the application asks this keeper."""
    use(state.app, DatabaseKeeper())


def _named(view: SavedView, actor: Principal) -> NamedFilter:
    mine = view.account_id == actor.account_id
    return NamedFilter(view.id, view.name, view.query, tuple(view.columns), view.shared, view.pinned, mine)


def list_view(name: str) -> Any | None:
    """The list of that name, if the person may open it."""
    for view in current_app.appbuilder.baseviews:  # type: ignore[attr-defined]
        if type(view).__name__ == name and isinstance(view, CrudView):
            return view if view.may("list") else None
    return None


def _asked_list() -> Any:
    return list_view(clean(request.form.get("list"), 40)) or abort(404)


def _back(view: Any, *without: str) -> str:
    """The list as it was, without the arguments that begin with one of `without`."""
    path, _, query = local_path(request.form.get("back"), view.url("list")).partition("?")
    args = MultiDict((k, v) for k, v in args_of(query).items(multi=True) if not k.startswith(without))
    return join(path, args)


@saved_views.post("/lists/columns")
@roles()
def columns() -> Any:
    """选择列: keep which columns are shown and in which order, or go back to those of the deployment."""
    view = _asked_list()
    offered = view.all_columns()
    places = {c: request.form.get(f"place_{c}", "") for c in offered}
    chosen = list_settings.in_order(request.form.getlist("column"), places, offered)
    if request.form.get("reset"):
        chosen = []
    elif offered and offered[0] not in chosen:
        chosen = [offered[0], *chosen]
    return _kept(lambda: list_settings.keep_columns(db.session(), me(), view.list_name, chosen), _back(view, "view"))


@saved_views.post("/lists/size")
@roles()
def size() -> Any:
    """每页条数: keep how many rows a page shows."""
    view = _asked_list()
    text = request.form.get("size", "")
    wanted = int(text) if text.isdecimal() and len(text) < 5 else 0
    back = _back(view, "psize_", "page_", "goto_")
    return _kept(lambda: list_settings.keep_page_size(db.session(), me(), view.list_name, wanted), back)


def _kept(keep: Any, back: str, word: str = "") -> Any:
    try:
        keep()
    except QuanhengError as error:
        if error.status in {403, 404}:
            raise
        db.session.rollback()
        flash(error.sentence, "danger")
    else:
        if word:
            flash(word, "success")
    return redirect(back, 303)


@saved_views.get("/views/")
@roles()
def index() -> Any:
    """One's own named filters and the shared ones."""
    actor, rows = me(), []
    for kept in operations.visible_views(db.session(), actor):
        view = list_view(kept.list_name)
        if view is not None:
            rows.append((_named(kept, actor), view.title_now()))
    can_share = actor.of_unit or actor.of_institute or bool(actor.area)
    return render_template("pages/saved_views.html", title=gettext("保存的筛选"), rows=rows, can_share=can_share)


@saved_views.post("/views/save")
@roles()
def save() -> Any:
    """Keep what the list shows under a name."""
    view = _asked_list()
    kept = [c for c in request.form.get("columns", "").split(",") if c in view.all_columns()]

    def keep() -> None:
        operations.save_view(
            db.session(),
            me(),
            list_name=view.list_name,
            name=clean(request.form.get("name"), 40),
            query=request.form.get("query", ""),
            columns=kept,
            shared=request.form.get("shared") == "1",
            pinned=request.form.get("pinned") == "1",
        )

    return _kept(keep, _back(view), gettext("筛选已保存。"))


@saved_views.get("/views/<int:pk>")
@roles()
def show(pk: int) -> Any:
    """The list as the filter shows it: the link that can be passed on inside the body."""
    actor = me()
    found = operations.view_by_id(db.session(), pk) or abort(404)
    view = list_view(found.list_name) or abort(404)
    return redirect(view.address_of(_named(found, actor)), 302)


@saved_views.post("/views/<int:pk>/<any(pin, unpin, share, unshare, delete):act>")
@roles()
def change(pk: int, act: str) -> Any:
    """Pin, share or delete a filter of one's own."""
    session, actor = db.session(), me()
    view = operations.own_view(session, actor, pk)
    acts = {
        "pin": lambda: operations.set_pinned(session, actor, view, True),
        "unpin": lambda: operations.set_pinned(session, actor, view, False),
        "share": lambda: operations.set_shared(actor, view, True),
        "unshare": lambda: operations.set_shared(actor, view, False),
        "delete": lambda: operations.remove_view(session, view),
    }
    return _kept(acts[act], "/views/", gettext("已保存。") if act != "delete" else gettext("筛选已删除。"))
