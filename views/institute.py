"""技术机构 and 检定能力: who verifies what, entered by the administrator."""

from __future__ import annotations

from typing import Any

from flask import flash, g, jsonify, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.actions import action
from flask_appbuilder.models.filters import BaseFilter
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy import select
from wtforms.validators import Regexp

from app.access.audit import audit
from app.access.roles import EVERYBODY
from app.fab.crud import CrudView
from app.fab.interface import PGInterface
from app.fab.parts import Button
from app.fab.widgets import FormBody
from app.operations.institute import all_categories, authorise, create_institute, keeper_of
from models.base import db
from models.enums import Level, Role
from models.organisation import Institute, InstituteCapability
from models.reference import Division
from views.edge import clean
from views.workflow_view import me

ADM = frozenset({Role.ADM})
AREAS = 50
LEVELS = ((Level.PROVINCE, _("省级")), (Level.CITY, _("市级")), (Level.COUNTY, _("区县级")))


class InstituteView(CrudView):
    """Institutes; their level follows from their division."""

    datamodel = PGInterface(Institute)
    class_permission_name = "InstituteView"
    route_base = "/institutes"
    noun, unit_word = _("技术机构"), _("家")
    list_columns = ["name", "code", "level", "division", "phone", "authorised_until", "active"]
    show_columns = [
        "name",
        "code",
        "unified_code",
        "level",
        "division",
        "regions",
        "address",
        "phone",
        "manager",
        "authorisation_no",
        "authorised_until",
        "active",
    ]
    search_columns = ["name", "code", "level", "division", "active"]
    add_columns = ["name", "code", "division", "address", "phone", "authorisation_no", "authorised_until"]
    edit_columns = ["name", "address", "phone", "authorisation_no", "authorised_until"]
    order_columns = ["name", "authorised_until"]
    base_order = ("id", "desc")
    options_column = "name"
    options_urls = {"division": "/institutes/areas"}
    label_columns = {"division": _("所在地")}
    validators_columns = {
        "code": [Regexp(r"^[A-Za-z0-9]{2,8}$", message=_("“机构代号”须为2～8位字母或数字，将印在证书编号前。"))]
    }
    choices = {"level": LEVELS}
    method_permission_name = {"options": "options"}
    base_permissions = ["can_list", "can_show", "can_add", "can_edit", "can_options", "can_areas", "authorise_all"]
    grants = {"*": ADM, "can_options": EVERYBODY}

    def store(self, item: Any, form: Any, is_new: bool) -> None:
        if not is_new:
            db.session.flush()
            audit(db.session(), "edit_institute", entity="institute", entity_id=item.id, name=item.name)
            return
        with db.session.no_autoflush:
            values = {k: form[k].data for k in self.add_columns if k != "division"}
        g.made_institute = create_institute(db.session(), division_code=form.division.data.code, **values)

    def saved_redirect(self, item: Any, is_new: bool) -> Any:
        if is_new:
            item = g.made_institute
            flash(gettext("请在本页登记该机构的检定授权，登记后才能受理备案和预约。"), "info")
            return redirect(self.url("show", pk=item.id), 303)
        return super().saved_redirect(item, is_new)

    def head_buttons(self, item: Any) -> list[Button]:
        address = f"/capabilities/list/?_flt_0_institute={item.id}"
        return [*super().head_buttons(item), Button("cap", gettext("检定能力"), address, "get", icon="log")]

    @expose("/areas")
    @has_access
    def areas(self) -> Any:
        """Provinces, cities and counties by part of their name or by the beginning of their code."""
        term = clean(request.args.get("term"), 30)
        statement = select(Division).where(Division.level.in_(("province", "city", "county")))
        if term.isdecimal():
            statement = statement.where(Division.code.startswith(term, autoescape=True))
        elif term:
            statement = statement.where(Division.name.contains(term, autoescape=True))
        rows = list(db.session.execute(statement.order_by(Division.code).limit(AREAS + 1)).scalars())
        results = [{"id": d.code, "text": str(d)} for d in rows[:AREAS]]
        return jsonify(results=results, pagination={"more": False})

    @action(
        "authorise_all",
        _("登记全部强检种别授权"),
        _("为该机构登记强检目录中全部实施强制检定的种别，有效期同机构授权。确定登记吗？"),
        multiple=False,
    )
    def authorise_all(self, item: Any) -> Any:
        session = db.session()
        made = authorise(session, item, all_categories(session))
        audit(session, "authorise", entity="institute", entity_id=item.id, categories=made)
        flash(gettext("新登记%(n)s个种别的授权。", n=made), "success")
        return None


