"""本站内容: texts with their versions and files to download, kept by the administrator; and the public pages of both."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, send_file
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import StringField, TextAreaField
from wtforms.validators import InputRequired

from app import filestore
from app.errors import QuanhengError
from app.operations import site
from models.base import db
from models.enums import Role
from views.edge import clean
from views.guards import roles
from views.workflow_view import me, put_on_form

site_pages = Blueprint("site", __name__)


class TextForm(FlaskForm):
    """Title and body of a text."""

    title = StringField(_("标题"), [InputRequired(_("请填写“标题”。"))], render_kw={"maxlength": site.TITLE})
    body = TextAreaField(
        _("正文"),
        [InputRequired(_("请填写“正文”。"))],
        description=_("纯文字，空一行分段；以“一、”“二、”等开头的短行显示为小标题。"),
        render_kw={"rows": 20},
    )


# -- the public --------------------------------------------------------------------------------------------------------


@site_pages.get("/texts/<string:key>")
def text(key: str) -> str:
    """A text in force, or with ?version= the one that somebody agreed to."""
    number = request.args.get("version", "")
    version = int(number) if number.isascii() and number.isdecimal() and len(number) < 9 else None
    found = site.text_of(db.session(), key, version)
    return render_template("portal/text.html", title=found.title, text=found, paragraphs=paragraphs(found.body))


def paragraphs(body: str) -> list[list[str]]:
    """The body's paragraphs, each as its lines; templates escape them."""
    return [block.strip().splitlines() for block in body.split("\n\n") if block.strip()]


@site_pages.get("/site-files/<string:kind>")
def download(kind: str) -> Any:
    """The file uploaded last for that use; always a download, never shown inside the site."""
    row = site.file_of(db.session(), kind)
    if row is None:
        if kind == "letter":
            return redirect("/register/authorisation.pdf")  # the platform's own form until somebody uploads one
        abort(404)
    path = filestore.path_of(row.sha256)
    if not path.is_file():
        abort(404)
    answer = send_file(path, mimetype=row.content_type, as_attachment=True, download_name=row.filename, max_age=0)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


# -- the administrator -------------------------------------------------------------------------------------------------


@site_pages.get("/site/")
@roles(Role.ADM)
def overview() -> str:
    """All texts and files."""
    return _overview({})


def _overview(problems: dict[str, str]) -> str:
    session = db.session()
    return render_template(
        "pages/site.html",
        title=gettext("本站内容"),
        texts=[site.text_of(session, key) for key in site.text_keys()],
        files=[(kind, word, site.file_of(session, kind)) for kind, word in site.FILES.items()],
        problems=problems,
    )


@site_pages.route("/site/text", methods=["GET", "POST"])
@roles(Role.ADM)
def edit() -> Any:
    """Write a new version of a text."""
    session, form = db.session(), TextForm()
    now = site.text_of(session, clean(request.values.get("key"), 40))
    problems: list[str] = []
    seen = request.form.get("seen_version", str(now.version))
    if request.method == "GET":
        form.title.data, form.body.data = now.title, now.body
    elif form.validate():
        try:
            version = int(seen) if seen.isascii() and seen.isdecimal() else 0
            body = "\n".join(clean(line, 2_000) for line in str(form.body.data).splitlines())
            made = site.put_text(
                session, me(), now.key, title=clean(form.title.data, 200), body=body, seen_version=version
            )
            flash(gettext("“%(title)s”已发布第%(n)s版。", title=made.title, n=made.version), "success")
            return redirect("/site/", 303)
        except QuanhengError as error:
            session.rollback()
            problems = put_on_form(form, error)
    page = render_template(
        "pages/site_text.html",
        title=gettext("修改“%(title)s”", title=now.title),
        form=form,
        form_errors=problems,
        columns=["title", "body"],
        hidden={"key": now.key, "seen_version": seen},
        submit_label=gettext("发布新版本"),
        cancel_url="/site/",
        intro=gettext("现在是第%(n)s版。发布后新注册的用户同意的是新版本，此前的同意仍对应原版本。", n=now.version),
        versions=site.versions_of(session, now.key),
    )
    return page, 422 if request.method == "POST" else 200


@site_pages.post("/site/file")
@roles(Role.ADM)
def upload() -> Any:
    """Replace a file."""
    kind, file = clean(request.form.get("kind"), 40), request.files.get("file")
    if kind not in site.FILES:
        abort(404)
    if file is None or not file.filename:
        return _overview({kind: gettext("请选择要上传的文件。")}), 422
    try:
        data = file.stream.read(site.MAX_FILE + 1)
        row = site.put_file(db.session(), me(), kind, filename=file.filename, data=data)
    except QuanhengError as error:
        db.session.rollback()
        return _overview({kind: error.sentence}), 422
    flash(gettext("“%(name)s”已上传，公众下载的是这个文件。", name=row.filename), "success")
    return redirect("/site/", 303)
