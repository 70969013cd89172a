"""The machines. Importing this package registers every declaration and the notices that follow the steps."""

from app.workflow import notices
from app.workflow.account import ACCOUNT
from app.workflow.affiliation import AFFILIATION
from app.workflow.amendment import AMENDMENT
from app.workflow.appointment import APPOINTMENT
from app.workflow.certificate import CERTIFICATE
from app.workflow.commission import COMMISSION
from app.workflow.engine import REGISTRY, bear, bear_all, fire, offered, why_not
from app.workflow.filing import FILING
from app.workflow.instrument import INSTRUMENT
from app.workflow.item import ITEM
from app.workflow.recovery import RECOVERY
from app.workflow.task import TASK
from app.workflow.transfer import TRANSFER
from app.workflow.unit_change import UNIT_CHANGE
from app.workflow.unmatched import UNMATCHED

__all__ = [
    "ACCOUNT",
    "AFFILIATION",
    "AMENDMENT",
    "APPOINTMENT",
    "CERTIFICATE",
    "COMMISSION",
    "FILING",
    "INSTRUMENT",
    "ITEM",
    "RECOVERY",
    "REGISTRY",
    "TASK",
    "TRANSFER",
    "UNIT_CHANGE",
    "UNMATCHED",
    "bear",
    "bear_all",
    "fire",
    "notices",
    "offered",
    "why_not",
]
