"""The machines. Importing this package registers every declaration and the notices that follow the steps."""

from app.workflow import notices
from app.workflow.account import ACCOUNT
from app.workflow.affiliation import AFFILIATION
from app.workflow.appointment import APPOINTMENT
from app.workflow.certificate import CERTIFICATE
from app.workflow.engine import REGISTRY, bear, fire, offered, why_not
from app.workflow.filing import FILING
from app.workflow.instrument import INSTRUMENT
from app.workflow.item import ITEM
from app.workflow.recovery import RECOVERY
from app.workflow.transfer import TRANSFER
from app.workflow.unit_change import UNIT_CHANGE

__all__ = [
    "ACCOUNT",
    "AFFILIATION",
    "APPOINTMENT",
    "CERTIFICATE",
    "FILING",
    "INSTRUMENT",
    "ITEM",
    "RECOVERY",
    "REGISTRY",
    "TRANSFER",
    "UNIT_CHANGE",
    "bear",
    "fire",
    "notices",
    "offered",
    "why_not",
]
