"""REST of the counter and the bench: visits and tasks with their dates. The same scope and the same engine.

No answer carries what was measured, by whom, or who brought and fetched an instrument: readings are the institute's own
record, which its people read on the task's page (ROLES 2), and a customer's password exists in no answer at all.
"""

from __future__ import annotations

from app.access.roles import RECEPTION
from app.fab.interface import PGInterface
from app.workflow import COMMISSION, TASK
from models.commission import Commission, Task
from models.enums import Role
from views.api import BUSINESS, StepApi


class CommissionApi(StepApi):
    """委托单"""

    resource_name, class_permission_name = "commissions", "CommissionApi"
    datamodel, workflow = PGInterface(Commission), COMMISSION
    grants = {"can_get": BUSINESS, "can_step": RECEPTION}
    list_columns = [
        "id",
        "number",
        "state",
        "mode",
        "appointment_id",
        "unit_id",
        "institute_id",
        "opened_at",
        "promised_on",
        "ready_at",
        "closed_at",
        "version",
    ]
    show_columns = [*list_columns, "reason"]
    search_columns = ["state", "number", "appointment_id", "promised_on"]
    order_columns = ["id", "promised_on"]


class TaskApi(StepApi):
    """检定任务"""

    resource_name, class_permission_name = "tasks", "TaskApi"
    datamodel, workflow = PGInterface(Task), TASK
    grants = {"can_get": BUSINESS, "can_step": frozenset({Role.IMG, Role.VER})}
    list_columns = [
        "id",
        "state",
        "commission_id",
        "item_id",
        "instrument_id",
        "due_on",
        "begun_at",
        "recorded_at",
        "waited_days",
        "version",
    ]
    show_columns = list_columns
    search_columns = ["state", "commission_id", "instrument_id", "due_on"]
    order_columns = ["id", "due_on"]


BENCH_APIS: tuple[type[StepApi], ...] = (CommissionApi, TaskApi)
