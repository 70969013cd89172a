"""Where a page of a list lies, and from which end of the order it is nearer.

Pages count from 0. Negative pages count from the end (-1 is the last page), so that a list whose size nobody
counted still has a last page that costs as little as the first.
"""

from __future__ import annotations

from dataclasses import dataclass

DEEP_OFFSET = 1000  # rows; beyond it the keys are walked first and the rows joined to them


class CappedInt(int):
    """A count that stopped at its cap: prints as 10,000+ and still divides."""

    def __str__(self) -> str:
        return f"{int(self):,}+"

    __repr__ = int.__repr__


@dataclass(frozen=True)
class Window:
    """A slice of the order; `backwards` means: walk the reversed order, then turn the rows round."""

    offset: int
    limit: int
    backwards: bool = False

    @property
    def deep(self) -> bool:
        return self.offset > DEEP_OFFSET


def window(page: int, size: int, count: int) -> Window:
    """The slice for a page; `count` may be a CappedInt, then its end is unknown."""
    exact = not isinstance(count, CappedInt)
    if page < 0:
        if not exact:
            return Window((-page - 1) * size, size, backwards=True)
        page = max(last_page(count, size) + page + 1, 0)
    start = page * size
    if exact and start >= count:
        return Window(start, size)
    rows = min(size, count - start) if exact else size
    from_end = count - start - rows
    if exact and from_end < start:
        return Window(from_end, rows, backwards=True)
    return Window(start, size)


def last_page(count: int, size: int) -> int:
    """The index of the last page of an exact count."""
    return max((int(count) - 1) // size, 0)


@dataclass(frozen=True)
class Pager:
    """What the pagination under a table shows."""

    page: int
    size: int
    count: int
    shown: int

    @property
    def capped(self) -> bool:
        return isinstance(self.count, CappedInt)

    @property
    def last(self) -> int:
        """The page the "last" link leads to."""
        return -1 if self.capped else last_page(self.count, self.size)

    @property
    def current(self) -> int:
        """The page shown; negative while it is counted from an unknown end."""
        if self.page < 0 and not self.capped:
            return max(last_page(self.count, self.size) + self.page + 1, 0)
        return self.page

    @property
    def previous(self) -> int | None:
        """The page before this one, or None on the first."""
        return None if self.current == 0 else self.current - 1

    @property
    def next(self) -> int | None:
        """The page after this one, or None on the last."""
        if self.current < 0:
            return None if self.current == -1 else self.current + 1
        if self.capped:
            return self.current + 1 if self.shown == self.size else None
        return self.current + 1 if self.current < self.last else None

    @property
    def numbers(self) -> list[int]:
        """Up to five page indexes around the current one; none while counting from an unknown end."""
        if self.current < 0:
            return []
        top = self.current + 2 if self.capped else self.last
        first = max(min(self.current - 2, top - 4), 0)
        return list(range(first, min(first + 5, top + 1)))

    @property
    def first(self) -> int:
        """The number of the first row shown, from 1; 0 when the page is empty."""
        return max(self.current, 0) * self.size + 1 if self.shown else 0

    @property
    def until(self) -> int:
        """The number of the last row shown."""
        return max(self.current, 0) * self.size + self.shown if self.shown else 0

    @property
    def needed(self) -> bool:
        return self.capped or self.count > self.size or self.page != 0
