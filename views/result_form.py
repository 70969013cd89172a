"""The form of a verification result: facts, readings by row, and the validity that follows from the cycle."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import request
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import DateField, IntegerField, RadioField, StringField, TextAreaField
from wtforms.validators import InputRequired, NumberRange, Optional

from app import clock
from app.operations.certificate import MOST_MONTHS
from app.workflow.certificate import expiry
from models.appointment import AppointmentItem
from models.certificate import Certificate
from models.enums import Conclusion
from views.edge import clean

FIRST_ROWS, MORE_ROWS, MOST_ROWS = 8, 8, 64
CELL = 120
COLUMNS = ("item", "result", "requirement")


class ResultForm(FlaskForm):
    """Readings stand outside WTForms: `rows` holds as many triples as the page shows."""

    conclusion = RadioField(
        _("检定结论"),
        choices=[(Conclusion.PASS.value, _("合格")), (Conclusion.FAIL.value, _("不合格"))],
        validators=[InputRequired(_("请选择检定结论。"))],
    )
    verified_on = DateField(_("检定日期"), validators=[InputRequired(_("请填写“检定日期”，例如 2026-11-20。"))])
    cycle_months = IntegerField(
        _("检定周期（月）"),
        validators=[Optional(), NumberRange(1, MOST_MONTHS, _("“检定周期（月）”须为1～120的整数。"))],
        description=_("默认取强检目录的周期。检定不合格时不填。"),
        render_kw={"inputmode": "numeric"},
    )
    valid_until = DateField(
        _("有效期至"),
        validators=[Optional()],
        description=_("留空则按“检定日期＋检定周期－1天”计算；不一致时须填写有效期说明。"),
    )
    validity_reason = StringField(_("有效期说明"), render_kw={"maxlength": 200})
    place = StringField(
        _("检定地点"), validators=[InputRequired(_("请填写“检定地点”。"))], render_kw={"maxlength": 100}
    )
    temperature = StringField(
        _("温度"),
        validators=[InputRequired(_("请填写“温度”。"))],
        description=_("例如 20.5 ℃"),
        render_kw={"maxlength": 30},
    )
    humidity = StringField(
        _("湿度"),
        validators=[InputRequired(_("请填写“湿度”。"))],
        description=_("例如 50 %RH"),
        render_kw={"maxlength": 30},
    )
    accuracy_result = StringField(
        _("结论中的准确度等级"), description=_("例如 符合Ⅲ级；留空则证书结论为“合格”。"), render_kw={"maxlength": 60}
    )
    failures = TextAreaField(
        _("不合格项"), description=_("检定不合格时必填。"), render_kw={"rows": 3, "maxlength": 500}
    )
    record_no = StringField(_("原始记录号"), render_kw={"maxlength": 60})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rows = rows_of_request() if request.method == "POST" else [["", "", ""] for _n in range(FIRST_ROWS)]
        self.readings_error = ""

    def preview(self) -> date | None:
        """有效期至 as it would be computed now, None while date or cycle are missing or the result is 不合格."""
        day, months = self.verified_on.data, self.cycle_months.data
        if self.conclusion.data == Conclusion.FAIL or not isinstance(day, date) or not months:
            return None
        return expiry(day, months) if 1 <= months <= MOST_MONTHS and day.year < 9_000 else None


def rows_of_request() -> list[list[str]]:
    """The readings typed, with their empty rows, so that the page comes back as it was."""
    cells = [request.form.getlist(name)[:MOST_ROWS] for name in COLUMNS]
    size = max([FIRST_ROWS, *(len(column) for column in cells)])
    return [[clean(column[n], CELL) if n < len(column) else "" for column in cells] for n in range(size)]


def add_rows(form: ResultForm) -> bool:
    """Whether the page was only asked for more rows or for the computed validity; nothing is saved then."""
    act = request.form.get("act")
    if act == "rows":
        room = MOST_ROWS - len(form.rows)
        form.rows += [["", "", ""] for _n in range(min(MORE_ROWS, room))]
    return act in {"rows", "preview"}


def typed_result(form: ResultForm) -> dict[str, Any]:
    """What app.operations.certificate asks for."""
    names = ("place", "temperature", "humidity", "accuracy_result", "failures", "record_no", "validity_reason")
    return {
        **{name: clean(form[name].data) for name in names},
        "conclusion": form.conclusion.data,
        "verified_on": form.verified_on.data,
        "cycle_months": form.cycle_months.data,
        "valid_until": form.valid_until.data,
        "readings": [row for row in form.rows if any(row)],
    }


def fill_from_item(form: ResultForm, item: AppointmentItem) -> None:
    """Defaults of a new record: today, the cycle of the catalogue, where the instrument stands."""
    form.verified_on.data = clock.today()
    form.cycle_months.data = item.instrument.category.cycle_months
    form.place.data = (
        item.instrument.place if item.appointment.mode == "onsite" else item.institute.address if item.institute else ""
    )


def fill_from_certificate(form: ResultForm, certificate: Certificate) -> None:
    """The draft as it is."""
    facts: dict[str, Any] = dict(certificate.facts)
    form.conclusion.data = certificate.conclusion
    form.verified_on.data = certificate.verified_on
    form.cycle_months.data = certificate.cycle_months
    computed = expiry(certificate.verified_on, certificate.cycle_months) if certificate.cycle_months else None
    form.valid_until.data = None if certificate.valid_until == computed else certificate.valid_until
    form.validity_reason.data = certificate.validity_reason or ""
    for name in ("place", "temperature", "humidity", "accuracy_result", "failures", "record_no"):
        form[name].data = facts.get(name) or ""
    rows = [[str(cell) for cell in (*row, "", "", "")[:3]] for row in facts.get("readings") or []]
    form.rows = rows + [["", "", ""] for _n in range(max(FIRST_ROWS - len(rows), 2))]
