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
from models.job import ImportRow, Job
from models.log import AuditLog, TransitionLog
from models.organisation import Institute, InstituteCapability, TypeApproval, Unit, UnitContact
from models.outbox import Beat, DevelopmentMail, Message, Outbox, Reminder
from models.reference import CalendarException, Category, Division
from models.site import ProfileSetting, SiteFile, SiteText

__all__ = [
    "Account",
    "Affiliation",
    "Appointment",
    "AppointmentItem",
    "Attachment",
    "AuditLog",
    "Beat",
    "CalendarException",
    "Captcha",
    "Category",
    "Certificate",
    "Consent",
    "DevelopmentMail",
    "Division",
    "ExternalIdentity",
    "Filing",
    "ImportRow",
    "Institute",
    "InstituteCapability",
    "Instrument",
    "Job",
    "Message",
    "Model",
    "NumberCounter",
    "Outbox",
    "ProfileSetting",
    "RecoveryRequest",
    "Reminder",
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
