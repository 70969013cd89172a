"""Closed lists: states of every entity and the small vocabularies. Members follow docs/glossary.md."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Who somebody is to the platform. A person holds several only in allowed pairs (app/access/roles.py)."""

    ANON = "ANON"
    APPLICANT = "APPLICANT"
    ENT = "ENT"
    SUB = "SUB"
    AFF = "AFF"
    REC = "REC"
    VER = "VER"
    APR = "APR"
    IMG = "IMG"
    REG = "REG"
    AUD = "AUD"
    ADM = "ADM"
    SEC = "SEC"
    IND = "IND"
    EXP = "EXP"
    SYS = "SYS"


class AccountKind(StrEnum):
    ENTERPRISE = "enterprise"
    INDIVIDUAL = "individual"
    INSTITUTE = "institute"
    EXPERT = "expert"
    REGULATOR = "regulator"
    AUDITOR = "auditor"
    ADMIN = "admin"
    SECURITY = "security"


class AccountState(StrEnum):
    UNVERIFIED = "unverified"
    PENDING = "pending"
    ACTIVE = "active"
    RETURNED = "returned"
    LOCKED = "locked"
    DISABLED = "disabled"
    CLOSED = "closed"
    INVITED = "invited"


class AffiliationState(StrEnum):
    NONE = "none"
    REQUESTED = "requested"
    LINKED = "linked"
    REFUSED = "refused"
    REMOVED = "removed"


class RecoveryState(StrEnum):
    WAITING = "waiting"
    VERIFIED = "verified"
    TEXTED = "texted"
    MAILED = "mailed"


class UnitChangeState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class SettingState(StrEnum):
    PROPOSED = "proposed"
    IN_FORCE = "in_force"


class InstrumentState(StrEnum):
    UNFILED = "unfiled"
    FILING = "filing"
    IN_USE = "in_use"
    SUSPENDED = "suspended"
    SCRAPPED = "scrapped"
    FORMER = "former"
    PURGED = "purged"
    MERGED = "merged"


class NozzleState(StrEnum):
    IN_USE = "in_use"
    FORMER = "former"


class TransferState(StrEnum):
    ASKED = "asked"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class LineOutcome(StrEnum):
    """What became of one row of a bulk act."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class FilingState(StrEnum):
    PENDING = "pending"
    SUBMITTED = "submitted"
    TO_PROCESS = "to_process"
    TO_CONFIRM = "to_confirm"
    APPROVED = "approved"
    RETURNED = "returned"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class AppointmentState(StrEnum):
    DRAFT = "draft"
    ADMIN_REVIEW = "admin_review"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    WITHDRAW_REQUESTED = "withdraw_requested"
    COMPLETED = "completed"
    REJECTED = "rejected"
    SENT_BACK = "sent_back"
    WITHDRAWN = "withdrawn"
    RESTORE_REQUESTED = "restore_requested"
    SPLIT = "split"


class ItemState(StrEnum):
    PENDING = "pending"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    RECEIVED = "received"
    VERIFYING = "verifying"
    DONE = "done"
    REJECTED = "rejected"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    ABORTED = "aborted"


class CommissionState(StrEnum):
    CHECKING = "checking"
    OPEN = "open"
    WORKING = "working"
    READY = "ready"
    CLOSED = "closed"
    VOID = "void"


class TaskState(StrEnum):
    QUEUED = "queued"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    PAUSED = "paused"
    RECORDED = "recorded"
    CLOSED = "closed"
    ABORTED = "aborted"


class UnmatchedState(StrEnum):
    PENDING = "pending"
    IMPORTED = "imported"
    LINKED = "linked"
    DISPUTED = "disputed"
    CORRECTED = "corrected"
    NOT_OURS = "not_ours"
    CLOSED = "closed"


class RecordSource(StrEnum):
    """How a result of another system came in."""

    FORM = "form"
    WORKBOOK = "workbook"
    API = "api"


class AmendmentState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class CertificateState(StrEnum):
    DRAFT = "draft"
    CHECKING = "checking"
    APPROVING = "approving"
    ISSUING = "issuing"
    ISSUED = "issued"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    DROPPED = "dropped"


class CertificateKind(StrEnum):
    CERTIFICATE = "certificate"
    REJECTION = "rejection"


class Conclusion(StrEnum):
    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"


class Purpose(StrEnum):
    TRADE = "trade"
    SAFETY = "safety"
    MEDICAL = "medical"
    ENVIRONMENT = "environment"


class DeliveryMode(StrEnum):
    DELIVER = "deliver"
    ONSITE = "onsite"


class InstrumentKind(StrEnum):
    """器具类型 (S3): only working instruments are under compulsory verification by the catalogue."""

    WORKING = "working"
    STANDARD = "standard"


class Origin(StrEnum):
    DOMESTIC = "domestic"
    IMPORTED = "imported"


class Level(StrEnum):
    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"


class Period(StrEnum):
    MORNING = "morning"
    AFTERNOON = "afternoon"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


LIVE_ITEM_STATES = (
    ItemState.PENDING,
    ItemState.ASSIGNED,
    ItemState.ACCEPTED,
    ItemState.RECEIVED,
    ItemState.VERIFYING,
)
"""An instrument stands in at most one item of these states (invariant I-1)."""
