"""我的企业信息 (/unit/master) and 我的机构信息 (/me/institute): registration data, looked at and changed (ORG-12)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import FileField, StringField
from wtforms.validators import InputRequired, Optional

from app.errors import QuanhengError
from app.fab.parts import Button
from app.operations import places
from app.operations.institute import edit_own_institute
from app.operations.unit_master import LICENCE, is_reviewed, pending_change, save_master
from app.operations.unit_profile import own_unit
from models.base import db
from models.enums import Role
from models.organisation import Institute, Unit
from models.types import mask_id_number
from views.edge import clean
from views.guards import roles
from views.kept_files import keep, received
from views.place_fields import place_at, read_place
from views.workflow_view import me, put_on_form

master_pages = Blueprint("unit_master", __name__)
WRITERS = (Role.ENT, Role.SUB)
SAME = _("须与证照一致。")


class MasterForm(FlaskForm):
    """What the registration asked for, but the account's own data."""

    name = StringField(
        _("企业名称"), [InputRequired()], description=SAME, render_kw={"maxlength": 120, "autocomplete": "organization"}
    )
    code = StringField(_("统一社会信用代码"), [InputRequired()], description=SAME, render_kw={"maxlength": 24})
    legal_person = StringField(_("法定代表人/负责人"), [Optional()], description=SAME, render_kw={"maxlength": 40})
    legal_id_number = StringField(
        _("法定代表人身份证号码"), [Optional()], render_kw={"maxlength": 18, "autocomplete": "off"}
    )
    licence = FileField(
        _("统一社会信用代码证等证照"),
        description=_("需要更换时上传：jpg、png 图片或 PDF，不超过10MB。"),
        render_kw={"accept": "image/jpeg,image/png,application/pdf"},
    )
    address = StringField(
        _("详细地址"),
        [InputRequired()],
        description=SAME,
        render_kw={"maxlength": 200, "autocomplete": "street-address"},
    )
    category = StringField(_("经济性质"), [Optional()], render_kw={"maxlength": 20})
    email = StringField(_("单位邮箱"), [Optional()], render_kw={"maxlength": 120, "type": "email"})


COLUMNS = ("name", "code", "legal_person", "legal_id_number", "address", "category", "email")


@master_pages.route("/unit/master", methods=["GET", "POST"])
@roles(*WRITERS)
def master() -> Any:
    """The unit's own data; what a reviewer compared waits for the reviewer again."""
    form, loose, status = MasterForm(), [], 200
    papers = received({"licence": LICENCE})
    place = read_place(request.form, streets=False)
    if request.method == "POST" and "load" not in request.form:
        typed = {name: clean(form[name].data, 300) for name in COLUMNS} | {"division_code": place.code}
        try:
            saved = save_master(db.session(), me(), typed, papers.get("licence"))
            if saved.waiting is not None:
                flash(gettext("企业名称、代码、法定代表人或证照的变更已提交审核，审核通过后生效。"), "info")
            if saved.written or saved.waiting is None:
                flash(gettext("已保存。"), "success")
            return redirect("/unit/master", 303)
        except QuanhengError as error:
            db.session.rollback()
            loose, status = put_on_form(form, error), error.status
    unit = own_unit(db.session(), me())
    if request.method == "GET":
        _fill(form, unit)
        place = place_at(unit.division_code, streets=False)
    waiting = pending_change(db.session(), unit.id)
    page = render_template(
        "pages/unit_master.html",
        title=gettext("我的企业信息"),
        form=form,
        form_errors=loose,
        columns=COLUMNS,
        place=place,
        kept=keep(papers.values()),
        waiting=waiting,
        reviewed=is_reviewed(),
        stored_id=mask_id_number(unit.legal_id_number),
        buttons=[
            Button("page", gettext("企业信息维护"), "/unit", "get"),
            Button("contact", gettext("修改联系方式"), "/me/contact", "get"),
        ],
    )
    return page, status


def _fill(form: MasterForm, unit: Unit) -> None:
    for name in COLUMNS:
        form[name].data = "" if name == "legal_id_number" else getattr(unit, name)


class InstituteForm(FlaskForm):
    """What the head of an institute keeps; name, code and authorisation belong to the administrator."""

    address = StringField(_("地址"), [InputRequired()], render_kw={"maxlength": 200})
    phone = StringField(_("电话"), [InputRequired()], render_kw={"maxlength": 30, "inputmode": "tel"})
    manager = StringField(_("负责人"), [Optional()], render_kw={"maxlength": 40})
    regions = StringField(_("授权区域"), [Optional()], render_kw={"maxlength": 200})


@master_pages.route("/me/institute", methods=["GET", "POST"])
@roles(Role.IMG)
def own_institute() -> Any:
    """我的机构信息."""
    form, loose, status = InstituteForm(), [], 200
    names = ("address", "phone", "manager", "regions")
    if request.method == "POST":
        try:
            edit_own_institute(db.session(), me(), {name: clean(form[name].data, 300) for name in names})
            flash(gettext("已保存。"), "success")
            return redirect("/me/institute", 303)
        except QuanhengError as error:
            db.session.rollback()
            loose, status = put_on_form(form, error), error.status
    institute = db.session.get_one(Institute, me().institute_id)
    if request.method == "GET":
        for name in names:
            form[name].data = getattr(institute, name)
    page = render_template(
        "pages/own_institute.html",
        title=gettext("我的机构信息"),
        sections=[("", _institute_facts(institute))],
        form=form,
        form_errors=loose,
        columns=names,
        submit_label=gettext("保存"),
    )
    return page, status


def _institute_facts(institute: Institute) -> list[tuple[str, Any]]:
    return [
        (gettext("机构名称"), institute.name),
        (gettext("统一社会信用代码"), institute.unified_code or "—"),
        (gettext("机构代号"), institute.code),
        (gettext("所在地"), places.place_name(db.session(), institute.division_code)),
        (gettext("授权证书编号"), institute.authorisation_no),
        (gettext("授权有效期至"), institute.authorised_until.isoformat()),
    ]
