"""选择列 and 每页条数: what one person wants of one list, kept until he changes it (LED-20, LED-21)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.errors import InvalidInputError
from app.profiles import setting
from models.preference import ListSetting

MOST_COLUMNS = 60


def page_sizes() -> tuple[int, tuple[int, ...]]:
    """(rows a page at first, sizes offered) of this deployment: 15 条/页 in Guangdong, 10 elsewhere."""
    return int(setting("list", "page_size")), tuple(int(n) for n in setting("list", "page_sizes"))


def kept_setting(session: Session, actor: Principal, list_name: str) -> ListSetting | None:
    """What the person keeps of the list, None when nothing."""
    if actor.account_id is None:
        return None
    statement = select(ListSetting).where(
        ListSetting.account_id == actor.account_id, ListSetting.list_name == list_name[:40]
    )
    return session.execute(statement).scalar_one_or_none()


def in_order(ticked: Iterable[str], places: Mapping[str, str], offered: list[str]) -> list[str]:
    """The ticked columns in the order of the numbers typed beside them; without a number they keep their place."""
    wanted = [c for c in dict.fromkeys(ticked) if c in offered]

    def place(column: str) -> tuple[int, int]:
        typed = places.get(column, "").strip()
        number = int(typed) if typed.isdecimal() and len(typed) < 5 else len(offered) + 1
        return number, offered.index(column)

    return sorted(wanted, key=place)


def keep_columns(session: Session, actor: Principal, list_name: str, columns: list[str]) -> None:
    """Keep the columns; an empty list goes back to those of the deployment."""
    if len(columns) > MOST_COLUMNS:
        raise InvalidInputError(f"一个列表最多显示{MOST_COLUMNS}列。")
    _mine(session, actor, list_name).columns = columns


def keep_page_size(session: Session, actor: Principal, list_name: str, size: int) -> None:
    """Keep the rows a page; only the sizes the deployment offers."""
    if size not in page_sizes()[1]:
        raise InvalidInputError("每页条数不在可选范围内，请重新选择。")
    _mine(session, actor, list_name).page_size = size


def _mine(session: Session, actor: Principal, list_name: str) -> ListSetting:
    if actor.account_id is None:
        raise InvalidInputError("请先登录。")
    found = kept_setting(session, actor, list_name)
    if found is None:
        found = ListSetting(account_id=actor.account_id, list_name=list_name[:40], columns=[])
        session.add(found)
    return found
