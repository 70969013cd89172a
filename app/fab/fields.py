"""Form fields and widgets: plain HTML inputs a phone understands, and a select that asks the server.

Stock Select2AJAXWidget writes an <input> that its script cannot use (issue #2271) and stock date pickers are scripts;
browsers have both, so these widgets write what the browser knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import has_request_context, url_for
from flask_appbuilder.fields import AJAXSelectField, EnumField
from flask_appbuilder.forms import FieldConverter, GeneralModelConverter
from flask_babel import lazy_gettext as _
from markupsafe import Markup
from wtforms import (
    BooleanField,
    DateField,
    DateTimeLocalField,
    DecimalField,
    FloatField,
    IntegerField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    validators,
)
from wtforms.validators import StopValidation
from wtforms.widgets import CheckboxInput, ListWidget, html_params

from app.fab.filters import ZONE
from app.fab.parts import as_choices


class RemoteSelectWidget:
    """<select class="remote-select" data-url=…> with the chosen row as its only option; quanheng.js makes it search."""

    def __init__(self, url: str | Callable[[], str]) -> None:
        self.url = url

    def __call__(self, field: Any, **kwargs: Any) -> Markup:
        url = self.url() if callable(self.url) else self.url
        if has_request_context() and not url.startswith("/"):
            url = url_for(url)
        css = f"remote-select {kwargs.pop('class', '')}".strip()
        attributes = html_params(id=field.id, name=field.name, class_=css, data_url=url, **kwargs)
        chosen = field.chosen()
        option = Markup('<option value="{}" selected>{}</option>').format(*chosen) if chosen else Markup("")
        # html_params has escaped the attributes already.
        return Markup('<select {}><option value=""></option>{}</select>').format(Markup(attributes), option)  # noqa: S704


class RemoteSelectField(AJAXSelectField):
    """A related row chosen by searching. The key is resolved through the related interface, so a row the person may
    not see is refused like one that does not exist (rule S-5)."""

    def __init__(
        self,
        label: Any = None,
        validators: Any = None,
        datamodel: Any = None,
        col_name: str = "",
        text: Callable[[Any], str] = str,
        **kwargs: Any,
    ) -> None:
        super().__init__(label, validators, datamodel=datamodel, col_name=col_name, **kwargs)
        self.text = text
        self.unknown = False

    @property
    def _related(self) -> Any:
        return self.datamodel.get_related_interface(self.col_name)

    def process_data(self, value: Any) -> None:
        """The related object itself, as the form's object holds it."""
        self.data = value

    def process_formdata(self, valuelist: list[str]) -> None:
        """The submitted key, resolved; pre_validate speaks for one that resolves to nothing."""
        if not valuelist:
            return
        key = valuelist[0].strip()
        self.data = self._related.get(key) if key else None
        self.unknown = bool(key) and self.data is None

    def pre_validate(self, form: Any) -> None:
        """Refuse a key that leads nowhere, before "required" would hide the reason."""
        if self.unknown:
            raise StopValidation(str(_("选择的内容不存在或不在您的管辖范围内，请重新选择。")))

    def chosen(self) -> tuple[Any, str] | None:
        """Key and text of the row to show as selected."""
        return (self._related.get_pk_value(self.data), self.text(self.data)) if self.data is not None else None


