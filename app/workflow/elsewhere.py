"""Places whose bookings another platform takes (APT-22): the deployment names them by division prefix."""

from __future__ import annotations

from app.profiles import setting


def elsewhere(division: str | None) -> str | None:
    """What is said to somebody who would book for that place here, or None where this platform takes the bookings."""
    regions = tuple(str(r) for r in setting("appointment", "redirect_regions") if r)
    if not regions or not (division or "").startswith(regions):
        return None
    notice = str(setting("appointment", "redirect_notice"))
    return notice or f"该地区的预约请前往{setting('appointment', 'redirect_name') or '当地平台'}办理。"


def elsewhere_address(_row: object = None) -> str | None:
    """Where the other platform is, when the deployment says."""
    return str(setting("appointment", "redirect_url")) or None
