"""What a registration form asks the server for while it is filled in: codes, places, reviewers, the letter's template."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify, redirect, request, send_file
from flask_babel import gettext

from app import filestore
from app.access.limits import by_address, hit
from app.access.validators import valid_email, valid_phone
from app.documents.authorisation_form import blank_authorisation
from app.documents.registration_guide import registration_guide
from app.errors import InvalidInputError, QuanhengError
from app.fab.errors import wants_json
from app.operations import places, site
from app.operations.codes import send_code
from app.profiles import profile, setting
from app.profiles.forms import RegistrationForm
from models.base import db
from views.captcha import check_captcha
from views.edge import clean

registration_help = Blueprint("registration_help", __name__)
CODES = "10 per hour"
GUIDE = "attachment; filename*=UTF-8''%E6%B3%95%E4%BA%BA%E6%B3%A8%E5%86%8C%E6%8C%87%E5%8D%97.pdf"
LETTER = "attachment; filename*=UTF-8''%E6%B3%95%E4%BA%BA%E6%8E%88%E6%9D%83%E4%B9%A6.pdf"


def send_to(declared: RegistrationForm) -> Any:
    """Send a code to what the form has typed; gives the sentence, or its JSON for a script. Raises QuanhengError."""
    channel = "email" if declared.find("email_code") is not None else "phone"
    field = declared.find(channel)
    typed = clean(request.form.get(field.name if field else channel), 121)
    label = field.label if field else channel
    if channel == "email" and not valid_email(typed):
        sentence = gettext("%(field)s格式不正确，请核对，例如 name@example.com。", field=label)
        raise InvalidInputError(sentence, field=field.name if field else channel)
    if channel == "phone" and not valid_phone(typed):
        sentence = gettext("%(field)s格式不正确，请填写11位手机号。", field=label)
        raise InvalidInputError(sentence, field=field.name if field else channel)
    check_captcha("register")
    hit(by_address("register-code"), current_app.config.get("CODE_LIMIT", CODES))
    if channel == "email":
        send_code(db.session(), purpose="register", email=typed)
        said = gettext("验证码已发送到 %(email)s，请在10分钟内填写。没有收到的，请查看垃圾邮件。", email=typed)
    else:
        send_code(db.session(), purpose="register", phone=typed)
        said = gettext("验证码已发送到手机尾号%(end)s，请在10分钟内填写。", end=typed[-4:])
    return jsonify(message=said, seconds=60) if wants_json() else said


def code_refused(error: QuanhengError) -> Any:
    """The refusal as JSON for a script; None for a page."""
    if not wants_json():
        return None
    seconds = getattr(error, "seconds", 0)
    return jsonify(error=error.sentence, seconds=seconds), error.status


@registration_help.get("/divisions")
def divisions() -> Response:
    """The places below `parent` (provinces without it): {"results": [{"id": code, "text": name}]}."""
    return _results(places.children(db.session(), clean(request.args.get("parent"), 9)))


@registration_help.get("/divisions/institutes")
def institutes() -> Response:
    """The institutes that may review an applicant of that place, the nearest first."""
    return _results(places.reviewers(db.session(), clean(request.args.get("division"), 9)))


def _results(pairs: list[places.Pair]) -> Response:
    return jsonify(results=[{"id": key, "text": name} for key, name in pairs])


@registration_help.get("/register/authorisation.pdf")
def authorisation() -> Any:
    """The letter of authorisation to print, sign and stamp: what the administrator uploaded last, else our own (REG-07)."""
    row = site.file_of(db.session(), "letter")
    if row is not None and filestore.path_of(row.sha256).is_file():
        path = filestore.path_of(row.sha256)
        answer = send_file(path, mimetype=row.content_type, as_attachment=True, download_name=row.filename, max_age=0)
    else:
        answer = Response(blank_authorisation(profile()["name"]), mimetype="application/pdf")
        answer.headers["Content-Disposition"] = LETTER
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


@registration_help.get("/register/guide.pdf")
def guide() -> Any:
    """法人注册指南, where accounts come from another service: the uploaded one, else our own (REG-08)."""
    url = str(setting("registration", "external_url"))
    if not url:
        abort(404)
    if site.file_of(db.session(), "external_guide") is not None:
        return redirect("/site-files/external_guide")
    answer = Response(registration_guide(profile()["name"], url), mimetype="application/pdf")
    answer.headers["Content-Disposition"] = GUIDE
    return answer
