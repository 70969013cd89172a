"""我的质量信息 (ORG-14): how the unit's instruments stand; every number is a count of the ledger or of certificates."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.operations.band import Band, band_condition
from models.certificate import Certificate
from models.enums import CertificateState, Conclusion, InstrumentState
from models.instrument import Instrument

BANDS = (Band.GOOD, Band.DUE, Band.OVERDUE, Band.FAILED, Band.NEVER)


@dataclass(frozen=True, slots=True)
class Quality:
    """Instruments in use by band, and certificates in force by result."""

    in_use: int
    bands: dict[Band, int]
    passed: int
    failed: int

    @property
    def rate(self) -> float | None:
        """Passed of all results in percent, None before the first result."""
        total = self.passed + self.failed
        return round(100 * self.passed / total, 1) if total else None


def quality_of(session: Session, p: Principal) -> Quality:
    """The numbers of the principal's unit."""
    today = clock.today()
    own = Instrument.unit_id == p.unit_id

    def instruments(condition: ColumnElement[bool]) -> int:
        return session.scalar(select(func.count(Instrument.id)).where(own, condition)) or 0

    results = select(Certificate.conclusion, func.count(Certificate.id)).where(
        Certificate.unit_id == p.unit_id, Certificate.state == CertificateState.ISSUED
    )
    by_result = dict(session.execute(results.group_by(Certificate.conclusion)).tuples().all())
    return Quality(
        in_use=instruments(Instrument.state == InstrumentState.IN_USE),
        bands={band: instruments(band_condition(band, today)) for band in BANDS},
        passed=by_result.get(Conclusion.PASS.value, 0),
        failed=by_result.get(Conclusion.FAIL.value, 0),
    )
