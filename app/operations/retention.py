"""How long personal data is kept, and its erasure (TRUST section 4; numbers in [retention] of the profile).

- a registration never verified goes after `unverified_days`, whole;
- an account closed for `closed_days` loses everything that says who the person was, the unit's ledger stays;
- photographs and proofs of identity go `papers_days` after the decision they were handed in for;
- the rows of an import that has ended go after `import_rows_days`, its counts and the ledger stay;
- files that nothing refers to go after two days.

Every part may be run again at any time: it asks what is due and not done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from flask_appbuilder.security.sqla.models import User
from sqlalchemy import Text, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from app import clock, filestore
from app.access.audit import audit
from app.access.principal import Principal, acting_as, as_system
from app.errors import InvalidInputError
from app.operations.key_rotation import NEVER_SEALED
from app.profiles import setting
from app.workflow import ACCOUNT, fire
from app.workflow.engine import lock
from app.workflow.live import live_business
from models.account import Account, Consent, ExternalIdentity, RecoveryRequest, VerificationCode, WebSession
from models.affiliation import UnitChange
from models.appointment import Appointment
from models.attachment import Attachment
from models.base import metadata
from models.enums import AccountState, JobState, Role
from models.job import ImportRow, Job
from models.log import TransitionLog
from models.organisation import TypeApproval, Unit, UnitContact
from models.outbox import DevelopmentMail, Message, Outbox
from models.types import blind_index

ERASED = "已注销用户"
PROOFS_OF_IDENTITY = ("photo", "proof", "id_card", "id_front", "id_back")
"""Kinds of papers that show the person; licences and letters stay for the account's life."""
DECIDED = ("approve", "admit", "close")
KEPT_FILES = timedelta(days=2)
"""How long an upload may wait for the row that refers to it: a form is good for twelve hours."""


def run_retention(session: Session, *, dry_run: bool = False) -> dict[str, int]:
    """Do what is due; gives how many of each. A dry run counts the same and writes nothing."""
    with as_system("retention of personal data (PIPL 19, 47)"):
        report = {
            "unverified": _each(session, _unverified(session), _remove_registration, dry_run),
            "closed": _each(session, _closed(session), _erase_closed, dry_run),
            "papers": _each(session, _old_proofs(session), _remove_paper, dry_run),
            "recoveries": _each(session, _old_recoveries(session), _erase_recovery, dry_run),
            "imports": _each(session, _old_imports(session), _forget_rows, dry_run),
        }
        report["files"] = sweep_files(session, dry_run=dry_run)
        if not dry_run and any(report.values()):
            audit(session, "retention", entity="account", removed=report)
            session.commit()
    return report


def _each(session: Session, ids: Iterable[Any], act: Callable[[Session, Any], None], dry_run: bool) -> int:
    """Each row in a transaction of its own: one that cannot go now does not keep the others."""
    count = 0
    for row_id in ids:
        count += 1
        if not dry_run:
            act(session, row_id)
            session.commit()
    return count


def _days_ago(key: str) -> datetime:
    return clock.now() - timedelta(days=int(setting("retention", key)))


# -- registrations nobody verified ------------------------------------------------------------------------------------


def _unverified(session: Session) -> list[int]:
    statement = select(Account.id).where(
        Account.state == AccountState.UNVERIFIED, Account.created_at < _days_ago("unverified_days")
    )
    return list(session.execute(statement).scalars())


def _remove_registration(session: Session, account_id: int) -> None:
    """The account, all that belongs to it, its log-in and the unit it would have opened."""
    account = lock(session, Account, account_id)
    if account.state != AccountState.UNVERIFIED:
        return  # verified at the last moment
    unit_id, user_id = account.unit_id, account.user_id
    for each in metadata.sorted_tables:
        for column in each.columns:
            if any(key.column.table.name == "account" for key in column.foreign_keys):
                session.execute(delete(each).where(column == account_id))
    session.expire_all()
    session.execute(delete(Account).where(Account.id == account_id))
    session.execute(delete(User).where(User.id == user_id))
    if unit_id is not None and not _people_of(session, unit_id):
        for model in (Attachment, UnitContact, TypeApproval, UnitChange):
            session.execute(delete(model).where(model.unit_id == unit_id))
        session.execute(delete(Unit).where(Unit.id == unit_id, Unit.active.is_(False)))


# -- closed accounts --------------------------------------------------------------------------------------------------


def _closed(session: Session) -> list[int]:
    statement = select(Account.id).where(
        Account.state == AccountState.CLOSED, Account.erased_at.is_(None), Account.closed_at < _days_ago("closed_days")
    )
    return list(session.execute(statement).scalars())


