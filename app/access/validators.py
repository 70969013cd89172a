"""Numbers that carry a check digit (DOMAIN c): our own, because the usual library refuses real bodies and persons."""

from __future__ import annotations

import re
from datetime import date

_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ORG = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PHONE = re.compile(r"1[3-9]\d{9}")
EMAIL = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]+(\.[A-Za-z0-9\-]+)+")
USERNAME = re.compile(r"[A-Za-z0-9]{4,20}")


def normal_code(text: str) -> str:
    """Full width to half width, blanks and hyphens dropped, upper case: how codes are compared."""
    import unicodedata

    return re.sub(r"[\s\-]", "", unicodedata.normalize("NFKC", text)).upper()


def valid_uscc(text: str) -> bool:
    """统一社会信用代码 GB 32100: 18 characters, the last one computed."""
    if len(text) != 18 or any(c not in _USCC for c in text):
        return False
    total = sum(_USCC.index(c) * w for c, w in zip(text, _USCC_WEIGHTS, strict=False))
    return text[17] == _USCC[(31 - total % 31) % 31]


def valid_org_code(text: str) -> bool:
    """组织机构代码 GB 11714: 8 characters and a check character, 10 written X."""
    if len(text) != 9 or any(c not in _ORG for c in text):
        return False
    check = (11 - sum(_ORG.index(c) * w for c, w in zip(text, _ORG_WEIGHTS, strict=False)) % 11) % 11
    return text[8] == ("X" if check == 10 else str(check))


def valid_id_number(text: str) -> bool:
    """居民身份证 GB 11643: a real date and the check digit; the district is not looked up (it may be abolished)."""
    if not re.fullmatch(r"\d{17}[\dX]", text):
        return False
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(int(c) * w for c, w in zip(text, _ID_WEIGHTS, strict=False))
    return text[17] == "10X98765432"[total % 11]


def valid_phone(text: str) -> bool:
    """A mainland mobile number."""
    return PHONE.fullmatch(text) is not None


def valid_email(text: str) -> bool:
    """Good enough to send a code to: the code proves the rest."""
    return len(text) <= 120 and EMAIL.fullmatch(text) is not None