class Ticks(SelectMultipleField):
    """Several of few: check boxes; the value is the list of those ticked."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def __iter__(self) -> Iterator[Any]:
        """A browser would take "required" on each box for "tick them all"."""
        for option in super().__iter__():
            option.flags.required = False
            yield option


class StepDecimalField(DecimalField):
    """A decimal that is typed as text, so that no browser changes its last digit."""


class ChinaDateTimeField(DateTimeLocalField):
    """A moment typed in Chinese time; an aware value is stored."""

    data: Any

    def process_data(self, value: Any) -> None:
        super().process_data(value.astimezone(ZONE) if value is not None and value.tzinfo else value)

    def process_formdata(self, valuelist: list[str]) -> None:
        super().process_formdata(valuelist)
        if self.data is not None and self.data.tzinfo is None:
            self.data = self.data.replace(tzinfo=ZONE)


class Fields(FieldConverter):
    """Column type → field, with the browser's own inputs."""

    conversion_table = (
        ("is_text", TextAreaField, None),
        ("is_json", TextAreaField, None),
        ("is_string", StringField, None),
        ("is_integer", IntegerField, None),
        ("is_numeric", StepDecimalField, None),
        ("is_float", FloatField, None),
        ("is_boolean", BooleanField, None),
        ("is_date", DateField, None),
        ("is_datetime", ChinaDateTimeField, None),
    )

    def convert(self) -> Any:
        """The unbound field; enumerations become a select with a blank first line."""
        if not self.datamodel.is_enum(self.colname):
            return super().convert()
        kind = self.datamodel.list_columns[self.colname].type
        return EnumField(
            enum_class=kind.enum_class,
            enums=kind.enums,
            label=self.label,
            description=self.description,
            validators=self.validators,
            default=self.default,
        )


class NamedRequired(validators.InputRequired):
    """Required, and the sentence names the field."""

    def __call__(self, form: Any, field: Any) -> None:
        self.message = str(_("请填写%(field)s。", field=field.label.text))
        super().__call__(form, field)


class NamedDataRequired(validators.DataRequired):
    """A choice is required, and the sentence names the field."""

    def __call__(self, form: Any, field: Any) -> None:
        self.message = str(_("请选择%(field)s。", field=field.label.text))
        super().__call__(form, field)


class FormConverter(GeneralModelConverter):
    """Builds a view's forms: relations become remote selects, columns with `choices` become selects.

    `options_urls` maps a relation to the address (or endpoint) of its /options; a relation without one is an error,
    because the stock select would print every row of the related table.
    """

    def __init__(
        self,
        datamodel: Any,
        choices: dict[str, Any],
        options_urls: dict[str, Any],
        optional: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(datamodel)
        self.choices, self.options_urls, self.optional = choices, options_urls, optional

    def _convert_many_to_one(
        self, col_name: str, label: Any, description: Any, lst_validators: list[Any], filters: Any, form_props: dict
    ) -> dict:
        if col_name not in self.options_urls:
            raise TypeError(f"{self.datamodel.obj.__name__}.{col_name}: name its /options endpoint in options_urls")
        needed = not self.datamodel.is_nullable(col_name)
        form_props[col_name] = RemoteSelectField(
            label,
            [NamedDataRequired() if needed else validators.Optional(), *lst_validators],
            description=description,
            datamodel=self.datamodel,
            col_name=col_name,
            widget=RemoteSelectWidget(self.options_urls[col_name]),
        )
        return form_props

    def _convert_simple(
        self, col_name: str, label: Any, description: Any, lst_validators: list[Any], form_props: dict
    ) -> dict:
        checks = list(lst_validators)
        nullable = self.datamodel.is_nullable(col_name) or col_name in self.optional
        default = self.datamodel.get_col_default(col_name)
        if self.datamodel.is_boolean(col_name):
            checks.insert(0, validators.Optional())
        else:
            checks.insert(0, validators.Optional() if nullable else NamedRequired())
        if col_name in self.choices:
            form_props[col_name] = choice_field(
                label, checks, self.choices[col_name], nullable, description=description, default=default
            )
            return form_props
        longest = self.datamodel.get_max_length(col_name)
        if longest != -1:
            checks.append(validators.Length(max=longest))
        form_props[col_name] = Fields(self.datamodel, col_name, label, description, checks, default=default).convert()
        if form_props[col_name] is None:
            raise TypeError(f"{self.datamodel.obj.__name__}.{col_name}: no form field for this column type")
        return form_props


def choice_field(label: Any, checks: list[Any], pairs: Any, nullable: bool, **kwargs: Any) -> SelectField:
    """A select of words over stored values; its first line is blank so that nothing is chosen by accident."""
    options = [("", _("请选择")), *((c.value, c.word) for c in as_choices(pairs))]

    def coerce(value: Any) -> Any:
        return None if value in ("", None) else str(getattr(value, "value", value))

    return SelectField(label, checks, choices=options, coerce=coerce, validate_choice=True, **kwargs)
