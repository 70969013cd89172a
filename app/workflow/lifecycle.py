"""Rules of an instrument's life that the manuals see differently (LED-07, LED-10 to LED-13, LED-17 to LED-19).

The profile says which records may be deleted (`ledger.delete_rule`), whether 删除 only puts away (`to_history`), whether
the scrapped come back, and where an enabled one lands (`filing.after_enable`). A verified instrument is never erased:
its unit stops seeing it, institutes and regulators keep it.
"""

from __future__ import annotations

from app.profiles import setting, switch_on
from app.workflow.engine import Context, cascade
from app.workflow.live import ever_booked, ever_filed, ever_verified, live_filing_of, live_item_of, rival_of
from models.enums import InstrumentState
from models.instrument import Instrument

S = InstrumentState
KEPT = "该器具有检定记录，依规保留，仅从您的库中移除。"
USED = "已备案或已检定的器具不能删除。"
DELETABLE = {
    # ledger.delete_rule → states that 删除 starts from
    "never_booked": {S.UNFILED, S.IN_USE},
    "not_filed": {S.UNFILED},
    "any": {S.UNFILED, S.IN_USE, S.SUSPENDED, S.SCRAPPED},
    "to_history": {S.UNFILED, S.IN_USE, S.SUSPENDED, S.SCRAPPED},
}


def delete_rule() -> str:
    """Which records this deployment lets a unit delete."""
    return str(setting("ledger", "delete_rule"))


def booking_page(ctx: Context) -> str | None:
    """The appointment that the instrument stands in: cancel it there."""
    item = live_item_of(ctx.session, ctx.obj.id)
    return f"/appointments/show/{item.appointment_id}" if item else None


def rival_page(ctx: Context) -> str | None:
    """The instrument that has the same key now."""
    found = rival_of(ctx.session, ctx.obj)
    return f"/instruments/show/{found}" if found else None


# -- 删除 ----------------------------------------------------------------------------------------------------------------


def delete_bars(state: InstrumentState) -> str | None:
    """States that the profile's rule excludes."""
    rule = delete_rule()
    if state in DELETABLE[rule]:
        return None
    return USED if rule == "not_filed" and state in {S.IN_USE, S.SUSPENDED} else ""


def deletable(ctx: Context) -> str | None:
    """What the rule asks of one record beyond its state."""
    if delete_rule() in {"any", "to_history"}:
        busy = live_item_of(ctx.session, ctx.obj.id)
        return "器具有未办结业务，不能删除。" if busy else None
    pk = ctx.obj.id
    used = ever_filed(ctx.session, pk) or ever_booked(ctx.session, pk) or ever_verified(ctx.session, pk)
    return USED if used else None


def delete_goes(ctx: Context) -> InstrumentState | None:
    """Into the library of former instruments where 删除 means that; a verified one is only hidden from its unit."""
    kept = delete_rule() == "to_history" or ever_verified(ctx.session, ctx.obj.id)
    return S.FORMER if kept else None


def hide_deleted(ctx: Context) -> None:
    """Beyond the library: the unit has deleted a record that must be kept."""
    if delete_rule() != "to_history" and ctx.obj.state == S.FORMER:
        ctx.obj.hidden = True


# -- 曾用库 --------------------------------------------------------------------------------------------------------------


def retire_bars(_state: InstrumentState) -> str | None:
    """Where 删除 puts away, a second way with another name would only puzzle."""
    return "请使用“删除”，器具将移入曾用计量器具库。" if delete_rule() == "to_history" else None


def purge_goes(ctx: Context) -> InstrumentState | None:
    """A verified instrument stays where it is, out of its unit's sight."""
    return S.FORMER if ever_verified(ctx.session, ctx.obj.id) else None


def hide_purged(ctx: Context) -> None:
    if ctx.obj.state == S.FORMER:
        ctx.obj.hidden = True


def back_goes(_ctx: Context) -> InstrumentState | None:
    """Scrapping and putting away closed the filing: where filing is asked for, it begins again."""
    return S.UNFILED if switch_on("filing") else None


# -- 导入 ----------------------------------------------------------------------------------------------------------------


def import_goes(_ctx: Context) -> InstrumentState | None:
    """Where nothing is filed, what is imported is in use at once."""
    return None if switch_on("filing") else S.IN_USE


# -- 启用 ----------------------------------------------------------------------------------------------------------------


def enable_bars(state: InstrumentState) -> str | None:
    """The scrapped come back only where the profile says so (S1 L364 against S4 L56)."""
    barred = state == S.SCRAPPED and not switch_on("enable_from_scrapped")
    return "已报废的器具不能重新启用。" if barred else None


def enable_goes(ctx: Context) -> InstrumentState | None:
    """Back to the state before, or to be filed again (`filing.after_enable`)."""
    if ctx.obj.state == S.SCRAPPED:
        return S.UNFILED if switch_on("filing") else S.IN_USE
    return S.UNFILED if _filed_again(ctx.obj) else None


def _filed_again(instrument: Instrument) -> bool:
    before = instrument.prior_state == S.IN_USE
    return before and switch_on("filing") and setting("filing", "after_enable") == "unfiled"


def enable_filing(ctx: Context) -> None:
    """The filing wakes up with its instrument, or ends because a new one is asked for."""
    again = _filed_again(ctx.obj)
    mirror(ctx, "close" if again else "enable")
    if ctx.obj.state == S.UNFILED:
        ctx.obj.filed_on = None
    ctx.obj.prior_state = None


def mirror(ctx: Context, step: str) -> None:
    """Take a step on the live filing of the instrument, where its state allows it (WORKFLOWS 4, 18)."""
    row = live_filing_of(ctx.session, ctx.obj.id)
    if row is None:
        return
    from app.workflow.filing import FILING

    if FILING.states(row.state) in FILING.step(step).source:
        cascade(ctx, row, step)
