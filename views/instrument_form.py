"""The form of one instrument, made of the deployment's fields (app/operations/ledger_fields.py), which the import uses too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from flask import request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import DateField, MultipleFileField, SelectField, StringField, TextAreaField
from wtforms.widgets import TextArea, TextInput

from app.errors import InvalidInputError, QuanhengError
from app.intake.fields import Choice, Field
from app.intake.rules import ERROR, CheckedRow
from app.intake.text import fold
from app.operations.instrument import check_cells
from app.operations.ledger_fields import extra_fields, label_of, ledger_fields, shown_fields
from app.operations.nozzles import PLACES
from app.operations.reference_tables import reference_tables
from app.profiles import setting
from models.base import db
from models.instrument import Instrument
from views.edge import clean
from views.instrument_inputs import DivisionSelect, GroupedSelect, InstituteSelect, Must, NozzleRows
from views.workflow_view import put_on_form

CATEGORY_KEYS = ("level1", "level2", "category_code")
SECTIONS = (
    (
        _("器具"),
        (
            *("name", "kind", "category", "supervision", "model", "measuring_range", "accuracy_class", "serial_no"),
            *("nozzles", "own_no", "manufacturer", "origin", "type_approval_no", "purchased_on", "installed_on"),
            *("produced_on", "quantity", "code"),
        ),
    ),
    (_("使用"), ("use_division", "place", "station", "purpose", "delivery_mode")),
    (_("检定"), ("valid_until", "institute", "last_result", "certificate_no", "attachments", "note")),
)
PV_NOTE = _("监管方式为“P+V”类的工作计量器具需上传“型式评价”证书。")


def sections() -> list[tuple[str, list[str]]]:
    """(title, form fields) as this deployment shows them."""
    known = {"category" if f.key in CATEGORY_KEYS else f.key for f in ledger_fields()}
    known |= {f.key for f in (*shown_fields(), *extra_fields())}
    found = [(str(title), [name for name in names if name in known]) for title, names in SECTIONS]
    return [(title, names) for title, names in found if names]


_COLUMN = {"use_division": "division", "institute": "institute.name", "supervision": "category.supervision"}


def detail_sections() -> list[tuple[str, list[tuple[str, str]]]]:
    """(title, (column, word)) of the instrument's page: the fields of the form, whose it is, and how verification went."""
    typed = [field.key for field in ledger_fields()]
    codes = [("category.code", label_of("category_code"))] if "category_code" in typed else []
    catalogue = [("category.level1", label_of("level1")), ("category.level2", label_of("level2")), *codes]
    found = []
    for title, names in sections():
        columns: list[tuple[str, str]] = []
        for name in names:
            if name == "category":
                columns += catalogue
            elif name != "attachments":
                columns.append((_COLUMN.get(name, name), label_of(name)))
        found.append((title, columns))
    first, last = found[0], found[-1]
    if not any(column == "category.level2" for column, _word in first[1]):
        first[1].append(("category.level2", label_of("level2")))
    middle = found[1:-1] or [(gettext("使用"), [("division", label_of("use_division")), ("place", label_of("place"))])]
    middle[0][1].insert(0, ("unit.name", gettext("使用单位")))
    shown = {column for column, _word in last[1]}
    missing = [("institute.name", label_of("institute")), ("last_result", label_of("last_result"))]
    extra = [pair for pair in missing if pair[0] not in shown]
    return [
        first,
        *middle,
        (last[0], [*last[1], *extra, ("verified_on", gettext("检定日期")), ("band", gettext("提醒"))]),
    ]


def form_keys() -> list[str]:
    """Every form field of this deployment."""
    return [name for _title, names in sections() for name in names]


def make_form(
    values: Mapping[str, Any] | None = None, locked: frozenset[str] = frozenset(), only: frozenset[str] | None = None
) -> FlaskForm:
    """A form of this request; `values` are those of a row (stored values), `locked` fields are greyed, `only` limits it
    to some fields."""
    declared: dict[str, Any] = {}
    typed, shown = {f.key: f for f in ledger_fields()}, {f.key: f for f in shown_fields()}
    names = form_keys() if only is None else [name for name in (*form_keys(), "category") if name in only]
    for name in dict.fromkeys(names):
        if name in shown:
            declared[name] = _shown(shown[name])
        elif name in typed or name == "category":
            declared[name] = _field(name, typed.get("level2" if name == "category" else name), name in locked)
        else:
            declared[name] = _extra(name, name in locked)
    form: FlaskForm = type("InstrumentForm", (FlaskForm,), declared)(data=dict(values or {}))
    for name in declared:  # what is greyed or only shown is not sent back: what the row has stays
        if request.method == "POST" and (name in shown or (name in locked and name not in request.form)):
            form[name].data = (values or {}).get(name)
    form.cures = {}
    return form


