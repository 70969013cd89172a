"""Every number of unit ua1 and its people, the rows that hold them, and how an answer is searched for them."""

from __future__ import annotations

import io
import zipfile

from app.access.principal import as_system
from models import Account, Unit, UnitContact
from models.base import db
from models.types import blind_index
from tests.personal.states import over
from tests.world import booked

STRANGERS = ["recA", "verA", "aprA", "imgA", "recB", "regA1", "regA", "regP", "aud", "adm", "sec", "ua2", "anon"]
"""People who may read none of them in full."""
PERSON_ID, LEGAL_ID, CONTACT_PHONE = "440103198812120012", "440103197107070034", "13599990001"
SKIPPED = ("/logout", "/healthz", "/brand.css")


def numbers_of(app, world) -> dict:
    """Every number of unit ua1 and its people, and the rows that hold them."""
    with app.app_context():
        live, gone = booked(world, "ua1"), over(world, "ua1")
        with as_system("test"):
            account, unit = db.session.get(Account, world.people["ua1"]), db.session.get(Unit, world.units["ua1"])
            account.id_number, account.id_number_index = PERSON_ID, blind_index(PERSON_ID)
            unit.legal_id_number = LEGAL_ID
            db.session.add(UnitContact(unit_id=unit.id, name="李四", phone=CONTACT_PHONE))
            db.session.commit()
            found = {
                "secrets": {account.phone, unit.contact_phone, PERSON_ID, LEGAL_ID, CONTACT_PHONE},
                "pages": [
                    f"/appointments/show/{live.id}",
                    f"/appointments/show/{gone.id}",
                    f"/accounts/show/{account.id}",
                    f"/units/show/{unit.id}",
                    f"/items/show/{live.items[0]}",
                    f"/instruments/show/{live.instruments[0]}",
                    f"/api/v1/appointments/{live.id}",
                    f"/api/v1/items/{live.items[0]}",
                    f"/appointments/sheet/{live.id}",
                    f"/search?q={account.phone}",
                ],
                "phone": account.phone,
            }
        db.session.remove()
    return found


def body_of(answer) -> str:
    """A page, JSON, or what is inside of a workbook or archive."""
    if answer.data[:2] == b"PK" and zipfile.is_zipfile(io.BytesIO(answer.data)):
        with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
            return "\n".join(archive.read(m).decode("utf-8", "replace") for m in archive.namelist())
    if answer.data[:4] == b"%PDF":
        from pypdf import PdfReader

        return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.data)).pages)
    return answer.get_data(as_text=True)