def _erase_closed(session: Session, account_id: int) -> None:
    account = lock(session, Account, account_id)
    if account.erased_at is None:
        erase(session, account)


def erase_on_request(session: Session, account: Account, reason: str) -> None:
    """Close an account whose owner asks in writing (PIPL 47) and erase it at once.

    Raises InvalidInputError while business is open, and for the last administrator.
    """
    if not 5 <= len(reason.strip()) <= 500:
        raise InvalidInputError("请填写原因（5～500字），例如来信日期和编号。", field="reason")
    if account.erased_at is not None:
        raise InvalidInputError("该账号的个人信息已经清除。")
    if account.unit_id and (count := live_business(session, unit_id=account.unit_id)):
        raise InvalidInputError(f"尚有未办结事项（{count}项），暂不能注销。")
    with as_system("erasure asked for in writing (PIPL 47)"):
        if Role.ADM in account.roles and not _other_admin(session, account):
            raise InvalidInputError("不能注销最后一个系统管理员。")
    if account.state != AccountState.CLOSED:
        # the step is the person's own; the operator takes it for him, and the log says that it was the platform
        asked = Principal(None, "系统（依本人申请）", frozenset({Role.SYS, Role.ENT, Role.IND, Role.APPLICANT}))
        with acting_as(asked):
            fire(session, ACCOUNT, account.id, "close", asked, {"reason": reason})
    with as_system("erasure asked for in writing (PIPL 47)"):
        erase(session, account, reason=reason)


def _other_admin(session: Session, account: Account) -> bool:
    statement = select(Account.id).where(
        Account.roles.contains([Role.ADM.value]), Account.state == AccountState.ACTIVE, Account.id != account.id
    )
    return session.execute(statement.limit(1)).first() is not None


def erase(session: Session, account: Account, reason: str = "") -> None:
    """Take out of every table what says who the person was; the number of the account stays as the ledger's signature."""
    phone, addresses = account.phone, _addresses(account)
    _erase_account(account)
    session.flush()
    for model in (WebSession, Message, ExternalIdentity):
        session.execute(delete(model).where(model.account_id == account.id))
    session.execute(update(Consent).where(Consent.account_id == account.id).values(ip=None))
    _forget_addresses(session, addresses)
    for paper in session.execute(_papers_of(account)).scalars().all():
        _remove_paper(session, paper.id)
    requests = select(RecoveryRequest.id).where(RecoveryRequest.account_id == account.id)
    for request_id in session.execute(requests).scalars().all():
        _erase_recovery(session, request_id)
    if account.unit_id is not None:
        _erase_in_unit(session, account, phone)
    audit(session, "erase_personal_data", entity="account", entity_id=account.id, reason=reason)


def _addresses(account: Account) -> list[str]:
    """Every address under which messages to the person were kept."""
    unit = account.unit
    last = unit is not None and unit.email
    return [a for a in {account.phone, account.email, unit.contact_phone if unit else None, last or None} if a]


def _erase_account(account: Account) -> None:
    account.name, account.email, account.phone, account.id_number = ERASED, None, None, None
    account.phone_index = account.id_number_index = account.former_name_index = None
    account.phone_verified_at = account.email_verified_at = None
    account.gender = account.ethnicity = account.division_code = account.address = None
    account.employer = account.specialty = account.totp_secret = account.totp_confirmed_at = None
    account.activation_hash = account.activation_expires_at = None
    account.erased_at = clock.now()
    user = account.user
    user.username, user.email = f"closed{account.id}", f"closed{account.id}@accounts.invalid"
    user.first_name, user.last_name, user.password, user.active = ERASED, "", None, False


def _forget_addresses(session: Session, addresses: list[str]) -> None:
    marks = [blind_index(a) for a in addresses]
    session.execute(delete(VerificationCode).where(VerificationCode.address_index.in_(marks)))
    session.execute(delete(DevelopmentMail).where(DevelopmentMail.recipient_index.in_(marks)))
    session.execute(delete(Outbox).where(Outbox.payload["to"].astext.in_(addresses)))


def _papers_of(account: Account) -> Any:
    own = (Attachment.owner_type == "account") & (Attachment.owner_id == account.id)
    loose = (Attachment.account_id == account.id) & Attachment.owner_type.in_(("job", "recovery"))
    return select(Attachment).where(own | loose)


def _people_of(session: Session, unit_id: int, but: int = 0) -> int:
    """How many accounts of a unit are not closed."""
    statement = select(func.count()).where(
        Account.unit_id == unit_id, Account.state != AccountState.CLOSED, Account.id != but
    )
    return session.scalar(statement) or 0