def _shown(field: Field) -> Any:
    """What the platform writes: seen, never typed."""
    extra = {"disabled": True}
    if field.choices:
        offered = [("", "—"), *((c.value, c.label) for c in field.choices)]
        return SelectField(field.label, choices=offered, validate_choice=False, render_kw=extra)
    return StringField(field.label, description=field.hint, render_kw=extra)


def _extra(name: str, locked: bool) -> Any:
    label = label_of(name)
    if name == "nozzles":
        hint = gettext("加油机、加气机逐枪填写枪号和枪的出厂编号，没有的留空。")
        return StringField(label, description=hint, widget=NozzleRows(locked))
    hint = (
        str(PV_NOTE)
        if setting("category", "pv_certificate") == "required"
        else gettext("jpg、png 图片或 PDF，每个不超过10MB。")
    )
    return MultipleFileField(label, description=hint, render_kw={"accept": ".pdf,.jpg,.jpeg,.png"})


def _field(name: str, declared: Field | None, locked: bool) -> Any:
    extra: dict[str, Any] = {"disabled": True} if locked else {}
    must = [Must()] if declared is None or declared.required or declared.wanted else []
    if name == "category":
        common: dict[str, Any] = {"label": category_label(), "validators": must, "description": _hint(declared, name)}
        return StringField(widget=GroupedSelect(), render_kw=extra, **common)
    assert declared is not None
    common = {"label": declared.label, "validators": must, "description": _hint(declared, name)}
    if declared.kind == "division":
        return StringField(widget=DivisionSelect(), render_kw=extra, **common)
    if declared.kind == "institute":
        return StringField(widget=InstituteSelect(), render_kw=extra, **common)
    if declared.kind == "choice":
        return _choices(declared.choices, extra, common)
    if declared.kind == "date":
        return DateField(render_kw=extra, **common)
    if declared.kind == "quantity":
        return StringField(default="1", render_kw={"inputmode": "numeric", "maxlength": 7, **extra}, **common)
    kind = TextAreaField if name == "note" else StringField
    return kind(render_kw={"maxlength": declared.max_length, "autocomplete": "off", **extra}, **common)


def _choices(choices: tuple[Choice, ...], extra: dict[str, Any], common: dict[str, Any]) -> Any:
    offered = [("", gettext("请选择")), *((c.value, c.label) for c in choices)]
    return SelectField(choices=offered, validate_choice=False, render_kw=extra, **common)


def category_label() -> str:
    """The words of both levels, and of the code where the deployment shows it."""
    words = [label_of("level1"), label_of("level2")]
    if any(f.key == "category_code" for f in ledger_fields()):
        words.append(label_of("category_code"))
    return " / ".join(words)


def _hint(declared: Field | None, name: str) -> str:
    if name == "category":
        return gettext("据此确定检定机构和检定周期，请准确选择")
    assert declared is not None
    if name == "use_division":
        return gettext("据此指派检定任务，请准确选择器具实际使用的区县")
    if declared.kind == "text" and declared.example:
        return "；".join(part for part in (declared.hint, gettext("例如 %(text)s", text=declared.example)) if part)
    return declared.hint


def assignment_note() -> str:
    """S1 and S3: which fields decide who verifies, in this deployment's words; "" where it asks none of them."""
    typed = {f.key for f in ledger_fields()}
    keys = [key for key in ("use_division", "level1", "level2") if key in typed]
    words = "、".join(f"“{label_of(key)}”" for key in keys)
    return gettext("请准确填写%(fields)s信息，系统将据此进行检定任务指派。", fields=words) if len(keys) > 1 else ""


def values_of(instrument: Instrument) -> dict[str, Any]:
    """A row's values by form field."""
    fields = (*ledger_fields(), *shown_fields())
    found = {field.key: getattr(instrument, field.key) for field in fields if hasattr(Instrument, field.key)}
    return {
        **found,
        "category": instrument.category.code,
        "supervision": instrument.category.supervision,
        "quantity": str(instrument.quantity),
        "institute": instrument.institute.name if instrument.institute is not None else "",
    }


