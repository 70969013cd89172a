"""The machines. Importing this package registers every declaration and the notices that follow the steps."""

from app.workflow import notices
from app.workflow.account import ACCOUNT
from app.workflow.appointment import APPOINTMENT
from app.workflow.certificate import CERTIFICATE
from app.workflow.engine import REGISTRY, bear, fire, offered, why_not
from app.workflow.filing import FILING
from app.workflow.instrument import INSTRUMENT
from app.workflow.item import ITEM

__all__ = [
    "ACCOUNT",
    "APPOINTMENT",
    "CERTIFICATE",
    "FILING",
    "INSTRUMENT",
    "ITEM",
    "REGISTRY",
    "bear",
    "fire",
    "notices",
    "offered",
    "why_not",
]
