"""The words and colours of the warning bands, and which of them a deployment shows.

The rule itself is app.workflow.band: one function and one SQL expression, used by list, filter, count, export and
reminder alike (I-17).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from sqlalchemy import ColumnElement, or_

from app.workflow.band import (
    Band,
    Scheme,
    band_condition,
    band_expression,
    band_of,
    band_of_row,
    scheme,
)

WORDS: dict[str, dict[Band, str]] = {
    "": {
        Band.GOOD: "有效",
        Band.NOTICE: "提示",
        Band.DUE: "即将到期",
        Band.OVERDUE: "已超期",
        Band.INVALID: "无效",
        Band.FAILED: "不合格",
        Band.NEVER: "未检定",
        Band.QUIET: "不提醒",
    },
    "tricolor": {Band.DUE: "预警", Band.OVERDUE: "警示"},
    "lists": {Band.DUE: "须检", Band.OVERDUE: "超期未检"},
}
TAB_WORDS: dict[str, dict[Band, str]] = {
    "lists": {Band.DUE: "须检仪器", Band.INVALID: "无效仪器"},
}
COLOURS: dict[str, dict[Band, str]] = {
    "": {
        Band.GOOD: "ok",
        Band.NOTICE: "ok",
        Band.DUE: "warn",
        Band.OVERDUE: "danger",
        Band.INVALID: "danger",
        Band.FAILED: "danger",
        Band.NEVER: "muted",
        Band.QUIET: "muted",
    },
    # green is 提示 there: an instrument that needs nothing has no colour
    "tricolor": {Band.GOOD: "muted"},
}
ROWS = {
    Band.NOTICE: "row-ok",
    Band.DUE: "row-warn",
    Band.OVERDUE: "row-danger",
    Band.INVALID: "row-danger",
    Band.FAILED: "row-danger",
}
MEANINGS: dict[str, dict[Band, str]] = {
    "tricolor": {
        Band.NOTICE: "提示（距离到期还剩{notice}天）",
        Band.DUE: "预警（距离到期还剩{yellow}天）",
        Band.OVERDUE: "警示（已经超期或无检定记录）",
    },
    "lists": {
        Band.DUE: "备案通过后{filing_due}天内，或在有效期{yellow}天内的仪器",
        Band.OVERDUE: "备案通过后超过{filing_due}天但不超过{filing_invalid}天，或超过有效期但不超过{overdue}天的仪器",
        Band.INVALID: "备案通过后超过{filing_invalid}天，或超过有效期{overdue}天的仪器",
        Band.FAILED: "检定不合格的仪器",
    },
    "": {
        Band.DUE: "{yellow}天内即将到期",
        Band.OVERDUE: "已超期，需要使用单位发起检定申请",
        Band.FAILED: "检定不合格",
        Band.NEVER: "没有检定结果和有效期",
    },
}


class BySchemeWords(Mapping[Band, str]):
    """One word per band, as the scheme in force says it."""

    def __init__(self, words: dict[str, dict[Band, str]]) -> None:
        self.words = words

    def __getitem__(self, band: Band) -> str:
        own = self.words.get(scheme().name, {})
        return own[band] if band in own else self.words[""][band]

    def __iter__(self) -> Iterator[Band]:
        return iter(self.words[""])

    def __len__(self) -> int:
        return len(self.words[""])


LABELS: Mapping[Band, str] = BySchemeWords(WORDS)
TONES: Mapping[Band, str] = BySchemeWords(COLOURS)


def tabs_of_scheme() -> tuple[Band, ...]:
    """The bands that have a tab of their own in the ledger, in the order of the deployment's manual."""
    return tuple(band for band in scheme().bands if band is not Band.NEVER)


def warning_bands() -> tuple[Band, ...]:
    """The bands that follow from a date: what the warning page lists (WRN-05)."""
    return tuple(rung.band for rung in scheme().expiry if rung.band is not Band.GOOD)


def warns(today: date) -> ColumnElement[bool]:
    """Every row of the warning page."""
    return or_(*(band_condition(band, today) for band in warning_bands()))


def bands_of_scheme() -> tuple[Band, ...]:
    """Every band a row can have here: for filters, figures and the counts of a home page."""
    return (*scheme().bands, Band.GOOD)


def tab_label(band: Band) -> str:
    """The name of a band's tab or menu entry (S4 says 须检仪器 and 无效仪器 there)."""
    return TAB_WORDS.get(scheme().name, {}).get(band) or LABELS[band]


def meaning(band: Band) -> str:
    """What the band means, with the numbers in force; "" where the word says it all."""
    rules = scheme()
    words = MEANINGS.get(rules.name, MEANINGS[""]).get(band, "")
    return words.format(
        yellow=rules.yellow_days,
        notice=rules.notice_days,
        overdue=rules.overdue_days,
        filing_due=rules.filing_due_days,
        filing_invalid=rules.filing_invalid_days,
    )


def row_class(band: Band) -> str:
    """The class of a list's row; "" for one that needs nothing."""
    return ROWS.get(band, "")


__all__ = [
    "LABELS",
    "TONES",
    "Band",
    "Scheme",
    "band_condition",
    "band_expression",
    "band_of",
    "band_of_row",
    "bands_of_scheme",
    "meaning",
    "row_class",
    "scheme",
    "tab_label",
    "tabs_of_scheme",
    "warning_bands",
    "warns",
]
