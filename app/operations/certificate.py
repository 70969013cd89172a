"""From a verifier's result to the paper: recording, and publishing the PDF."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, filestore
from app.access.audit import audit
from app.access.principal import Principal, as_system
from app.documents.certificate import CertificateFacts, StandardUsed, render_certificate
from app.errors import InvalidInputError, NotAllowedError, NotVisibleError, WrongStateError
from app.operations.certificate_files import served_paper
from app.operations.signing import check_file, sign_for
from app.operations.task import begin_task, keep_record, record_task, task_to_record, waits_on_site
from app.workflow import CERTIFICATE, ITEM, bear, fire
from app.workflow.authorisation import capability_of, lapsed, verifier_lapsed
from app.workflow.certificate import expiry
from models.appointment import AppointmentItem
from models.certificate import Certificate
from models.enums import CertificateKind, CertificateState, Conclusion, ItemState

LIVE_PAPER = (CertificateState.DROPPED, CertificateState.SUPERSEDED, CertificateState.REVOKED)
MOST_MONTHS = 120
SNAPSHOT = (
    ("client", "委托单位", True),
    ("client_address", "委托单位地址", False),
    ("instrument_name", "器具名称", True),
    ("model", "型号规格", False),
    ("serial_no", "出厂编号", True),
    ("manufacturer", "生产厂家", False),
    ("measuring_range", "测量范围", False),
    ("accuracy_class", "准确度等级", False),
)
"""What a paper says of client and instrument: key, label, whether it must be there."""
CORRECTION = ("corrects", "correction_reason")
"""What the draft of a correction keeps whatever else is typed anew."""
TEXTS = ("place", "temperature", "humidity", "record_no", "accuracy_result", "failures", "validity_reason")


def record_result(session: Session, actor: Principal, item_id: int, form: Mapping[str, Any]) -> Certificate:
    """Record a verification: begins it if need be and drafts the paper that the conclusion asks for. Where the counter
    made a task, its step is taken in the same transaction; on site there is no reception, and recording begins (VER-03).

    `form`: conclusion pass/fail, verified_on (date), cycle_months, valid_until, place, temperature, humidity,
    readings (rows of item, result, requirement), failures. Raises InvalidInputError with problems by field.
    """
    item = session.execute(select(AppointmentItem).where(AppointmentItem.id == item_id)).scalar_one_or_none()
    if item is None:
        raise NotVisibleError
    task = task_to_record(session, actor, item)
    problems = _problems(session, item, form, actor)
    if problems:
        raise InvalidInputError("检定记录有误，请按提示修改。", problems=problems)
    if task is not None:
        begin_task(session, actor, task, form)
        session.refresh(item)
    elif item.state == ItemState.RECEIVED or waits_on_site(item):
        item = fire(session, ITEM, item.id, "begin", actor)
    if item.state != ItemState.VERIFYING:
        raise WrongStateError(f"当前状态为“{ITEM.label_of(item.state)}”，不能执行“录入结果”。")
    if _live_paper(session, item.id) is not None:
        raise WrongStateError("该器具已有编制中的证书，请打开证书继续办理。")
    certificate = _draft(session, actor, item, form)
    bear(session, certificate, "create", actor, {"conclusion": certificate.conclusion})
    if task is not None:
        record_task(session, actor, task, form)
    return certificate


def edit_result(
    session: Session, actor: Principal, certificate_id: int, form: Mapping[str, Any], *, seen_version: int | None
) -> Certificate:
    """Correct a draft, for instance after the checker sent it back or because an issued paper is replaced.

    `form` as for `record_result`, and "snapshot": what the paper says of client and instrument, by the keys of SNAPSHOT.
    The ledger keeps what it says; a paper follows the plate.
    """
    certificate = session.get(Certificate, certificate_id)
    if certificate is None:
        raise NotVisibleError
    snapshot = snapshot_of(form)
    problems = _problems(session, certificate.item, form, actor) | _snapshot_problems(snapshot)
    if problems:
        raise InvalidInputError("检定记录有误，请按提示修改。", problems=problems)

    def retype(paper: Certificate) -> None:
        fresh = _draft(session, actor, paper.item, form)
        for name in ("kind", "conclusion", "verified_on", "cycle_months", "valid_until", "validity_reason", "facts"):
            value = getattr(fresh, name)
            if name == "facts":
                value = {**value, **{k: paper.facts[k] for k in CORRECTION if k in paper.facts}, **snapshot}
            setattr(paper, name, value)
        session.expunge(fresh) if fresh in session else None

    changed: Certificate = fire(
        session, CERTIFICATE, certificate_id, "edit", actor, seen_version=seen_version, change=retype
    )
    keep_record(session, changed.item_id, form)
    return changed


def snapshot_of(form: Mapping[str, Any]) -> dict[str, str]:
    """What of client and instrument was typed for the paper; nothing when the form did not ask."""
    typed = form.get("snapshot") or {}
    return {key: str(typed[key] or "").strip()[:200] for key, _label, _must in SNAPSHOT if key in typed}


def _snapshot_problems(snapshot: Mapping[str, str]) -> dict[str, str]:
    return {
        key: f"请填写“{label}”。" for key, label, must in SNAPSHOT if must and key in snapshot and not snapshot[key]
    }


def _live_paper(session: Session, item_id: int) -> Certificate | None:
    statement = select(Certificate).where(Certificate.item_id == item_id, Certificate.state.not_in(LIVE_PAPER))
    return session.execute(statement).scalars().first()


def _problems(session: Session, item: AppointmentItem, form: Mapping[str, Any], actor: Principal) -> dict[str, str]:
    found: dict[str, str] = {}
    if form.get("conclusion") not in set(Conclusion):
        found["conclusion"] = "请选择检定结论。"
    day = form.get("verified_on")
    if not isinstance(day, date):
        found["verified_on"] = "请填写“检定日期”，例如 2026-11-20。"
    elif day > clock.today():
        found["verified_on"] = "检定日期不能晚于今天。"
    elif what := lapsed(session, item.institute_id, item.instrument.category_id, day):
        found["verified_on"] = f"检定日当天{what}已失效，不能出具证书。"
    elif said := verifier_lapsed(session, actor.account_id, item.institute_id, item.instrument.category_id, day):
        found["verified_on"] = f"检定日当天您{said}，不能出具证书。"
    for key, label in (("place", "检定地点"), ("temperature", "温度"), ("humidity", "湿度")):
        if not str(form.get(key) or "").strip():
            found[key] = f"请填写“{label}”。"
    return found | _reading_problems(form) | _validity_problems(form)


def _reading_problems(form: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    readings = form.get("readings") or []
    if not readings:
        found["readings"] = "请至少填写一项检定结果。"
    for number, row in enumerate(readings, 1):
        if not all(str(cell).strip() for cell in row[:2]):
            found["readings"] = f"第{number}项数据未填写。"
    if form.get("conclusion") == Conclusion.FAIL and not str(form.get("failures") or "").strip():
        found["failures"] = "检定不合格时，请填写不合格项。"
    return found


def _validity_problems(form: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    day = form.get("verified_on")
    if form.get("conclusion") == Conclusion.PASS and form.get("valid_until") is None and not form.get("cycle_months"):
        found["cycle_months"] = "请填写检定周期（月）或有效期至。"
    months, until = form.get("cycle_months"), form.get("valid_until")
    if months and not 1 <= int(months) <= MOST_MONTHS:
        found["cycle_months"] = f"“检定周期（月）”须为1～{MOST_MONTHS}的整数。"
    if isinstance(day, date) and isinstance(until, date) and until <= day:
        found["valid_until"] = "“有效期至”须晚于检定日期。"
    return found


def _draft(session: Session, actor: Principal, item: AppointmentItem, form: Mapping[str, Any]) -> Certificate:
    """A certificate with a snapshot of everything as it is on this day: the paper never changes afterwards."""
    instrument, institute = item.instrument, item.institute
    if institute is None:  # an item that an institute verifies has one (ck assigned_has_institute)
        raise NotVisibleError
    passed = form["conclusion"] == Conclusion.PASS
    months = int(form["cycle_months"]) if form.get("cycle_months") else None
    until = form.get("valid_until")
    if passed and until is None and months:
        until = expiry(form["verified_on"], months)
    capability = capability_of(session, institute.id, instrument.category_id)
    facts: dict[str, Any] = {
        "institute_name": institute.name,
        "institute_address": institute.address,
        "institute_phone": institute.phone,
        "authorisation_no": institute.authorisation_no,
        "client": item.unit.name,
        "client_address": item.unit.address,
        "instrument_name": instrument.name,
        "model": instrument.model,
        "serial_no": instrument.serial_no,
        "manufacturer": instrument.manufacturer,
        "measuring_range": instrument.measuring_range,
        "accuracy_class": instrument.accuracy_class,
        "verifier": actor.name,
        "readings": [[str(c).strip() for c in (*row, "", "")[:3]] for row in form["readings"]],
        **{key: str(form.get(key) or "").strip()[:500] for key in TEXTS},
    }
    if capability is not None:
        facts |= {
            "regulations": [capability.regulation],
            "standards": [
                [
                    capability.standard_name,
                    capability.standard_range,
                    capability.standard_uncertainty,
                    capability.standard_certificate,
                    capability.standard_valid_until.isoformat(),
                ]
            ],
        }
    return Certificate(
        kind=CertificateKind.CERTIFICATE if passed else CertificateKind.REJECTION,
        conclusion=form["conclusion"],
        item_id=item.id,
        instrument_id=instrument.id,
        unit_id=item.unit_id,
        institute_id=institute.id,
        use_division=item.use_division,
        verified_on=form["verified_on"],
        cycle_months=months if passed else None,
        valid_until=until if passed else None,
        validity_reason=str(form.get("validity_reason") or "")[:500] or None,
        facts=facts,
        verifier_id=actor.account_id,
    )


# -- the paper -------------------------------------------------------------------------------------------------------


def verify_url(certificate: Certificate) -> str:
    """The address in the QR code; the code in it keeps people from counting through the numbers. A draft has none yet."""
    if certificate.number is None:
        return f"{current_app.config['BASE_URL']}/v"
    return f"{current_app.config['BASE_URL']}/v/{certificate.number}/{certificate.lookup_code}"


def facts_of(certificate: Certificate) -> CertificateFacts:
    """What is printed, from the frozen snapshot and the signatures."""
    f: dict[str, Any] = dict(certificate.facts)
    issued = certificate.issued_at.astimezone(clock.ZONE).date() if certificate.issued_at else clock.today()
    passed = certificate.conclusion == Conclusion.PASS
    return CertificateFacts(
        kind="certificate" if passed else "rejection",
        number=certificate.number or "（草稿）",
        institute_name=f["institute_name"],
        institute_address=f["institute_address"],
        institute_phone=f["institute_phone"],
        authorisation_no=f["authorisation_no"],
        client=f["client"],
        client_address=f["client_address"],
        instrument_name=f["instrument_name"],
        model=f["model"],
        serial_no=f["serial_no"],
        manufacturer=f["manufacturer"],
        measuring_range=f["measuring_range"],
        accuracy_class=f["accuracy_class"],
        conclusion=(f.get("accuracy_result") or "合格") if passed else "不合格",
        verified_on=certificate.verified_on,
        valid_until=certificate.valid_until,
        verifier=f["verifier"],
        checker=f.get("checker") or (certificate.checker.name if certificate.checker else ""),
        approver=f.get("approver") or "",
        regulations=tuple(f.get("regulations") or ()),
        standards=tuple(StandardUsed(s[0], s[1], s[2], s[3], s[4]) for s in f.get("standards") or ()),
        place=f["place"],
        temperature=f["temperature"],
        humidity=f["humidity"],
        record_no=f.get("record_no") or "",
        readings=tuple(tuple(row) for row in f["readings"]),
        failures=f.get("failures") or "",
        verify_url=verify_url(certificate),
        lookup_code=certificate.lookup_code or "",
        issued_on=issued,
    )


def publish_certificate(session: Session, certificate_id: int) -> bool:
    """Render, sign, store, read back, publish; called by the outbox until it has happened, so a kill loses nothing.

    Returns False when the certificate is not waiting for its paper (published before, or sent back).
    """
    with as_system("publishing follows from the approver's signature") as system:
        statement = select(Certificate).where(Certificate.id == certificate_id).with_for_update()
        certificate = session.execute(statement).unique().scalar_one_or_none()
        if certificate is None or certificate.state != CertificateState.ISSUING:
            return False
        data = signed_paper(certificate)
        digest = filestore.put(data)
        stored = filestore.read(digest)
        verdict = check_file(stored)
        if stored != data or not verdict.good:
            raise OSError(f"the stored certificate does not read back: {verdict.problem}")

        def file_it(row: Certificate) -> None:
            row.pdf_sha256, row.pdf_size, row.published_at = digest, len(data), clock.now()

        fire(session, CERTIFICATE, certificate.id, "publish", system, change=file_it)
        audit(session, "publish_certificate", entity="certificate", entity_id=certificate.number)
        return True


def signed_paper(certificate: Certificate) -> bytes:
    """The paper as it is issued: rendered from the frozen facts, signed with the institute's key (PAdES)."""
    facts = facts_of(certificate)
    buffer = io.BytesIO()
    render_certificate(facts, buffer)
    return sign_for(certificate.institute, buffer.getvalue(), title=facts.title)


