"""After people have worked, nothing that leaves the process shows a number in clear (I-29, must-never case 81).

The database as COPY writes it, the upload store with what is inside of workbooks and archives, every key of Redis, and
everything that was logged, are searched for the phones, ID numbers, passwords and links that the flow used.
"""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path

import pytest
from openpyxl import load_workbook
from sqlalchemy import select, update

from app.access.principal import as_system
from app.channels.deliver import deliver
from app.operations import account as accounts
from app.operations.codes import send_code
from models import Account, DevelopmentMail, Unit, UnitContact
from models.base import db
from models.enums import AccountKind, Role
from models.types import blind_index
from tests.client import log_in, login, post, text, visitor
from tests.personal.support import confirm, dump_of, in_redis, stored_files
from tests.world import PASSWORD, PNG, filed, new_unit, slot_of

ORDER_PHONE, SMS_PHONE, CONTACT_PHONE, TYPED_PHONE = "13912340987", "13787654321", "13500005678", "13611110000"
LANDLINE = "020-87654321"
PERSON_ID, LEGAL_ID = "440103199003070017", "44010319650505001X"
SHEET_PHONE = "13922224444"
MARK = b"\x89PNG\r\n\x1a\n" + b"440103199003070017" * 8
"""A scan that shows an ID number: as text, so that the search would find it."""


