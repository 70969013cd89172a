"""Widgets that print what the view prepared; the templates hold the look."""

from __future__ import annotations

from flask_appbuilder.widgets import RenderTemplateWidget


class ListTable(RenderTemplateWidget):
    """The table of a list with its bulk bar and pagination."""

    template = "appbuilder/general/widgets/list.html"


class ShowFacts(RenderTemplateWidget):
    """Labels and values of one row."""

    template = "appbuilder/general/widgets/show.html"


class FormBody(RenderTemplateWidget):
    """The fields of a form, sections and the error summary."""

    template = "appbuilder/general/widgets/form.html"


class FilterBar(RenderTemplateWidget):
    """The row of search fields above a list and the chips of what is filtered."""

    template = "appbuilder/general/widgets/search.html"
