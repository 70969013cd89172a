"""Who is certified for what, and which regulations hold: words for the tables, and who may be entered in them."""

from __future__ import annotations

from app import clock
from app.access.principal import Principal
from app.errors import InvalidInputError
from models.account import Account
from models.enums import Role
from models.qualification import Regulation, VerifierProject


def regulation_standing(row: Regulation) -> tuple[str, str]:
    """(word, kind of chip) of a regulation today; the day of withdrawal is no longer in force."""
    today = clock.today()
    if row.withdrawn_on is not None and row.withdrawn_on <= today:
        return "已废止", "danger"
    return ("现行", "ok") if row.in_force_from <= today else ("未实施", "muted")


def project_standing(row: VerifierProject) -> tuple[str, str]:
    """(word, kind of chip) of a verifier's project today; both of its days are included."""
    today = clock.today()
    if row.valid_until < today:
        return "已到期", "danger"
    return ("有效", "ok") if row.valid_from <= today else ("未生效", "muted")


def own_verifier(actor: Principal, account: Account | None) -> Account:
    """The account, when it is a verifier of the actor's own institute (must-never case 49)."""
    if account is None or account.institute_id != actor.institute_id or Role.VER.value not in account.roles:
        raise InvalidInputError("请选择本机构的检定员。", field="account")
    return account