def cells_of(form: FlaskForm, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What was typed, as cells of an imported row: the same rules then read both. `values` stand in for fields that the
    form does not have (信息完善 shows only some)."""
    coded, cells = bool(setting("ledger", "coded_fields")), {}
    for field in ledger_fields():
        if field.key in CATEGORY_KEYS:
            continue
        typed = form[field.key].data if field.key in form else (values or {}).get(field.key)
        if field.kind == "date" and typed is None and field.key in form:
            typed = clean(request.form.get(field.key), 40)
        if field.kind == "choice":
            found = next((c for c in field.choices if c.value == typed), None)
            typed = (found.code if coded else found.label) if found else typed
        cells[field.key] = clean(typed, 2_000) if isinstance(typed, str) else (typed or "")
    if "category" in form or values is not None:
        code = form["category"].data if "category" in form else (values or {}).get("category")
        cells["category_code"] = clean(code, 20)
    return cells


def checked(form: FlaskForm, *, values: Mapping[str, Any] | None = None) -> CheckedRow:
    """The row of the form with what is only to be noted; raises InvalidInputError whose problems are named by form field.

    Sentences with a cure stand in `form.cures`: field → (label of the button, value).
    """
    row = check_cells(db.session(), cells_of(form, values))
    problems: dict[str, str] = {}
    for problem in row.problems:
        name = on_form(problem.column)
        if name not in form and name and values is None:
            name = ""
        if problem.cure and name in form and (value := cure_value(name, problem.column, problem.cure)):
            form.cures.setdefault(name, (problem.cure, value))
        if problem.severity == ERROR:
            problems.setdefault(name, problem.message)
    if problems:
        raise InvalidInputError(gettext("器具信息有误，请按提示修改。"), problems=problems)
    return row


def notes_of(row: CheckedRow) -> list[str]:
    """Sentences that do not stand in the way of saving."""
    return [problem.message for problem in row.problems if problem.severity != ERROR]


def on_form(column: str) -> str:
    """The form field of a column: the catalogue's three columns are one field here."""
    return "category" if column in CATEGORY_KEYS else column


def cure_value(name: str, column: str, cure: str) -> str:
    """The value that the form's field takes for a cure, which is written as in a workbook."""
    if name == "category":
        if column == "level1":
            return ""
        found = [ref for ref in reference_tables(db.session()).level2_only.get(fold(cure), ()) if ref.valid]
        return found[0].code if len(found) == 1 else ""
    field = next((f for f in ledger_fields() if f.key == name), None)
    if field is not None and field.choices:
        return next((c.value for c in field.choices if cure in {c.label, c.code}), "")
    return cure


def apply_cure(form: FlaskForm) -> bool:
    """Take over the value of the button that was pressed (name=cure, value=field:value); False when none was."""
    name, mark, value = request.form.get("cure", "").partition(":")
    if not mark or name not in form:
        return False
    data: Any = clean(value, 500)
    if isinstance(form[name], DateField):
        try:
            data = date.fromisoformat(data)
        except ValueError:
            return False
    form[name].data = data
    return True


def typed_nozzles() -> list[tuple[str, str]]:
    """(枪号, 枪出厂编号) of the rows that were filled."""
    rows = [
        (clean(request.form.get(f"nozzle_no_{n}"), 4), clean(request.form.get(f"nozzle_serial_{n}"), 200))
        for n in range(PLACES)
    ]
    return [(number, serial) for number, serial in rows if number or serial]


def overtaken(form: FlaskForm, instrument: Instrument) -> list[str]:
    """The record was changed elsewhere since the form was opened: what its texts say now, where the form says otherwise."""
    now = values_of(instrument)
    said = [
        gettext("“%(field)s”现在是“%(value)s”。", field=str(field.label.text), value=now[name] or gettext("空"))
        for name, field in form._fields.items()
        if isinstance(now.get(name), str) and isinstance(field.data, str) and field.data.strip() != now[name]
        if isinstance(field.widget, (TextInput, TextArea))
    ]
    first = gettext(
        "打开本页以后，这条记录已在别处被修改（例如您的另一个窗口）。您填写的内容还在下面，核对后再点“保存”，即以本页为准。"
    )
    return [first, *said]


def refuse(form: FlaskForm, error: QuanhengError) -> list[str]:
    """Put the sentences on their fields; returns those that belong to none."""
    if not isinstance(error, InvalidInputError) and error.field:
        error = InvalidInputError(error.sentence, field=error.field)
    return put_on_form(form, error)
