"""Registration forms: one declaration per kind in the profile's TOML, read into objects and checked.

The page, the rules and the storing of a registration all follow from the declaration:

    [registration.forms.personal]          # address /register/personal
    tab = "个人注册"                        # word of the tab; `account` is the kind of account that it makes
    account = "individual"
    agreements = ["personal_agreement"]    # keys of texts, see app.operations.site
    [[registration.forms.personal.fields]]
    name = "username"                      # where the answer is kept: app.operations.registration_facts
    kind = "username"                      # how it is asked and checked: KINDS
    label = "用户名"

A kind that a profile offers without a form of its own takes the one of the manual that describes it (HOME).
`required` may name a switch of [registration]; `{letter_label}` in a label stands for that setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.profiles import load, profile
from models.enums import AccountKind

KINDS = frozenset(
    {
        "username",
        "password",
        "password_again",
        "text",
        "id_number",
        "code",
        "phone",
        "phone_code",
        "email",
        "email_code",
        "select",
        "radio",
        "region",
        "file",
        "upload_type",
        "date",
        "reviewer",
    }
)
"""How a field is asked for and checked; `code` is a 统一社会信用代码, `reviewer` the institute that decides."""
ACCEPTS = frozenset({"paper", "image", "document"})
HOME = {
    "personal": "national",
    "enterprise": "national",
    "institute": "national",
    "applicant": "guangdong",
    "applicant_person": "guangdong",
}
ACCESS = frozenset({"username", "password", "password_again"})
"""Kinds that belong to the first registration alone: a correction neither shows nor changes them."""


class BrokenFormError(ValueError):
    """The declaration in a TOML cannot be used: a mistake of whoever wrote it, found by the tests."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One line of a form. `required` is settled: the profile's switch has been read."""

    name: str
    kind: str
    label: str
    section: str = ""
    required: bool = False
    hint: str = ""
    placeholder: str = ""
    options: tuple[tuple[str, str], ...] = ()
    default: str = ""
    limit: int = 60
    lengths: tuple[int, ...] = (18,)
    unique: bool = False
    accept: str = "paper"
    upload_type: str = ""
    template: bool = False
    depth_by: str = ""
    wrong: str = ""

    @property
    def secret(self) -> bool:
        """Never given back to the page."""
        return self.kind in {"password", "password_again"}

    def word_of(self, value: str) -> str:
        """The word of an option's value."""
        return dict(self.options).get(value, value)


@dataclass(frozen=True, slots=True)
class RegistrationForm:
    """A form: its tab, the account it makes, the texts to agree to and its fields in their order."""

    kind: str
    tab: str
    title: str
    account: AccountKind
    button: str
    consent: str
    agreements: tuple[str, ...]
    fields: tuple[FormField, ...]
    identities: tuple[tuple[str, str], ...] = ()
    identity: str = ""

    def find(self, kind: str) -> FormField | None:
        """The first field of that kind."""
        return next((f for f in self.fields if f.kind == kind), None)

    def field(self, name: str) -> FormField | None:
        """The field of that name."""
        return next((f for f in self.fields if f.name == name), None)

    def files(self) -> dict[str, str]:
        """Labels of the uploads by name."""
        return {f.name: f.label for f in self.fields if f.kind == "file"}

    def sections(self, fields: tuple[FormField, ...] | None = None) -> list[tuple[str, list[FormField]]]:
        """Fields under their headings, in the declared order."""
        found: list[tuple[str, list[FormField]]] = []
        for field in self.fields if fields is None else fields:
            if not found or found[-1][0] != field.section:
                found.append((field.section, []))
            found[-1][1].append(field)
        return found

    def correctable(self) -> tuple[FormField, ...]:
        """What a returned registration may change: all but the means of logging in."""
        return tuple(f for f in self.fields if f.kind not in ACCESS and not f.wrong)


def offered() -> list[RegistrationForm]:
    """The forms of this deployment in the order of its tabs."""
    found = (form_of(kind) for kind in profile()["registration"]["kinds"])
    return [form for form in found if form is not None]


def form_of(kind: str, name: str | None = None) -> RegistrationForm | None:
    """The form of that kind in this deployment, or in the profile called `name`; None when there is none."""
    own = profile() if name is None else load(name)
    registration = own["registration"]
    raw = registration.get("forms", {}).get(kind)
    if raw is None and kind in HOME and HOME[kind] != name:
        raw = load(HOME[kind])["registration"]["forms"].get(kind)
    return None if raw is None else read(kind, raw, registration)


def reachable(kind: str) -> RegistrationForm | None:
    """The form of that kind if somebody may register by it: a tab, or an identity that a tab asks for."""
    for form in offered():
        if kind in {form.kind, *(k for k, _word in form.identities)}:
            return form_of(kind)
    return None


def read(kind: str, raw: Mapping[str, Any], settings: Mapping[str, Any]) -> RegistrationForm:
    """A declaration as objects; raises BrokenFormError saying what is wrong with it."""
    try:
        fields = tuple(_field(line, settings) for line in raw["fields"])
        form = RegistrationForm(
            kind=kind,
            tab=raw["tab"],
            title=raw.get("title", raw["tab"]),
            account=AccountKind(raw["account"]),
            button=raw.get("button", "注册"),
            consent=raw.get("consent", "我已阅读并同意"),
            agreements=tuple(raw["agreements"]),
            fields=fields,
            identities=tuple((key, word) for key, word in raw.get("identities", ())),
            identity=raw.get("identity", ""),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenFormError(f"form {kind}: {error}") from error
    problems = list(_problems(form))
    if problems:
        raise BrokenFormError(f"form {kind}: " + "; ".join(problems))
    return form


def _field(line: Mapping[str, Any], settings: Mapping[str, Any]) -> FormField:
    values = dict(line)
    required = values.get("required", False)
    values["required"] = bool(settings[required]) if isinstance(required, str) else bool(required)
    values["label"] = _filled(values["label"], settings)
    values["hint"] = _filled(values.get("hint", ""), settings)
    pairs = [(o, o) if isinstance(o, str) else tuple(o) for o in values.get("options", ())]
    values["options"] = tuple((str(value), str(word)) for value, word in pairs)
    if "lengths" in values:
        values["lengths"] = tuple(values["lengths"])
    return FormField(**values)


def _filled(text: str, settings: Mapping[str, Any]) -> str:
    for key in ("letter_label", "phone_note"):
        text = text.replace("{" + key + "}", str(settings[key]))
    return text


def _problems(form: RegistrationForm) -> Iterator[str]:
    names = [f.name for f in form.fields]
    yield from (f"field {name} twice" for name in sorted({n for n in names if names.count(n) > 1}))
    yield from (f"field {f.name}: unknown kind {f.kind}" for f in form.fields if f.kind not in KINDS)
    yield from (f"field {f.name}: accepts {f.accept}" for f in form.fields if f.accept not in ACCEPTS)
    for field in form.fields:
        if field.kind in {"select", "radio", "upload_type"} and not field.options:
            yield f"field {field.name} has no options"
        if field.upload_type and field.upload_type not in names:
            yield f"field {field.name}: no field {field.upload_type}"
        if field.depth_by and field.depth_by not in names:
            yield f"field {field.name}: no field {field.depth_by}"
    for kind in ("username", "password", "password_again", "phone"):
        if form.find(kind) is None:
            yield f"no field of kind {kind}"
    if form.find("phone_code") is None and form.find("email_code") is None:
        yield "no field of kind phone_code or email_code: a registration proves an address"
    if form.find("email_code") is not None and form.find("email") is None:
        yield "email_code without email"
