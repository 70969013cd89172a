"""The declarative base, the naming of constraints and the columns that every workflow entity shares.

Naming: each constraint gets a predictable name, because a name is what app/access/constraints.py turns into a
sentence for the person who broke it (law 6 of the house).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from flask_appbuilder import Model as FabModel
from flask_appbuilder.models.sqla.base import SQLA
from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Integer, String, func
from sqlalchemy.orm import Mapped, mapped_column

FabModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

db = SQLA()
Model = FabModel
metadata = FabModel.metadata


class Identified:
    """A surrogate key that PostgreSQL deals out."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, comment="主键")


class Stamped:
    """When the row came into being and when it last changed, by the database's clock."""

    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="创建时间")
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now(), comment="更新时间"
    )


class Flowing(Identified, Stamped):
    """What the workflow engine needs of an entity: a state that it alone writes, and a version against stale pages."""

    version: Mapped[int] = mapped_column(Integer, server_default="1", default=1, comment="版本号")
    prior_state: Mapped[str | None] = mapped_column(String(24), comment="此前状态")
    reason: Mapped[str | None] = mapped_column(String(500), comment="原因")


def one_of(column: str, values: type[StrEnum], *, nullable: bool = False) -> CheckConstraint:
    """A CHECK that a text column holds a member of `values`; named after the column."""
    members = ", ".join(f"'{v.value}'" for v in values)
    test = f"{column} IN ({members})"
    return CheckConstraint(f"{column} IS NULL OR {test}" if nullable else test, name=column)
