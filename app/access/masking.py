"""What a log may keep of personal data: masked by the field's name, and by shape in free text.

The logs only ever grow, so nothing can be taken out of them later: what must be erasable never gets in. The engine's
history and the audit log pass their details through `for_log`; the actor's own name is the one exception, because who
did it is what the log is for (docs/personal-data.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from models.types import mask_code, mask_email, mask_id_number, mask_name, mask_phone

FREE_TEXT = {"reason", "note", "description", "message", "remark", "comment"}
NAMES = {"contact_name", "legal_person", "person_name", "real_name"}
NAME_LABELS = ("联系人", "姓名", "法定代表人", "负责人", "管理人员")
PHONE_LABELS = ("手机", "电话", "联系方式")
"""Corrections of a registration stand in the log by the labels of its form."""
SECRETS = re.compile(r"password|secret|token|(^|_)code_typed|totp|captcha", re.ASCII)
MOBILE = re.compile(r"(?<![0-9])1[3-9][0-9]{9}(?![0-9])")
ID_NUMBER = re.compile(
    r"(?<![0-9A-Za-z])[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx](?![0-9A-Za-z])"
)


def scrub(text: str) -> str:
    """Free text with every mobile and ID number masked."""
    hidden = ID_NUMBER.sub(lambda found: mask_id_number(found.group()), text)
    return MOBILE.sub(lambda found: mask_phone(found.group()), hidden)


def is_name_label(label: str) -> bool:
    """Whether a field of a form holds a person's name."""
    return any(word in label for word in NAME_LABELS) and not any(w in label for w in ("身份证", *PHONE_LABELS))


@lru_cache(maxsize=2_048)  # every step of every row asks for the same few dozen names
def _mask_of(key: str) -> Callable[[str], str] | None:
    """How the value of a field is kept, None for as it is. What is masked already passes through unharmed."""
    if key.endswith("id_number") or "身份证" in key:
        return lambda value: mask_id_number(value) or mask_code(value)
    if key.endswith("phone") or any(word in key for word in PHONE_LABELS):
        return mask_phone
    if key.endswith("email") or "邮箱" in key:
        return mask_email
    if key in NAMES or is_name_label(key):
        return mask_name
    return scrub if key in FREE_TEXT else None


def for_log(data: Mapping[str, Any]) -> dict[str, Any]:
    """The details of an act as a log may keep them; passwords, secrets and tokens are left out."""
    return {key: _kept(str(key), value) for key, value in data.items() if not _is_secret(str(key))}


@lru_cache(maxsize=2_048)
def _is_secret(key: str) -> bool:
    return SECRETS.search(key) is not None


def _kept(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return for_log(value)
    if isinstance(value, (list, tuple)):
        return [_kept(key, each) for each in value]
    mask = _mask_of(key)
    if mask is None or not isinstance(value, str) or not value or "**" in value:
        return value
    return mask(value)