class OwnInstitute(BaseFilter):
    """The head of an institute sees its own; the administrator all."""

    name = "own"
    arg_name = "own"

    def apply(self, query: Any, _value: Any) -> Any:
        p = me()
        return query if p.has(Role.ADM) else query.filter(InstituteCapability.institute_id == p.institute_id)


class OfferedFields(FormBody):
    """The fields that this person's form has."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["include_cols"] = [name for name in kwargs["include_cols"] if name in kwargs["form"]]
        super().__init__(**kwargs)


class CapabilityView(CrudView):
    """What an institute is authorised for, with the standard it uses and the days it holds."""

    datamodel = PGInterface(InstituteCapability)
    class_permission_name = "CapabilityView"
    route_base = "/capabilities"
    noun, unit_word = _("检定能力"), _("项")
    list_columns = [
        "category",
        "institute",
        "regulation",
        "standard_name",
        "valid_from",
        "valid_until",
        "standard_valid_until",
    ]
    show_columns = [
        "category",
        "institute",
        "valid_from",
        "valid_until",
        "regulation",
        "standard_name",
        "standard_range",
        "standard_uncertainty",
        "standard_certificate",
        "standard_valid_until",
        "sort_order",
    ]
    search_columns = ["category", "institute", "valid_until", "standard_valid_until"]
    add_columns = [
        "institute",
        "category",
        "valid_from",
        "valid_until",
        "regulation",
        "standard_name",
        "standard_range",
        "standard_uncertainty",
        "standard_certificate",
        "standard_valid_until",
    ]
    edit_columns = [
        "valid_from",
        "valid_until",
        "regulation",
        "standard_name",
        "standard_range",
        "standard_uncertainty",
        "standard_certificate",
        "standard_valid_until",
        "sort_order",
    ]
    order_columns = ["valid_until", "standard_valid_until"]
    base_order = ("id", "desc")
    base_filters = [["institute_id", OwnInstitute, None]]
    options_urls = {"institute": "/institutes/options", "category": "/categories/options"}
    label_columns = {"institute": _("机构"), "category": _("种别")}
    base_permissions = ["can_list", "can_show", "can_add", "can_edit", "can_delete"]
    grants = {
        "can_list": ADM | frozenset({Role.IMG}),
        "can_show": ADM | frozenset({Role.IMG}),
        "can_add": ADM | frozenset({Role.IMG}),
        "can_edit": ADM | frozenset({Role.IMG}),
        "can_delete": ADM | frozenset({Role.IMG}),
    }

    def row_label(self, item: Any) -> str:
        return f"{item.institute} · {item.category}"

    add_widget = OfferedFields

    def _submit(self, form: Any, item: Any) -> Any | None:
        if not me().has(Role.ADM) and "institute" in form:
            del form.institute  # the head adds to the own institute, whatever was sent
        return super()._submit(form, item)

    def _form_page(self, kind: str, form: Any, item: Any, seen: Any = None) -> Any:
        if not me().has(Role.ADM) and "institute" in form:
            del form.institute
        return super()._form_page(kind, form, item, seen)

    def pre_add(self, item: Any) -> None:
        own = keeper_of(me(), item.institute.id if item.institute is not None else None)
        item.institute = db.session.get_one(Institute, own)
        self._check(item)

    def pre_update(self, item: Any) -> None:
        keeper_of(me(), item.institute_id)
        self._check(item)

    def pre_delete(self, item: Any) -> None:
        keeper_of(me(), item.institute_id)

    def post_add(self, item: Any) -> None:
        audit(db.session(), "add_capability", entity="capability", entity_id=item.id, institute=item.institute_id)

    def _check(self, item: Any) -> None:
        from app.fab.refusals import FormRefused

        if item.valid_until < item.valid_from:
            raise FormRefused(gettext("“有效期至”不能早于“生效日期”。"), "valid_until")
        if item.category is not None and not item.category.mandatory:
            raise FormRefused(gettext("该种别不实行强制检定，不需要登记授权。"), "category")

    def post_update(self, item: Any) -> None:
        audit(db.session(), "edit_capability", entity="capability", entity_id=item.id, institute=item.institute_id)

    def post_delete(self, item: Any) -> None:
        audit(db.session(), "delete_capability", entity="capability", entity_id=item.id, institute=item.institute_id)
