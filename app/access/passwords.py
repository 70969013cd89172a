"""What a password must be: the rule that the deployment's manual prints, ASVS 6.2, or 等保 2.0 8.1.4.1 a).

The profile chooses ([password].policy). Administrators, security, audit, regulators and approvers keep to ASVS at least,
whatever a manual prints. A password is never trimmed, cut or folded before it is hashed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cache

from flask import current_app
from werkzeug.security import generate_password_hash

from app import clock
from app.access.common_passwords import FILE
from app.access.roles import PRIVILEGED
from app.profiles import setting
from models.account import Account
from models.enums import AccountKind, Role

MINIMUM, MAXIMUM = 10, 128  # characters, for asvs and dengbao90
RENEWAL = timedelta(days=90)  # dengbao90: 定期更换
WORDS = ("123321", "计量", "jiliang", "quanheng", "权衡")
FIRST_PASSWORD = "123321"  # noqa: S105 - S3's common first password: nobody shall have it (must-never case 34)
TOO_COMMON = "该密码过于常见，请换一个不易被猜到的密码。"
OWN_WORDS = "密码不能包含用户名、单位名称等容易被猜到的内容，请更换。"


@cache
def common() -> frozenset[str]:
    """The 3,000 passwords that nobody may have, case folded."""
    return frozenset(FILE.read_text(encoding="ascii").split())


def policy(*, privileged: bool = False) -> str:
    """manual, asvs or dengbao90, as it holds for this person."""
    chosen = str(setting("password", "policy"))
    return "asvs" if privileged and chosen == "manual" else chosen


def is_privileged(roles: Iterable[str | Role]) -> bool:
    """Whether one of the roles asks for the stronger rules."""
    return not PRIVILEGED.isdisjoint(Role(r) for r in roles)


def _sorts(password: str) -> dict[str, bool]:
    return {
        "digits": any(c.isdecimal() for c in password),
        "lower": any(c.islower() for c in password),
        "upper": any(c.isupper() for c in password),
        "symbols": any(not c.isalnum() for c in password),
        "letters": any(c.isalpha() for c in password),
    }


def _digits_upper_lower(password: str) -> bool:
    found = _sorts(password)
    return found["digits"] and found["lower"] and found["upper"]


def _two_kinds(password: str) -> bool:
    found = _sorts(password)
    return sum(found[k] for k in ("digits", "letters", "symbols")) >= 2


RULES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "digits_upper_lower": ("必须由数字、大小写字母组成", _digits_upper_lower),
    "two_kinds": ("必须由数字、字母或符号两种以上组成", _two_kinds),
}


def _printed(kind: str) -> tuple[str, Callable[[str], bool]]:
    person = kind in {"personal", AccountKind.INDIVIDUAL, AccountKind.EXPERT}
    return RULES[str(setting("password", "personal" if person else "enterprise"))]


def hint(kind: str = "enterprise", *, privileged: bool = False) -> str:
    """What a form says beside the field."""
    chosen = policy(privileged=privileged)
    if chosen == "manual":
        return f"{setting('password', 'minimum')}-{setting('password', 'maximum')}个字符, {_printed(kind)[0]}"
    if chosen == "dengbao90":
        return f"至少{MINIMUM}个字符，含数字、大写字母、小写字母、符号中的三种，每90天更换一次。"
    return f"至少{MINIMUM}个字符，不要用常见密码或账号、姓名。"


def problem_with(
    password: str, context: Iterable[str] = (), *, kind: str = "enterprise", privileged: bool = False
) -> str | None:
    """A sentence that says what to change, or None when the password is good.

    `context` holds the user name first, then names of the person and the unit; `kind` is an AccountKind or "personal".
    """
    words = [w.casefold() for w in context if w]
    if policy(privileged=privileged) == "manual":
        return _manual(password, words, kind)
    sentence = _length(password, MINIMUM, MAXIMUM) or _guessable(password, words)
    if sentence is None and policy(privileged=privileged) == "dengbao90" and not _three_kinds(password):
        return "密码须包含数字、大写字母、小写字母、符号中的三种，请补充。"
    return sentence


def problem_for(account: Account, password: str) -> str | None:
    """As `problem_with`, for the password of an account that exists: its names, kind and roles are known."""
    unit = account.unit.name if account.unit is not None else ""
    words = [account.user.username, account.name, unit]
    return problem_with(password, words, kind=account.kind, privileged=is_privileged(account.roles))


def _length(password: str, minimum: int, maximum: int) -> str | None:
    if len(password) < minimum:
        return f"密码至少{minimum}个字符，请加长。"
    if len(password) > maximum:
        return f"密码最多{maximum}个字符，请缩短。"
    return None


def _manual(password: str, words: list[str], kind: str) -> str | None:
    words_of_rule, fits = _printed(kind)
    sentence = _length(password, int(setting("password", "minimum")), int(setting("password", "maximum")))
    if sentence is None and not fits(password):
        return f"密码{words_of_rule}，请修改。"
    if sentence is None and FIRST_PASSWORD in password:
        return TOO_COMMON
    if sentence is None and password.casefold() in words[:1]:
        return "密码不能与用户名相同，请更换。"
    return sentence


def _guessable(password: str, words: list[str]) -> str | None:
    folded = password.casefold()
    if folded in common() or len(set(folded)) < 4:
        return TOO_COMMON
    # two Chinese characters are already a name, four letters a word
    telling = [w for w in (*WORDS, *words) if len(w) >= (4 if w.isascii() else 2)]
    return OWN_WORDS if any(word in folded for word in telling) else None


def _three_kinds(password: str) -> bool:
    found = _sorts(password)
    return sum(found[k] for k in ("digits", "lower", "upper", "symbols")) >= 3


def is_too_old(changed_at: datetime | None) -> bool:
    """Whether the deployment asks for a new password now; a password of unknown age counts as old."""
    if setting("password", "policy") != "dengbao90":
        return False
    return changed_at is None or clock.now() - changed_at > RENEWAL


def renewal_due(account: Account) -> bool:
    """Whether the person must change the password before anything else: a first one from somebody, or one too old."""
    if not account.user.password:
        return False
    return account.must_change_password or is_too_old(account.password_changed_at or account.created_at)


def hashed(password: str) -> str:
    """What is kept of a password, by the deployment's method and cost."""
    return generate_password_hash(password, method=str(current_app.config["FAB_PASSWORD_HASH_METHOD"]))
