"""Pages of functions that a deployment may not have: with the switch off they are not there, for anybody (G-OFF).

One table instead of a guard in every page: an address belongs to the longest entry that begins it, and all switches of
that entry must be on. Steps of machines and the menu ask their switch themselves.
"""

from __future__ import annotations

from flask import Flask, request

from app.errors import SwitchedOffError
from app.profiles import switch_on

PAGES: dict[str, tuple[str, ...]] = {
    "/filings": ("filing",),
    "/api/v1/filings": ("filing",),
    "/filing-amendments": ("filing",),
    "/filing-change": ("filing",),
    "/api/v1/filing-amendments": ("filing",),
    "/book": ("appointment",),
    "/booking-query": ("appointment",),
    "/assignment-rules": ("appointment",),
    "/appointments": ("appointment",),
    "/api/v1/appointments": ("appointment",),
    "/slots": ("appointment", "appointment.slots"),
    "/counter/visit": ("commission",),
    "/counter/start": ("commission",),
    "/counter/hotline": ("commission",),
    "/counter/walk-in": ("commission", "commission.walk_in"),
    "/commissions": ("commission",),
    "/api/v1/commissions": ("commission",),
    "/tasks": ("commission",),
    "/api/v1/tasks": ("commission",),
    "/d": ("commission",),
    "/former": ("former",),
    "/transfers": ("transfer_unit",),
    "/transfer": ("transfer_unit",),
    "/duplicates": ("merge",),
    "/subaccounts": ("subaccounts",),
    "/affiliations": ("affiliation",),
    "/me/affiliation": ("affiliation",),
    "/api/v1/affiliations": ("affiliation",),
    "/bulk/clear": ("clear",),
    "/imports/template-nozzle.xlsx": ("change_nozzle",),
    "/unmatched": ("unmatched",),
    "/verification-records": ("unmatched",),
    "/api/v1/verification-records": ("unmatched",),
}


def switches_of(path: str) -> tuple[str, ...]:
    """The switches an address needs, the empty tuple for pages that every deployment has."""
    parts = path.rstrip("/").split("/")
    while len(parts) > 1:
        found = PAGES.get("/".join(parts))
        if found is not None:
            return found
        parts.pop()
    return ()


def offered_here(address: str) -> bool:
    """Whether the deployment has the page of an address; its query does not matter."""
    return all(switch_on(name) for name in switches_of(address.partition("?")[0]))


def init_switched(app: Flask) -> None:
    """Ask before any page of a switch; call after the edge, so that the refusal knows who is told."""

    @app.before_request
    def offered() -> None:
        if not offered_here(request.path):
            raise SwitchedOffError