def preview(certificate: Certificate) -> bytes:
    """The paper of a draft, for the signers' eyes; not stored."""
    buffer = io.BytesIO()
    render_certificate(facts_of(certificate), buffer)
    return buffer.getvalue()


def paper(session: Session, certificate_id: int) -> tuple[Certificate, bytes]:
    """The PDF of a certificate the principal sees: as issued, or a marked copy of one corrected or revoked."""
    certificate = session.get(Certificate, certificate_id)
    if certificate is None:
        raise NotVisibleError
    if certificate.pdf_sha256 is None:
        raise NotAllowedError("证书尚未生成，请稍后再下载。")
    return certificate, served_paper(certificate)


# -- correcting an issued paper ----------------------------------------------------------------------------------------


def correct_certificate(
    session: Session, actor: Principal, certificate_id: int, reason: str, *, seen_version: int | None = None
) -> Certificate:
    """Begin the correction of an issued paper; returns the draft of its replacement.

    The new paper belongs to the verifier who begins it and walks the whole path (checked, approved, own number). The old
    one stays in force until then, so that no instrument loses its validity while a letter is being corrected.
    """
    old: Certificate = fire(
        session, CERTIFICATE, certificate_id, "begin_correction", actor, {"reason": reason}, seen_version=seen_version
    )
    statement = select(Certificate).where(Certificate.supersedes_id == old.id).order_by(Certificate.id.desc())
    fresh: Certificate = session.execute(statement.limit(1)).scalar_one()
    return fresh
