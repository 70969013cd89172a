"""All tables. Importing this package imports every model, which Alembic and the session scope rely on."""

from models.account import Account, Consent, VerificationCode, WebSession
from models.appointment import Appointment, AppointmentItem, Slot
from models.attachment import Attachment
from models.base import Model, db, metadata
from models.certificate import Certificate, NumberCounter
from models.filing import Filing
from models.instrument import Instrument
from models.job import ImportRow, Job
from models.log import AuditLog, TransitionLog
from models.organisation import Institute, InstituteCapability, Unit
from models.outbox import Beat, DevelopmentMail, Message, Outbox, Reminder
from models.reference import CalendarException, Category, Division

__all__ = [
    "Account",
    "Appointment",
    "AppointmentItem",
    "Attachment",
    "AuditLog",
    "Beat",
    "CalendarException",
    "Category",
    "Certificate",
    "Consent",
    "DevelopmentMail",
    "Division",
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
    "Reminder",
    "Slot",
    "TransitionLog",
    "Unit",
    "VerificationCode",
    "WebSession",
    "db",
    "metadata",
]
