"""检定员项目: the manager of an institute keeps which verifier is certified for what, and until when."""

from __future__ import annotations

from typing import Any

from flask import jsonify, request
from flask_appbuilder import expose
from flask_appbuilder.models.filters import BaseFilter
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext
from flask_babel import lazy_gettext as _

from app.access.audit import audit
from app.errors import InvalidInputError
from app.fab.crud import CrudView
from app.fab.interface import PGInterface
from app.fab.parts import state_chip
from app.fab.refusals import FormRefused
from app.operations.qualification import own_verifier, project_standing
from app.operations.task import verifiers
from models.base import db
from models.enums import Role
from models.qualification import VerifierProject
from views.edge import clean
from views.workflow_view import me

MANAGER = frozenset({Role.IMG})
READERS = MANAGER | frozenset({Role.VER})


class OwnProjects(BaseFilter):
    """Entries of the own institute."""

    name = "own"
    arg_name = "own"

    def apply(self, query: Any, _value: Any) -> Any:
        return query.filter(VerifierProject.institute_id == me().institute_id)


class VerifierProjectView(CrudView):
    """Once an institute keeps this list, nobody verifies there without an entry that holds on the day."""

    datamodel = PGInterface(VerifierProject)
    class_permission_name = "VerifierProjectView"
    route_base = "/verifier-projects"
    noun, unit_word = _("检定员项目"), _("项")
    empty_text = _("登记检定员的项目后，任务只能分派给资格有效的检定员；一项都不登记则不限制。")
    list_columns = ["account", "category", "certificate_no", "valid_from", "valid_until", "standing"]
    show_columns = ["account", "category", "certificate_no", "valid_from", "valid_until", "standing"]
    search_columns = ["category", "valid_until"]
    add_columns = ["account", "category", "certificate_no", "valid_from", "valid_until"]
    edit_columns = ["certificate_no", "valid_from", "valid_until"]
    order_columns = ["valid_until"]
    base_order = ("valid_until", "asc")
    base_filters = [["institute_id", OwnProjects, None]]
    options_urls = {"account": "/verifier-projects/people", "category": "/categories/options"}
    label_columns = {"account": _("检定员"), "category": _("项目"), "standing": _("当前状态")}
    base_permissions = ["can_list", "can_show", "can_add", "can_edit", "can_delete"]
    grants = {
        "can_list": READERS,
        "can_show": READERS,
        "can_add": MANAGER,
        "can_edit": MANAGER,
        "can_delete": MANAGER,
    }

    def row_label(self, item: Any) -> str:
        return f"{item.account} · {item.category}"

    def row_class(self, item: Any) -> str:
        return "row-danger" if project_standing(item)[1] == "danger" else ""

    def show_value(self, item: Any, column: str) -> Any:
        if column == "standing":
            word, tone = project_standing(item)
            return state_chip(tone, word)
        return super().show_value(item, column)

    @expose("/people")
    @has_access
    @permission_name("add")
    def people(self) -> Any:
        """Verifiers of the own institute, for the form."""
        term = clean(request.args.get("term"), 30)
        rows = [a for a in verifiers(db.session(), me()) if term in a.name][:50]
        return jsonify(results=[{"id": a.id, "text": a.name} for a in rows], pagination={"more": False})

    def pre_add(self, item: Any) -> None:
        try:
            own_verifier(me(), item.account)
        except InvalidInputError as error:
            raise FormRefused(error.sentence, "account") from error
        item.institute_id = me().institute_id
        self.pre_update(item)

    def pre_update(self, item: Any) -> None:
        if item.valid_until < item.valid_from:
            raise FormRefused(gettext("“有效期至”不能早于“生效日期”。"), "valid_until")

    def post_add(self, item: Any) -> None:
        self._told("add_verifier_project", item)

    def post_update(self, item: Any) -> None:
        self._told("edit_verifier_project", item)

    def post_delete(self, item: Any) -> None:
        self._told("delete_verifier_project", item)

    def _told(self, act: str, item: Any) -> None:
        until = item.valid_until.isoformat()
        audit(
            db.session(), act, entity="verifier_project", entity_id=item.id, verifier=item.account_id, valid_until=until
        )
