"""The words of a machine's states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any


class Words(Mapping[StrEnum, str]):
    """The words of states; one that is a function is asked at each use, because the profile chooses it."""

    def __init__(self, words: Mapping[Any, str | Callable[[], str]]) -> None:
        self._words = dict(words)

    def __getitem__(self, state: StrEnum) -> str:
        word = self._words[state]
        return word() if callable(word) else word

    def __contains__(self, state: object) -> bool:
        return state in self._words  # without asking for the word: at import there may be no database yet

    def __iter__(self) -> Iterator[StrEnum]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)
