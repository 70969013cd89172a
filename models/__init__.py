"""All tables. Importing this package imports every model, which Alembic and the session scope rely on."""

from models.account import (
    Account,
    Captcha,
    Consent,
    ExternalIdentity,
    RecoveryRequest,
    VerificationCode,
    WebSession,
)
from models.affiliation import Affiliation, UnitChange
from models.appointment import Appointment, AppointmentItem, Slot
from models.attachment import Attachment
from models.base import Model, db, metadata
from models.booking import AppointmentMessage, AssignmentRule, BasketItem, CalendarFeed, SlotPattern
from models.certificate import Certificate, NumberCounter
from models.commission import Commission, Task
from models.duplicate_dismissal import DuplicateDismissal
from models.filing import Filing, FilingAmendment
from models.idempotency import IdempotencyKey
from models.instrument import Instrument
from models.job import BulkLine, ImportRow, Job
from models.ledger import InstrumentMerge, InstrumentTransfer, Nozzle
from models.log import AuditLog, TransitionLog
from models.organisation import Institute, InstituteCapability, InstituteInstrument, TypeApproval, Unit, UnitContact
from models.outbox import Beat, DevelopmentMail, Message, Outbox, Reminder
from models.preference import ColumnMapping, ListSetting, SavedView
from models.qualification import Regulation, VerifierProject
from models.reference import CalendarException, Category, CategoryRule, Division
from models.site import ProfileSetting, SiteFile, SiteText
from models.unmatched import UnmatchedRecord

__all__ = [
    "Account",
    "Affiliation",
    "Appointment",
    "AppointmentItem",
    "AppointmentMessage",
    "AssignmentRule",
    "Attachment",
    "AuditLog",
    "BasketItem",
    "Beat",
    "BulkLine",
    "CalendarException",
    "CalendarFeed",
    "Captcha",
    "Category",
    "CategoryRule",
    "Certificate",
    "ColumnMapping",
    "Commission",
    "Consent",
    "DevelopmentMail",
    "Division",
    "DuplicateDismissal",
    "ExternalIdentity",
    "Filing",
    "FilingAmendment",
    "IdempotencyKey",
    "ImportRow",
    "Institute",
    "InstituteCapability",
    "InstituteInstrument",
    "Instrument",
    "InstrumentMerge",
    "InstrumentTransfer",
    "Job",
    "ListSetting",
    "Message",
    "Model",
    "Nozzle",
    "NumberCounter",
    "Outbox",
    "ProfileSetting",
    "RecoveryRequest",
    "Regulation",
    "Reminder",
    "SavedView",
    "SiteFile",
    "SiteText",
    "Slot",
    "SlotPattern",
    "Task",
    "TransitionLog",
    "TypeApproval",
    "Unit",
    "UnitChange",
    "UnitContact",
    "UnmatchedRecord",
    "VerificationCode",
    "VerifierProject",
    "WebSession",
    "db",
    "metadata",
]
