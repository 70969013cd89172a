"""Calendars as text (RFC 5545): what a calendar program reads under a subscription's address.

Lines end with CRLF and are folded at 75 octets without cutting a character; text values are escaped. Times are written
in Asia/Shanghai with its VTIMEZONE (one offset since 1991), whole days as DATE values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

TZID = "Asia/Shanghai"
OCTETS = 75
TIMEZONE = (
    "BEGIN:VTIMEZONE",
    f"TZID:{TZID}",
    "BEGIN:STANDARD",
    "DTSTART:19910915T000000",
    "TZOFFSETFROM:+0800",
    "TZOFFSETTO:+0800",
    "TZNAME:CST",
    "END:STANDARD",
    "END:VTIMEZONE",
)


@dataclass(frozen=True, slots=True)
class Event:
    """One entry. `uid` stays the same when the entry moves, `sequence` grows with each change; `start` is a day (the
    whole of it) or a moment of Asia/Shanghai, `end` likewise and left out for whole days."""

    uid: str
    start: date | datetime
    summary: str
    changed: datetime
    end: datetime | None = None
    sequence: int = 0
    description: str = ""
    url: str = ""
    alarm: timedelta | None = None
    """How long before its start the program should speak up, or None."""


def escape(text: str) -> str:
    """A TEXT value: backslash, comma, semicolon and line breaks escaped, other control signs left out."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    plain = "".join(c for c in plain if c == "\n" or c == "\t" or (c >= " " and c != "\x7f"))
    return plain.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def fold(line: str) -> Iterator[str]:
    """The line in pieces of at most 75 octets, every piece after the first begun by a blank; no character is cut."""
    piece, size = "", 0
    for character in line:
        octets = len(character.encode())
        if size + octets > OCTETS:
            yield piece
            piece, size = " ", 1
        piece, size = piece + character, size + octets
    yield piece


def calendar(name: str, events: Iterable[Event], *, made: datetime, product: str = "-//Quanheng//Calendar//ZH") -> str:
    """The whole VCALENDAR; `made` is when it was written (an aware moment)."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{product}",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"NAME:{escape(name)}",
        f"X-WR-CALNAME:{escape(name)}",
        f"X-WR-TIMEZONE:{TZID}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
        *TIMEZONE,
    ]
    for event in events:
        lines += _event(event, made)
    lines.append("END:VCALENDAR")
    return "".join(f"{piece}\r\n" for line in lines for piece in fold(line))


def _event(event: Event, made: datetime) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{event.uid}"
    yield f"DTSTAMP:{_utc(made)}"
    yield f"LAST-MODIFIED:{_utc(event.changed)}"
    yield f"SEQUENCE:{event.sequence}"
    yield from _when(event)
    yield f"SUMMARY:{escape(event.summary)}"
    if event.description:
        yield f"DESCRIPTION:{escape(event.description)}"
    if event.url:
        yield f"URL:{event.url}"
    if event.alarm is not None:
        minutes = int(event.alarm.total_seconds() // 60)
        yield from ("BEGIN:VALARM", "ACTION:DISPLAY", f"DESCRIPTION:{escape(event.summary)}")
        yield from (f"TRIGGER:-PT{minutes}M", "END:VALARM")
    yield "TRANSP:TRANSPARENT"
    yield "END:VEVENT"


def _when(event: Event) -> Iterator[str]:
    if isinstance(event.start, datetime):
        yield f"DTSTART;TZID={TZID}:{event.start:%Y%m%dT%H%M%S}"
        if event.end is not None:
            yield f"DTEND;TZID={TZID}:{event.end:%Y%m%dT%H%M%S}"
        return
    yield f"DTSTART;VALUE=DATE:{event.start:%Y%m%d}"
    yield f"DTEND;VALUE=DATE:{event.start + timedelta(days=1):%Y%m%d}"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"
