"""Every account machine under each of the six profiles: which steps exist there, and that the others do nothing."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from app import clock, profiles
from app.access.principal import ANONYMOUS, as_system
from app.errors import InvalidInputError, QuanhengError, SwitchedOffError
from app.operations import account as accounts
from app.workflow import ACCOUNT, AFFILIATION, REGISTRY, bear, fire
from models import Account, Affiliation, RecoveryRequest, TransitionLog, Unit, UnitChange
from models.enums import AccountKind, Role
from tests.world import PASSWORD, uscc

PROFILES = ["all", "bayannur", "guangdong", "hohhot", "national", "zhejiang"]
REASON = {"reason": "资料与证照不一致"}
_numbers = itertools.count(int.from_bytes(os.urandom(3)) % 500_000 + 500_000)


@pytest.fixture(params=PROFILES)
def name(request, app, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", request.param)
    return request.param


@pytest.fixture(autouse=True)
def fresh(session):
    profiles.forget()
    yield
    session.rollback()
    profiles.forget()


def user(session: Any, nick: str) -> int:
    from app.operations.logins import new_user

    return new_user(session, f"{nick}{next(_numbers)}", nick, None, None).id


def candidate(session: Any, kind: AccountKind = AccountKind.ENTERPRISE, institute: int | None = None) -> Account:
    """A registration that was just sent in, as the machine bears it."""
    unit, roles = None, [Role.IND.value]
    if kind == AccountKind.ENTERPRISE:
        unit = Unit(code=uscc(next(_numbers)), name="甲单位", division_code="440103", address="x", contact_name="王")
        session.add(unit)
        session.flush()
        roles = [Role.ENT.value]
    made = Account(
        kind=kind.value,
        name="王小明",
        roles=roles,
        unit_id=unit.id if unit else None,
        reviewer_institute_id=institute,
        user_id=user(session, "p"),
    )
    return bear(session, made, "register", ANONYMOUS)


def take(session: Any, world: Any, who: str | None, machine: Any, pk: int, step: str, data: Any = None) -> str | None:
    """Take a step as that person; gives the new state, or the refusal's status."""
    try:
        if who is None:
            with as_system("test") as actor:
                return fire(session, machine, pk, step, actor, data or {}).state
        with world.acting(who) as actor:
            return fire(session, machine, pk, step, actor, data or {}).state
    except QuanhengError as error:
        return str(error.status)


def test_the_six_profiles_are_these():
    assert profiles.names() == PROFILES


def test_every_switch_of_a_machine_is_known_to_every_profile(name):
    switches = {s.switch for m in REGISTRY.values() for s in m.steps if s.switch}
    assert switches <= set(profiles.load(name)["switches"])


@pytest.mark.parametrize("kind", [AccountKind.ENTERPRISE, AccountKind.INDIVIDUAL])
def test_registration_goes_where_the_profile_reviews(app, world, session, name, kind):
    """none: open at once and never queued; admin: the administrator; local_institute: that institute and nobody else."""
    review = profiles.load(name)["registration"]["review"][kind.value]
    institute = world.institutes["A"] if review == "local_institute" else None
    with as_system("test"):
        pk = candidate(session, kind, institute).id
        session.flush()
    if review == "none":
        assert take(session, world, None, ACCOUNT, pk, "admit") == "active"
        assert take(session, world, "adm", ACCOUNT, pk, "approve") == "409"
        return
    assert take(session, world, None, ACCOUNT, pk, "admit") == "422", "nobody comes in without the review"
    assert take(session, world, None, ACCOUNT, pk, "verify") == "pending"
    reviewer, others = ("recA", ("recB", "adm")) if institute else ("adm", ("recA", "recB"))
    for who in (*others, "regP", "sec"):
        assert take(session, world, who, ACCOUNT, pk, "approve") in {"403", "404"}, who
    assert take(session, world, reviewer, ACCOUNT, pk, "return") == "422", "a reason is needed"
    assert take(session, world, reviewer, ACCOUNT, pk, "return", {**REASON, "fields": ["unit_name"]}) == "returned"
    assert corrected(session, pk) == "pending"
    if kind == AccountKind.INDIVIDUAL and not profiles.load(name)["registration"]["admit_individuals"]:
        assert take(session, world, reviewer, ACCOUNT, pk, "approve") == "422"
        return
    assert take(session, world, reviewer, ACCOUNT, pk, "approve") == "active"


