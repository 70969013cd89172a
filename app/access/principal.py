"""Who is acting. Every read and every step happens as a principal; without one nothing is visible.

A web request acts as the account that logged in, a job as the account that asked for it, and what the platform does
by itself says why through `as_system(reason)` (law 2 of the house).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from models.enums import Role


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or the platform itself. `area` is a division prefix of 2, 4 or 6 digits, for regulators only."""

    account_id: int | None
    name: str
    roles: frozenset[Role]
    unit_id: int | None = None
    institute_id: int | None = None
    institute_level: str | None = None
    institute_area: str | None = None
    area: str | None = None
    body: str = ""
    phone_index: str | None = field(default=None, repr=False)

    def has(self, *roles: Role) -> bool:
        """True when the principal holds at least one of the roles."""
        return not self.roles.isdisjoint(roles)

    @property
    def is_system(self) -> bool:
        return Role.SYS in self.roles

    @property
    def of_unit(self) -> bool:
        """UNIT of WORKFLOWS 0.1: somebody acting for one enterprise."""
        return self.unit_id is not None and self.has(Role.ENT, Role.SUB, Role.AFF)

    @property
    def of_institute(self) -> bool:
        return self.institute_id is not None and self.has(Role.REC, Role.VER, Role.APR, Role.IMG)

    @property
    def of_institute_by_link(self) -> bool:
        """A person linked to an institute: reads its appointments (我的业务办理), does nothing there (ORG-05)."""
        return self.institute_id is not None and self.has(Role.AFF)

    @property
    def role_word(self) -> str:
        """The one role that stands in the log for this act."""
        return min((r.value for r in self.roles), default=Role.ANON.value)


ANONYMOUS = Principal(None, "公众", frozenset({Role.ANON}))

_current: ContextVar[Principal | None] = ContextVar("principal", default=None)


def current_principal() -> Principal | None:
    """The principal of this context, or None: then every scoped query finds nothing."""
    return _current.get()


def set_principal(principal: Principal | None) -> None:
    """Set the principal of this context; the web edge calls it once per request."""
    _current.set(principal)


@contextmanager
def acting_as(principal: Principal) -> Iterator[Principal]:
    """Act as `principal` inside the block."""
    token = _current.set(principal)
    try:
        yield principal
    finally:
        _current.reset(token)


@contextmanager
def as_system(reason: str) -> Iterator[Principal]:
    """Act as the platform itself; `reason` says why no person's scope applies and stands in the log."""
    if not reason.strip():
        raise ValueError("as_system needs a reason")
    with acting_as(Principal(None, "系统", frozenset({Role.SYS}), body=reason)) as principal:
        yield principal
