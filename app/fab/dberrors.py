"""What the database refused, said as a sentence.

A constraint's name is the key: whoever owns the tables registers one sentence per name with `register_sentences`.
Neither SQL nor row values ever reach the person (advisory CVE-2023-34110).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

log = logging.getLogger(__name__)

DEFAULT_CONFLICT = "数据重复或被引用，请核对后再保存。"
DEFAULT_FAILURE = "数据库暂时无法保存，请稍后再试。"
BUSY = "这条记录正被别人修改，请稍后再试。"

_LOCK_STATES = frozenset({"40001", "40P01", "55P03"})
_VALUE_SENTENCES = {
    "22001": "填写的内容超过长度上限，请缩短后再保存。",
    "22003": "填写的数字超出范围，请核对后再保存。",
    "22007": "日期格式不正确，请按 2026-11-20 的样式填写。",
    "22008": "日期超出范围，请核对后再保存。",
    "22021": "填写的内容含有无法保存的字符，请删除后再保存。",
}

_sentences: dict[str, str] = {}
_lookups: list[Callable[[str], str | None]] = []


def register_sentences(sentences: Mapping[str, str]) -> None:
    """Add constraint name → Chinese sentence; a later registration of the same name wins."""
    _sentences.update(sentences)


def register_lookup(lookup: Callable[[str], str | None]) -> None:
    """Add a function asked for a constraint's sentence before the table is; None means it does not know."""
    _lookups.append(lookup)


def sentence_for(constraint_name: str | None) -> str:
    """The sentence for a broken constraint; the default one when the name is unknown or absent."""
    if constraint_name:
        for lookup in _lookups:
            if found := lookup(constraint_name):
                return found
        if constraint_name in _sentences:
            return _sentences[constraint_name]
        log.warning("no sentence is registered for constraint %s", constraint_name)
    return DEFAULT_CONFLICT


def explain(error: BaseException) -> str:
    """A safe sentence for any database error, looking through the wrappers for what the driver said."""
    root: BaseException | None = error
    while root is not None and not isinstance(root, SQLAlchemyError):
        root = root.__cause__
    # A scope or state refusal may be a SQLAlchemyError of our own that carries its sentence.
    if sentence := getattr(root, "sentence", None):
        return str(sentence)
    original = getattr(root, "orig", None)
    state = getattr(original, "sqlstate", None)
    if state in _LOCK_STATES:
        return BUSY
    if state in _VALUE_SENTENCES:
        return _VALUE_SENTENCES[state]
    if isinstance(root, IntegrityError):
        return sentence_for(getattr(getattr(original, "diag", None), "constraint_name", None))
    return DEFAULT_FAILURE
