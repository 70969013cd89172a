"""保存的筛选: a list's conditions, columns and order under a name, pinned to the home page, shared inside the body (BEYOND 6).

A shared filter is a question, never an answer: whoever opens it sees his own rows only, because every list goes through
scope.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.errors import ConflictError, InvalidInputError, NotVisibleError
from models.preference import SavedView

MOST = 50
"""Named filters of one person; more nobody finds again."""
MOST_PINNED = 8


def save_view(
    session: Session,
    actor: Principal,
    *,
    list_name: str,
    name: str,
    query: str,
    columns: list[str],
    shared: bool = False,
    pinned: bool = False,
) -> SavedView:
    """Keep a filter; the same name again replaces it. Raises InvalidInputError or ConflictError with the sentence."""
    if actor.account_id is None:
        raise InvalidInputError("请先登录。")
    name = name.strip()[:40]
    if not name:
        raise InvalidInputError("请填写筛选名称。", field="name")
    if len(query) > 2_000:
        raise InvalidInputError("筛选条件过长，请减少条件后再保存。")
    found = session.execute(
        select(SavedView).where(
            SavedView.account_id == actor.account_id, SavedView.list_name == list_name, SavedView.name == name
        )
    ).scalar_one_or_none()
    if found is None:
        found = SavedView(account_id=actor.account_id, list_name=list_name[:40], name=name)
        found.position = _count(session, actor) + 1
        if found.position > MOST:
            raise InvalidInputError(f"最多保存{MOST}个筛选，请先删除不用的。")
    found.query, found.columns = query, columns
    set_shared(actor, found, shared)
    if pinned and not found.pinned:
        set_pinned(session, actor, found, True)
    try:
        with session.begin_nested():
            session.add(found)
            session.flush()
    except IntegrityError as error:
        raise ConflictError("已有同名的筛选，请换一个名称。", field="name") from error
    return found


def _count(session: Session, actor: Principal) -> int:
    statement = select(func.count()).select_from(SavedView).where(SavedView.account_id == actor.account_id)
    return session.scalar(statement) or 0


def visible_views(session: Session, actor: Principal, list_name: str | None = None) -> list[SavedView]:
    """One's own and those shared inside the body, own first."""
    statement = select(SavedView).order_by(SavedView.account_id != actor.account_id, SavedView.position, SavedView.id)
    if list_name is not None:
        statement = statement.where(SavedView.list_name == list_name)
    return list(session.execute(statement.limit(2 * MOST)).unique().scalars())


def view_by_id(session: Session, key: int) -> SavedView | None:
    """A filter in the person's scope: his own, or one his body shares."""
    if not 0 < key < 2**63:
        return None
    return session.execute(select(SavedView).where(SavedView.id == key)).unique().scalar_one_or_none()


def own_view(session: Session, actor: Principal, key: int) -> SavedView:
    """A filter of the person's own; raises NotVisibleError for anybody else's, shared or not."""
    found = view_by_id(session, key)
    if found is None or found.account_id != actor.account_id:
        raise NotVisibleError
    return found


def set_shared(actor: Principal, view: SavedView, shared: bool) -> None:
    """Share inside the body, or take it back; people without a body cannot share."""
    view.unit_id = actor.unit_id if actor.of_unit else None
    view.institute_id = actor.institute_id if actor.of_institute else None
    view.area = actor.area if not (actor.of_unit or actor.of_institute) else None
    if shared and not (view.unit_id or view.institute_id or view.area):
        raise InvalidInputError("您不属于任何单位，筛选不能共享。")
    view.shared = shared


def set_pinned(session: Session, actor: Principal, view: SavedView, pinned: bool) -> None:
    """Show the filter with its live count on the home page, or no longer."""
    if pinned:
        statement = (
            select(func.count())
            .select_from(SavedView)
            .where(SavedView.account_id == actor.account_id, SavedView.pinned, SavedView.id != (view.id or 0))
        )
        with session.no_autoflush:
            if (session.scalar(statement) or 0) >= MOST_PINNED:
                raise InvalidInputError(f"首页最多固定{MOST_PINNED}个筛选，请先取消不用的。")
    view.pinned = pinned


def remove_view(session: Session, view: SavedView) -> None:
    """Delete a filter; its link then says that it is gone."""
    session.delete(view)


def pinned_views(session: Session, actor: Principal) -> list[SavedView]:
    """The person's own filters that stand on his home page."""
    if actor.account_id is None:
        return []
    statement = select(SavedView).where(SavedView.account_id == actor.account_id, SavedView.pinned)
    return list(session.execute(statement.order_by(SavedView.position, SavedView.id).limit(MOST_PINNED)).scalars())