def corrected(session: Any, pk: int) -> str:
    from app.access.load import account_by_id, principal_of
    from app.access.principal import acting_as

    with acting_as(principal_of(account_by_id(session, pk))) as actor:
        assert actor.roles == {Role.APPLICANT}
        return fire(session, ACCOUNT, pk, "resubmit", actor).state


def test_closing_a_returned_registration(app, world, session, name):
    from app.access.load import account_by_id, principal_of
    from app.access.principal import acting_as

    with as_system("test"):
        pk = candidate(session).id
    take(session, world, None, ACCOUNT, pk, "verify")
    assert take(session, world, "adm", ACCOUNT, pk, "return", REASON) == "returned"
    with acting_as(principal_of(account_by_id(session, pk))) as actor:
        if profiles.load(name)["registration"]["self_cancel"]:
            assert fire(session, ACCOUNT, pk, "close", actor).state == "closed"
        else:
            with pytest.raises(InvalidInputError):
                fire(session, ACCOUNT, pk, "close", actor)


def switched(session: Any, on: bool, act: Callable[[], Any]) -> None:
    """The act works where the switch is on; elsewhere it is 404 with the sentence, and leaves no trace (case 79)."""
    with as_system("test"):
        before = [session.scalar(select(func.count()).select_from(m)) for m in (Account, Affiliation, TransitionLog)]
    if on:
        act()
        return
    with pytest.raises(SwitchedOffError) as said:
        act()
    assert (said.value.status, said.value.sentence) == (404, "本平台未开通此功能。")
    with as_system("test"):
        after = [session.scalar(select(func.count()).select_from(m)) for m in (Account, Affiliation, TransitionLog)]
    assert after == before


@pytest.mark.must_never(79)
def test_sub_users(app, world, session, name):
    from app.operations.subaccount import invite_sub

    def act() -> None:
        with world.acting("ua2") as actor:
            made, _token = invite_sub(session, actor, name="新同事", phone=f"136{next(_numbers):08d}")
            assert made.state == "invited"

    switched(session, profiles.load(name)["switches"]["subaccounts"], act)


@pytest.mark.must_never(79)
def test_affiliation(app, world, session, name):
    from app.operations.affiliation import request_link

    def act() -> None:
        with world.acting("ind") as actor:
            link = request_link(session, actor, world.codes["ua2"])
        assert take(session, world, "ua1", AFFILIATION, link.id, "approve") == "404"
        assert take(session, world, "ua2", AFFILIATION, link.id, "refuse") == "refused"
        assert take(session, world, "ind", AFFILIATION, link.id, "request_again") == "requested"
        assert take(session, world, "ind", AFFILIATION, link.id, "cancel") == "none"
        assert take(session, world, "ind", AFFILIATION, link.id, "request_again") == "requested"
        assert take(session, world, "ua2", AFFILIATION, link.id, "approve") == "linked"
        assert world.principal("ind").unit_id == world.units["ua2"]
        assert take(session, world, "ua2", AFFILIATION, link.id, "remove") == "removed"
        assert world.principal("ind").unit_id is None

    switched(session, profiles.load(name)["switches"]["affiliation"], act)


@pytest.mark.must_never(79)
def test_government_login(app, world, session, name):
    def act() -> None:
        made = Account(
            kind="enterprise", name="法人", roles=["ENT"], unit_id=world.units["ub1"], user_id=user(session, "s")
        )
        assert bear(session, made, "sso_enter", ANONYMOUS).state == "active"

    with as_system("test"):
        switched(session, profiles.load(name)["switches"]["account.sso"], act)


