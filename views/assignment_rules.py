"""指派规则 (/assignment-rules): which institute takes what where, kept by the administrator, and trying it (APT-06)."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import DateField, SelectField, StringField
from wtforms.validators import InputRequired, Optional, Regexp

from app import clock
from app.errors import InvalidInputError
from app.fab.crud import CrudView
from app.fab.fields import RemoteSelectField, RemoteSelectWidget
from app.fab.interface import PGInterface
from app.fab.parts import Button
from app.fab.refusals import FormRefused
from app.operations.assignment_rules import Answer, check_rule, filing_decides, who_takes, written
from models.base import db
from models.booking import AssignmentRule
from models.enums import Role
from models.instrument import Instrument
from models.reference import Category
from views.appointment_words import MODES

ADM, READERS = frozenset({Role.ADM}), frozenset({Role.ADM, Role.REG})


class AssignmentRuleView(CrudView):
    """The rules in their order; the first that fits and whose institute is authorised wins."""

    datamodel = PGInterface(AssignmentRule)
    class_permission_name = "AssignmentRuleView"
    route_base = "/assignment-rules"
    noun, unit_word = _("指派规则"), _("条")
    empty_text = _("没有规则时，由器具台账中的检定机构或当地最近的、有授权的机构受理。")
    list_columns = [
        "position",
        "division_prefix",
        "category_code",
        "mode",
        "institute",
        "valid_from",
        "valid_until",
        "active",
    ]
    show_columns = [*list_columns, "note", "created_at"]
    search_columns = ["division_prefix", "category_code", "mode", "institute", "active"]
    add_columns = [
        "position",
        "division_prefix",
        "category_code",
        "mode",
        "institute",
        "valid_from",
        "valid_until",
        "active",
        "note",
    ]
    edit_columns = add_columns
    order_columns = ["position", "division_prefix", "valid_until"]
    base_order = ("position", "asc")
    options_urls = {"institute": "/institutes/options"}
    optional_columns = frozenset({"category_code", "note"})
    choices = {"mode": MODES}
    label_columns = {"institute": _("检定机构")}
    description_columns = {
        "position": _("数字小的先看；第一条适用、且机构有授权的规则生效。"),
        "division_prefix": _("使用地点代码的前2位（全省）、4位（全市）或6位（区县）。"),
        "category_code": _("目录代码或其开头；不填表示全部种别。"),
        "mode": _("不选表示送检和现场检都适用。"),
    }
    base_permissions = ["can_list", "can_show", "can_add", "can_edit", "can_delete", "can_preview"]
    grants = {
        "can_list": READERS,
        "can_show": READERS,
        "can_preview": READERS,
        "can_add": ADM,
        "can_edit": ADM,
        "can_delete": ADM,
    }

    def row_label(self, item: Any) -> str:
        return gettext("指派规则 %(place)s → %(institute)s", place=str(item), institute=str(item.institute))

    def row_class(self, item: Any) -> str:
        over = item.valid_until is not None and item.valid_until < clock.today()
        return "row-muted" if over or not item.active else ""

    def list_buttons(self) -> list[Button]:
        return [Button("preview", gettext("试一试：由谁受理"), self.url("preview"), "get", icon="search")]

    def prefill_add(self, form: Any) -> None:
        form.position.data, form.valid_from.data, form.active.data = 100, clock.today(), True

    def _checked(self, item: Any) -> None:
        try:
            check_rule(db.session(), item)
        except InvalidInputError as error:
            raise FormRefused(error.sentence, error.field or "") from error

    def pre_add(self, item: Any) -> None:
        self._checked(item)

    def pre_update(self, item: Any) -> None:
        self._checked(item)

    def post_add(self, item: Any) -> None:
        db.session.flush()
        written(db.session(), "add", item)

    def post_update(self, item: Any) -> None:
        db.session.flush()
        written(db.session(), "edit", item)

    def post_delete(self, item: Any) -> None:
        written(db.session(), "delete", item)

    @expose("/preview")
    @has_access
    def preview(self) -> Any:
        """Which institute takes an instrument of this kind at this place: asked of the rules themselves."""
        form = PreviewForm(request.args or None, day=clock.today())
        answer: Answer | None = None
        if request.args and form.validate():
            category: Category = form.category.data
            answer = who_takes(db.session(), category, form.place.data, form.mode.data, form.day.data or clock.today())
        page = self.render_template(
            "pages/assignment_preview.html",
            title=gettext("由谁受理"),
            view=self,
            form=form,
            answer=answer,
            filing=filing_decides(),
        )
        return page, 422 if request.args and form.errors else 200


class PreviewForm(FlaskForm):
    """What is asked of the rules; a question changes nothing, so it is sent by GET."""

    class Meta:
        csrf = False

    place = StringField(
        _("使用地点代码"),
        [InputRequired(_("请填写“使用地点代码”。")), Regexp(r"^[0-9]{6}$", message=_("“使用地点代码”须为6位数字。"))],
        description=_("6位区县代码，例如 150823。"),
        render_kw={"maxlength": 6, "inputmode": "numeric"},
    )
    category = RemoteSelectField(
        _("种别"),
        [InputRequired(_("请选择“种别”。"))],
        datamodel=PGInterface(Instrument),
        col_name="category",
        widget=RemoteSelectWidget("/categories/options"),
    )
    mode = SelectField(_("检定方式"), choices=[(str(value), word) for value, word in MODES])
    day = DateField(_("日期"), [Optional()])