class Everything(logging.Handler):
    """Keeps every record with its traceback, the way an error tracker would be sent it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter("%(name)s %(message)s").format(record))


@pytest.fixture
def logged():
    handler, root = Everything(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for quiet in ("PIL", "fontTools", "matplotlib"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def workbook() -> bytes:
    """The ledger sample with a phone in a column nobody knows: the upload is kept, so it must be kept sealed."""
    book = load_workbook(Path(__file__).parent.parent / "samples" / "ledger_with_mistakes.xlsx")
    sheet = book.active
    header = next(
        r for r in range(1, 10) if any("名称" in str(c.value or "") for c in sheet[r]) and sheet.cell(r, 3).value
    )
    column = sheet.max_column + 1
    sheet.cell(header, column).value = "联系电话"
    sheet.cell(header + 1, column).value = SHEET_PHONE
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def flow(app, world, monkeypatch) -> set[str]:
    """What people do; gives the secrets that came into being on the way."""
    session = db.session()
    new_unit(world, "udump", "440103", "recA", "A")
    with as_system("test"):
        account = session.get(Account, world.people["udump"])
        account.id_number, account.id_number_index = PERSON_ID, blind_index(PERSON_ID)
        phone, unit = account.phone, session.get(Unit, world.units["udump"])
        unit.legal_person, unit.legal_id_number = "周建国", LEGAL_ID
        session.add(UnitContact(unit_id=unit.id, name="孙丽", phone=CONTACT_PHONE))
        accounts.store_papers(session, account, [accounts.Paper("licence", "证照", "证照.png", MARK)])
        session.commit()
        _made, link = accounts.issue_account(
            session,
            world.principal("adm"),
            kind=AccountKind.REGULATOR,
            username=f"dump{account.id}",
            name="钱进",
            roles=[Role.REG],
            area="4401",
            email=f"dump{account.id}@example.com",
            phone=TYPED_PHONE,
        )
        send_code(session, purpose="login", phone=SMS_PHONE)
        session.commit()
    before_delivery = dump_of(app.config["SQLALCHEMY_DATABASE_URI"])
    assert_clean("database before delivery", before_delivery, {phone, link, TYPED_PHONE, SMS_PHONE})
    with as_system("test"):
        deliver(session)
    pages(app, world, monkeypatch, phone)
    return {phone, link}


def pages(app, world, monkeypatch, phone: str) -> None:
    """The same people in their browsers, and what goes wrong there."""
    instrument = filed(world, "udump")
    slot = slot_of(world, "A")
    unit, reception, regulator = (login(app, world, n) for n in ("udump", "recA", "regA1"))
    log_in(visitor(app), phone, "not-the-password-1")
    log_in(visitor(app), PERSON_ID, "not-the-password-1")
    form = {
        "ids": str(instrument.id),
        "slot_id": str(slot.id),
        "contact_name": "王小明",
        "contact_phone": ORDER_PHONE,
        "note": "",
    }
    assert post(unit, "/book/time", form).status_code == 200
    with monkeypatch.context() as broken:
        broken.setattr("views.booking.book", crash)
        assert post(unit, "/book/submit", {**form, "act": "submit"}).status_code == 500
    done = post(unit, "/book/submit", {**form, "act": "submit"})
    assert done.status_code == 303, text(done)
    order = int(done.location.rsplit("/", 1)[1])
    unit.get(f"/search?q={ORDER_PHONE}")
    unit.get(f"/nothing/{PERSON_ID}?phone={ORDER_PHONE}")
    post(unit, "/book/submit", {**form, "slot_id": "9" * 18, "act": "submit"})
    shown = post(reception, f"/unmask/appointment-phone/{order}", {"reason": f"请回电{TYPED_PHONE}确认时间"})
    assert ORDER_PHONE in text(shown)
    person = world.people["udump"]
    assert PERSON_ID in text(post(regulator, f"/unmask/account-id-number/{person}", {"reason": "核对登记的身份信息"}))
    post(unit, "/imports/new", {"file": (io.BytesIO(workbook()), "台账.xlsx")}, page="/imports/new")
    for table in ("register", "recover"):
        visitor(app).get(f"/{table}?phone={SMS_PHONE}")
    confirm(app, person)
    assert post(unit, "/me/data/export").status_code == 200


def crash(*_args, **_kwargs):
    raise RuntimeError("the disk is full")


def assert_clean(where: str, found: dict[str, str], secrets: set[str]) -> None:
    """No text holds any of the secrets, in whatever way a number may be cut up."""
    pattern = re.compile("|".join(sorted(map(re.escape, secrets))))
    hits = {name: sorted(set(pattern.findall(body))) for name, body in found.items() if pattern.search(body)}
    assert hits == {}, f"{where}: {hits}"


def jobs_run(world) -> None:
    """What the worker would do with the upload."""
    from app.operations.job import run_job, waiting_jobs

    for job_id in waiting_jobs(db.session(), db.engine):
        run_job(db.session(), job_id)


@pytest.mark.feature("SUP-12")
def test_nothing_stored_or_logged_shows_a_number(app, world, session, monkeypatch, logged):
    secrets = flow(app, world, monkeypatch)
    jobs_run(world)
    session.rollback()
    secrets |= {ORDER_PHONE, SMS_PHONE, CONTACT_PHONE, TYPED_PHONE, PERSON_ID, LEGAL_ID, PASSWORD, LANDLINE}
    with as_system("test"):
        deliver(session)
        bodies = [b for b in session.execute(select(DevelopmentMail.body)).scalars() if "验证码" in b]
        assert bodies, "messages were kept, and are readable through the model"
    dump = dump_of(app.config["SQLALCHEMY_DATABASE_URI"])
    assert len(dump["public.account"]) > 1_000
    assert_clean("database", dump, secrets | {SHEET_PHONE})
    files = stored_files(Path(app.config["UPLOAD_DIR"]))
    assert len(files) > 2
    assert_clean("upload store", files, secrets | {SHEET_PHONE})
    assert_clean("redis", in_redis(app.config["REDIS_URL"]), secrets | {PASSWORD})
    assert len(logged.lines) > 5
    assert any("the disk is full" in line for line in logged.lines), "the crash was logged"
    assert_clean("logs", dict(enumerate_lines(logged.lines)), secrets)


def enumerate_lines(lines: list[str]) -> list[tuple[str, str]]:
    return [(line[:200], line) for line in lines]


def test_the_search_would_find_one(app, world, session):
    """The same search over a row put in by hand: a search that finds nothing must be able to find something."""
    with as_system("test"):
        session.execute(update(Unit).where(Unit.id == world.units["ua1"]).values(address=f"联系{TYPED_PHONE}"))
        session.commit()
        try:
            with pytest.raises(AssertionError, match=r"public\.unit"):
                assert_clean("database", dump_of(app.config["SQLALCHEMY_DATABASE_URI"]), {TYPED_PHONE})
        finally:
            session.execute(update(Unit).where(Unit.id == world.units["ua1"]).values(address="人民路2号"))
            session.commit()


def test_a_private_paper_is_read_by_its_owner_and_leaves_a_line_for_others(app, world, session):
    from models import Attachment, AuditLog

    with as_system("test"):
        account = session.get(Account, world.people["ua1"])
        accounts.store_papers(session, account, [accounts.Paper("licence", "证照", "证照.png", PNG + b"own")])
        session.commit()
        paper = session.execute(
            select(Attachment).where(Attachment.owner_id == account.id, Attachment.kind == "licence")
        ).scalar_one()
        pk, size = paper.id, paper.size
    before = _read_lines(session, AuditLog)
    own = login(app, world, "ua1").get(f"/files/{pk}")
    assert (own.status_code, len(own.data)) == (200, size)
    assert own.data.endswith(b"own")
    assert _read_lines(session, AuditLog) == before
    assert login(app, world, "regA1").get(f"/files/{pk}").status_code == 200
    assert _read_lines(session, AuditLog) == before + 1


def _read_lines(session, model) -> int:
    from sqlalchemy import func

    session.rollback()
    with as_system("test"):
        return session.scalar(select(func.count()).select_from(model).where(model.action == "read_paper"))
