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
from models.certificate import Certificate, NumberCounter
from models.filing import Filing
from models.instrument import Instrument
from models.job import BulkLine, ImportRow, Job
from models.ledger import InstrumentMerge, InstrumentTransfer, Nozzle
from models.log import AuditLog, TransitionLog
from models.organisation import Institute, InstituteCapability, InstituteInstrument, TypeApproval, Unit, UnitContact
from models.outbox import Beat, DevelopmentMail, Message, Outbox, Reminder
from models.preference import ColumnMapping, ListSetting, SavedView
from models.reference import CalendarException, Category, CategoryRule, Division
from models.site import ProfileSetting, SiteFile, SiteText

__all__ = [
    "Account",
    "Affiliation",
    "Appointment",
    "AppointmentItem",
    "Attachment",
    "AuditLog",
    "Beat",
    "BulkLine",
    "CalendarException",
    "Captcha",
    "Category",
    "CategoryRule",
    "Certificate",
    "ColumnMapping",
    "Consent",
    "DevelopmentMail",
    "Division",
    "ExternalIdentity",
    "Filing",
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
    "Reminder",
    "SavedView",
    "SiteFile",
    "SiteText",
    "Slot",
    "TransitionLog",
    "TypeApproval",
    "Unit",
    "UnitChange",
    "UnitContact",
    "VerificationCode",
    "WebSession",
    "db",
    "metadata",
]
