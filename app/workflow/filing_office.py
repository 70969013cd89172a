"""Whose word a filing waits for: the unit's, the holder's, the city's, or the county's where the profile says so."""

from __future__ import annotations

from app.access.principal import Principal
from app.access.roles import RECEPTION, REGULATOR
from app.profiles import setting
from models.enums import Level, Role
from models.filing import Filing


def is_own(filing: Filing, actor: Principal) -> bool:
    return filing.unit_id == actor.unit_id


def holds(filing: Filing, actor: Principal) -> bool:
    """The actor's institute must act now; former holders only read (must-never case 37)."""
    return actor.institute_id is not None and filing.holder_institute_id == actor.institute_id


def holds_as_city(filing: Filing, actor: Principal) -> bool:
    """Only a city institute dispatches or transfers (ROLES: level rules)."""
    return holds(filing, actor) and actor.institute_level == Level.CITY


def sent_it_away(filing: Filing, actor: Principal) -> bool:
    hops = filing.route or []
    return bool(hops) and hops[-1].get("institute") == actor.institute_id


def by_regulator() -> bool:
    """Whether the administration decides on filings, not the institute that verifies (WORKFLOWS 4, approve)."""
    return str(setting("filing", "reviewer")) == "regulator"


def reviewers() -> frozenset[Role]:
    return REGULATOR if by_regulator() else RECEPTION


def reviews(filing: Filing, actor: Principal) -> bool:
    """The holder; or the county of the place of use, where the profile says so."""
    if not by_regulator():
        return holds(filing, actor)
    return actor.has(Role.REG) and actor.area == filing.use_division


def final_or_regulator(filing: Filing, actor: Principal) -> bool:
    return actor.has(Role.REG) or filing.final_institute_id == actor.institute_id
