"""填写规则: the rule table 五类内容填写 for the administrator (CAT-01), and the help page that everybody may read (CAT-11)."""

from __future__ import annotations

import io
import re
import uuid
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, send_file
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms.validators import ValidationError

from app import filestore
from app.access.audit import audit
from app.errors import QuanhengError
from app.fab.crud import CrudView
from app.fab.interface import PGInterface
from app.operations import category_rules as operations
from app.operations.ledger_fields import label_of
from models.base import db
from models.enums import Role
from models.reference import CategoryRule
from views.workflow_view import me

rule_help = Blueprint("rule_help", __name__, url_prefix="/help")
COLUMNS = (
    *(
        "position",
        "names",
        "level1",
        "level2",
        "emphasis",
        "delivery_mode",
        "purpose",
        "model_example",
        "range_pattern",
    ),
    *("range_example", "accuracy_example", "serial_pattern", "serial_example", "blocking", "redirect_to", "help_title"),
    *("help_text", "active"),
)


class IsPattern:
    """A regular expression that can be compiled."""

    def __call__(self, form: Any, field: Any) -> None:
        """Raise ValidationError with the sentence."""
        try:
            re.compile(field.data or "")
        except re.error as error:
            words = gettext("“%(label)s”不是有效的正则表达式，请核对括号和转义。", label=field.label.text)
            raise ValidationError(words) from error


class CategoryRuleView(CrudView):
    """Rows are switched off, not deleted, so that a rule that came with the platform does not come back."""

    datamodel = PGInterface(CategoryRule)
    class_permission_name = "CategoryRuleView"
    route_base = "/category-rules"
    noun, unit_word = _("填写规则"), _("条")
    list_title = _("填写规则")
    list_columns = ["position", "names", "level1", "level2", "emphasis", "delivery_mode", "purpose", "active"]
    show_columns = list(COLUMNS)
    search_columns = ["names", "level1", "level2", "active"]
    add_columns = [name for name in COLUMNS if name != "active"]
    edit_columns = list(COLUMNS)
    order_columns = ["position"]
    base_order = ("position", "asc")
    choices = {
        "delivery_mode": (("", _("按实际情况")), *operations.MODE_WORDS.items()),
        "purpose": (("", _("按实际情况")), *operations.PURPOSE_WORDS.items()),
    }
    validators_columns = {"range_pattern": [IsPattern()], "serial_pattern": [IsPattern()]}
    description_columns = {
        "names": _("每行一个；第一行显示在帮助页，各行都用来匹配所填的器具名称。"),
        "level2": _("可写多个，用“ / ”分开，此时不自动选定。"),
        "range_pattern": _("正则表达式，与所填内容的半角形式比较；不填则不检查。"),
        "serial_pattern": _("正则表达式，与所填内容的半角形式比较；不填则不检查。"),
        "redirect_to": _("启用“改选目录”时，所选二级目录改为这一项。"),
    }
    optional_columns = frozenset(COLUMNS) - {"position", "names", "active", "blocking"}
    base_permissions = ["can_list", "can_show", "can_add", "can_edit"]
    grants = {"*": frozenset({Role.ADM})}

    def pre_add(self, item: Any) -> None:
        """What was left empty is an empty text, and a select's blank line too."""
        for name in self.optional_columns:
            if getattr(item, name) is None:
                setattr(item, name, "")

    pre_update = pre_add

    def post_add(self, item: Any) -> None:
        audit(db.session(), "edit_category_rule", entity="category_rule", entity_id=item.id)

    def post_update(self, item: Any) -> None:
        audit(db.session(), "edit_category_rule", entity="category_rule", entity_id=item.id)

    @expose("/pictures/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("edit")
    def pictures(self, pk: int) -> Any:
        """Name-plate pictures beside the example: list, upload, take away."""
        item = self.load_item(str(pk))
        if request.method == "POST":
            try:
                _change_pictures(pk)
            except QuanhengError as error:
                db.session.rollback()
                flash(error.sentence, "danger")
            return redirect(self.url("pictures", pk=pk), 303)
        shown = operations.pictures(db.session()).get(pk, [])
        title = gettext("示例图片")
        return self.render_template(
            "pages/category_rule_pictures.html", title=title, item=item, pictures=shown, view=self
        )


def _change_pictures(pk: int) -> None:
    taken = request.form.get("remove", "")
    if taken:
        operations.remove_picture(db.session(), me(), uuid.UUID(taken) if len(taken) == 36 else uuid.UUID(int=0))
        flash(gettext("已删除。"), "success")
        return
    file = request.files.get("picture")
    data = file.stream.read(filestore.MAX_PAPER + 1) if file is not None else b""
    operations.add_picture(
        db.session(), me(), pk, filename=(file.filename or "") if file is not None else "", data=data
    )
    flash(gettext("已上传。"), "success")


@rule_help.get("/categories")
def categories() -> Any:
    """五类内容填写 and the worked examples, for everybody."""
    rows = operations.rows(db.session())
    heads = ["name", "level1", "level2", "emphasis", "delivery_mode", "purpose"]
    words = {"emphasis": gettext("特别强调事项")}
    return render_template(
        "pages/help_categories.html",
        title=gettext("强检器具台账维护五类内容填写"),
        rules=rows,
        heads=[words.get(key) or label_of(key) for key in heads],
        pictures=operations.pictures(db.session()),
        modes=operations.MODE_WORDS,
        purposes=operations.PURPOSE_WORDS,
        either=operations.EITHER_WAY,
    )


@rule_help.get("/categories/pictures/<uuid:pk>")
def picture(pk: uuid.UUID) -> Any:
    """A published picture; only pictures of rules are given here."""
    data, kind = operations.picture(db.session(), pk)
    answer = send_file(io.BytesIO(data), mimetype=kind, max_age=3600)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