def _erase_in_unit(session: Session, account: Account, phone: str | None) -> None:
    """The unit's contact goes with its last person; while others are there, only where the number was the person's."""
    unit = session.get(Unit, account.unit_id)
    if unit is None:
        return
    last = _people_of(session, unit.id, account.id) == 0
    if last:
        unit.legal_person = unit.legal_id_number = unit.email = None
        session.execute(delete(UnitContact).where(UnitContact.unit_id == unit.id))
        changes = select(UnitChange).where(UnitChange.unit_id == unit.id)
        for change in session.execute(changes).unique().scalars():
            change.changes = {k: v for k, v in change.changes.items() if k not in {"legal_person", "legal_id_number"}}
    if last or (phone and unit.contact_phone == phone):
        unit.contact_name, unit.contact_phone = ERASED, None
    orders = select(Appointment).where(Appointment.unit_id == unit.id)
    for order in session.execute(orders).scalars():
        if last or (phone and order.contact_phone == phone):
            order.contact_name, order.contact_phone = ERASED, ""


# -- papers, requests, files ------------------------------------------------------------------------------------------


def _old_proofs(session: Session) -> list[Any]:
    """Photographs and proofs whose registration was decided long enough ago."""
    decided = select(TransitionLog.entity_id).where(
        TransitionLog.entity == "account", TransitionLog.step.in_(DECIDED), TransitionLog.at < _days_ago("papers_days")
    )
    answered = select(RecoveryRequest.id).where(RecoveryRequest.answered_at < _days_ago("papers_days"))
    registered = (Attachment.owner_type == "account") & Attachment.owner_id.in_(decided)
    recovered = (Attachment.owner_type == "recovery") & Attachment.owner_id.in_(answered)
    statement = select(Attachment.id).where(
        (registered & Attachment.kind.in_(PROOFS_OF_IDENTITY) & (Attachment.created_at < _days_ago("papers_days")))
        | recovered
    )
    return list(session.execute(statement).scalars())


def _remove_paper(session: Session, paper_id: Any) -> None:
    """The row and, when no other row names the same bytes, the file."""
    paper = session.get(Attachment, paper_id)
    if paper is None:
        return
    digest = paper.sha256
    session.delete(paper)
    session.flush()
    if not referenced(session, [digest]):
        filestore.remove(digest)


def _old_recoveries(session: Session) -> list[int]:
    statement = select(RecoveryRequest.id).where(
        RecoveryRequest.answered_at < _days_ago("closed_days"), RecoveryRequest.name != ERASED
    )
    return list(session.execute(statement).scalars())


def _erase_recovery(session: Session, request_id: int) -> None:
    request = session.get(RecoveryRequest, request_id)
    if request is not None:
        request.name, request.phone, request.email, request.id_number = ERASED, "", None, None


# -- imports that have ended ------------------------------------------------------------------------------------------


def _old_imports(session: Session) -> list[int]:
    rows = select(ImportRow.job_id).where(ImportRow.job_id == Job.id).exists()
    statement = select(Job.id).where(
        Job.state.in_((JobState.DONE, JobState.CANCELLED, JobState.FAILED)),
        Job.finished_at < _days_ago("import_rows_days"),
        rows,
    )
    return list(session.execute(statement).scalars())


def _forget_rows(session: Session, job_id: int) -> None:
    """What was read and corrected; how many rows came to what stays with the job."""
    session.execute(delete(ImportRow).where(ImportRow.job_id == job_id))


def referenced(session: Session, digests: list[str]) -> set[str]:
    """Which of the fingerprints some row names: in a column called …sha256, or anywhere inside JSON."""
    found: set[str] = set()
    for each in metadata.sorted_tables:
        for column in each.columns:
            if column.name.endswith("sha256"):
                found |= set(session.execute(select(column).where(column.in_(digests))).scalars())
            elif isinstance(column.type, JSONB) and each.name not in NEVER_SEALED:
                hit = func.regexp_matches(cast(column, Text), "[0-9a-f]{64}", "g")
                inner = select(func.array_to_string(hit, "").label("digest")).subquery()
                rows = session.execute(select(inner.c.digest).where(inner.c.digest.in_(digests)).distinct())
                found |= {str(digest) for digest in rows.scalars()}
    return found


def sweep_files(session: Session, *, dry_run: bool = False) -> int:
    """Remove stored files older than two days that nothing refers to: uploads of forms never sent."""
    old = [d for d in filestore.kept_files() if filestore.age(d) > KEPT_FILES.total_seconds()]
    count = 0
    for start in range(0, len(old), 1_000):
        part = old[start : start + 1_000]
        for digest in sorted(set(part) - referenced(session, part)):
            if filestore.age(digest) > KEPT_FILES.total_seconds():  # not asked for again meanwhile
                count += 1
                if not dry_run:
                    filestore.remove(digest)
    return count
