"""What a certificate says: plain facts, already checked and fixed when it is issued."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal


@dataclass(frozen=True)
class StandardUsed:
    """A measurement standard used in the verification, with its own certificate."""

    name: str
    range: str
    uncertainty: str
    certificate_no: str
    valid_until: str


@dataclass(frozen=True)
class CertificateFacts:
    """One verification certificate (检定证书) or notice of rejection (检定结果通知书).

    Empty texts and a missing `valid_until` print as "/". `readings` holds
    (item, result, requirement). `failures` names the failed items of a rejection.
    A rejection has no validity, whatever `valid_until` says.
    """

    kind: Literal["certificate", "rejection"]
    number: str
    institute_name: str
    institute_address: str
    institute_phone: str
    authorisation_no: str
    client: str
    client_address: str
    instrument_name: str
    model: str
    serial_no: str
    manufacturer: str
    measuring_range: str
    accuracy_class: str
    conclusion: str
    verified_on: date
    valid_until: date | None
    verifier: str
    checker: str
    approver: str
    regulations: tuple[str, ...]
    standards: tuple[StandardUsed, ...]
    place: str
    temperature: str
    humidity: str
    record_no: str
    readings: tuple[tuple[str, str, str], ...]
    failures: str
    verify_url: str
    lookup_code: str
    issued_on: date

    @property
    def rejected(self) -> bool:
        """True for a notice of rejection."""
        return self.kind == "rejection"

    @property
    def title(self) -> str:
        """The document's name as printed on its cover."""
        return "检定结果通知书" if self.rejected else "检定证书"
