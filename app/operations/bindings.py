"""绑定管理 (LOG-18): which outside identities open an account, adding one, taking one away."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.access.audit import audit
from app.access.principal import Principal, as_system
from app.errors import ConflictError, InvalidInputError, NotVisibleError
from models.account import Account, ExternalIdentity

TAKEN = "该身份已绑定其他账号，请先解绑。"
LAST_WAY = "您的账号没有设置密码，解绑后将无法登录，请先设置密码。"


def add_identity(session: Session, account: Account, provider: str, issuer: str, subject: str) -> ExternalIdentity:
    """Let an identity open the account; the one that is bound already stays. Raises InvalidInputError when it opens
    another account."""
    with as_system("an identity opens one account only: every account's are looked at"):
        statement = select(ExternalIdentity).where(
            ExternalIdentity.issuer == issuer, ExternalIdentity.subject == subject
        )
        found = session.execute(statement).scalar_one_or_none()
        if found is not None and found.account_id != account.id:
            raise InvalidInputError(TAKEN)
        if found is not None:
            return found
        made = ExternalIdentity(account_id=account.id, provider=provider, issuer=issuer, subject=subject)
        session.add(made)
        session.flush()
        audit(session, "bind_identity", entity="account", entity_id=account.id, account=account, provider=provider)
    return made


def identities(session: Session, actor: Principal) -> list[ExternalIdentity]:
    """The actor's own, oldest first."""
    statement = select(ExternalIdentity).where(ExternalIdentity.account_id == actor.account_id)
    return list(session.execute(statement.order_by(ExternalIdentity.id)).scalars())


def unbind(session: Session, actor: Principal, identity_id: int) -> str:
    """Take an identity away from the actor's own account; returns its provider.

    Raises NotVisibleError for somebody else's, ConflictError when it is the last way in of an account without a
    password.
    """
    statement = select(Account).where(Account.id == actor.account_id).with_for_update(of=Account)
    account = session.execute(statement).unique().scalar_one_or_none()
    found = session.get(ExternalIdentity, identity_id)
    if account is None or found is None or found.account_id != account.id:
        raise NotVisibleError
    left = select(func.count()).where(ExternalIdentity.account_id == account.id, ExternalIdentity.id != found.id)
    if not account.user.password and not session.scalar(left):
        raise ConflictError(LAST_WAY)
    provider = found.provider
    session.delete(found)
    audit(session, "unbind_identity", entity="account", entity_id=account.id, provider=provider)
    return provider