def test_issuing_countersigning_and_activating(app, world, session, name):
    with world.acting("adm") as actor:
        issued, token = accounts.issue_account(
            session,
            actor,
            kind=AccountKind.REGULATOR,
            username=f"r{next(_numbers)}",
            name="监管",
            roles=[Role.REG],
            area="44",
        )
        auditor, no_token = accounts.issue_account(
            session,
            actor,
            kind=AccountKind.AUDITOR,
            username=f"u{next(_numbers)}",
            name="审计",
            roles=[Role.AUD],
            email=f"u{next(_numbers)}@example.com",
        )
    assert (issued.state, auditor.state, no_token) == ("invited", "invited", "")
    assert accounts.activate(session, token, PASSWORD).state == "active"
    assert take(session, world, None, ACCOUNT, auditor.id, "assign", {"roles": ["AUD"]}) == "403"
    for who in ("adm", "aud", "imgA"):
        assert take(session, world, who, ACCOUNT, auditor.id, "countersign") in {"403", "404"}, who
    assert take(session, world, "sec", ACCOUNT, auditor.id, "countersign") == "invited"
    assert take(session, world, "sec", ACCOUNT, issued.id, "countersign") == "409"
    assert take(session, world, "sec", ACCOUNT, issued.id, "assign", {"roles": ["REG", "REC"]}) == "422"
    assert take(session, world, "sec", ACCOUNT, issued.id, "assign", {"roles": ["REG"]}) == "active"


def test_locking_blocking_and_resetting(app, world, session, name):
    pk = world.people["verA"]
    assert take(session, world, "adm", ACCOUNT, pk, "lock") == "403"
    assert take(session, world, None, ACCOUNT, pk, "lock") == "locked"
    assert take(session, world, "imgA", ACCOUNT, pk, "disable", REASON) == "409"
    assert take(session, world, "adm", ACCOUNT, pk, "unlock") == "active"
    assert take(session, world, None, ACCOUNT, pk, "lock") == "locked"
    assert take(session, world, None, ACCOUNT, pk, "reset_password") == "active"
    assert take(session, world, "imgB", ACCOUNT, pk, "disable", REASON) == "404"
    assert take(session, world, "imgA", ACCOUNT, pk, "disable") == "422"
    assert take(session, world, "imgA", ACCOUNT, pk, "disable", REASON) == "disabled"
    assert take(session, world, None, ACCOUNT, pk, "reset_password") == "409"
    assert take(session, world, "imgA", ACCOUNT, pk, "enable") == "active"


def test_recovery_by_letter(app, world, session, name):
    recovery = REGISTRY["recovery"]
    with as_system("test"):
        row = RecoveryRequest(
            kind="body",
            name="甲单位",
            phone="13912340000",
            account_id=world.people["ua1"],
            requested_at=clock.now(),
            due_at=clock.now(),
        )
        bear(session, row, "enter", ANONYMOUS)
        pk = row.id
    for who in ("recA", "imgA", "sec", "aud", "regP", "ua1"):
        assert take(session, world, who, recovery, pk, "verify") in {"403", "404"}, who
    assert take(session, world, "adm", recovery, pk, "verify") == "verified"
    assert take(session, world, "adm", recovery, pk, "answer") == "422", "the second administrator is another person"
    assert take(session, world, "adm", recovery, pk, "refuse") == "422"
    assert take(session, world, "adm", recovery, pk, "refuse", REASON) == "mailed"


@pytest.mark.parametrize("reviewer", ["recA", "adm"])
def test_changes_of_a_unit(app, world, session, name, reviewer):
    machine = REGISTRY["unit_change"]
    institute = world.institutes["A"] if reviewer == "recA" else None

    def asked() -> int:
        with world.acting("ua1") as actor:
            row = UnitChange(
                unit_id=actor.unit_id,
                account_id=actor.account_id,
                reviewer_institute_id=institute,
                changes={"legal_person": ["甲", "乙"]},
            )
            return bear(session, row, "submit", actor).id

    pk = asked()
    for who in ("ua2", "recB", "sub1", "regA1", "adm" if institute else "recA"):
        assert take(session, world, who, machine, pk, "approve") in {"403", "404"}, who
    assert take(session, world, "ua1", machine, pk, "withdraw") == "withdrawn"
    pk = asked()
    assert take(session, world, reviewer, machine, pk, "refuse") == "422"
    assert take(session, world, reviewer, machine, pk, "approve") == "approved"
    with as_system("test"):
        assert session.get(Unit, world.units["ua1"]).legal_person == "乙"
