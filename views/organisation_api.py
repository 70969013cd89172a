"""REST of what bodies decide: links of persons, and changes of units' data. The same scope and the same engine."""

from __future__ import annotations

from app.access.roles import RECEPTION
from app.fab.interface import PGInterface
from app.workflow import AFFILIATION, UNIT_CHANGE
from models.affiliation import Affiliation, UnitChange
from models.enums import Role
from views.api import StepApi


class AffiliationApi(StepApi):
    """关联"""

    resource_name, class_permission_name = "affiliations", "AffiliationApi"
    datamodel, workflow = PGInterface(Affiliation), AFFILIATION
    list_columns = ["id", "state", "body_name", "requested_at", "decided_at", "reason", "version"]
    show_columns = list_columns
    search_columns = ["state"]
    order_columns = ["id"]
    grants = {"*": frozenset({Role.IND, Role.ENT, Role.IMG})}


class UnitChangeApi(StepApi):
    """单位信息变更"""

    resource_name, class_permission_name = "unit-changes", "UnitChangeApi"
    datamodel, workflow = PGInterface(UnitChange), UNIT_CHANGE
    list_columns = ["id", "state", "unit_id", "created_at", "reason", "version"]
    show_columns = list_columns
    search_columns = ["state"]
    order_columns = ["id"]
    grants = {"*": RECEPTION | frozenset({Role.ADM, Role.ENT})}


ORGANISATION_APIS: tuple[type[StepApi], ...] = (AffiliationApi, UnitChangeApi)
