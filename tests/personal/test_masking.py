"""No page, list, JSON or export of any role carries a number in full, but the unit's own (SUP-12; case 60)."""

from __future__ import annotations

import io
import zipfile

import pytest

from app.access.masking import for_log, scrub
from app.access.principal import as_system
from models import Account, Unit, UnitContact
from models.base import db
from models.types import blind_index, mask_id_number, mask_name, mask_phone
from tests.client import login, text, visitor
from tests.personal.states import over
from tests.rules.leaks import plain_routes
from tests.world import booked

PEOPLE = ["recA", "verA", "aprA", "imgA", "recB", "regA1", "regA", "regP", "aud", "adm", "sec", "ua2", None]
PERSON_ID, LEGAL_ID, CONTACT_PHONE = "440103198812120012", "440103197107070034", "13599990001"
SKIPPED = ("/logout", "/healthz", "/brand.css")


@pytest.fixture(scope="module")
def numbers(app, world):
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


@pytest.mark.feature("SUP-12")
@pytest.mark.parametrize("who", PEOPLE)
def test_no_page_shows_a_number_in_full(app, world, numbers, who):
    client = login(app, world, who) if who else visitor(app)
    read = 0
    for address in [*plain_routes(app), *numbers["pages"]]:
        if address.startswith(SKIPPED):
            continue
        answer = client.get(address)
        body = body_of(answer)
        if address.startswith("/search"):
            body = body.replace(numbers["phone"], "", body.count(f'value="{numbers["phone"]}"'))
        leaked = [s for s in numbers["secrets"] if s in body and not (address.startswith("/search"))]
        assert not leaked, f"{who} {address} shows {leaked}"
        read += answer.status_code == 200
    assert read > 5


@pytest.mark.feature("SUP-12")
def test_the_unit_reads_its_own(app, world, numbers):
    client = login(app, world, "ua1")
    assert numbers["phone"] in text(client.get(numbers["pages"][0])), "a search that finds nothing must be able to"
    assert PERSON_ID not in text(client.get("/me")), "one's own ID number: the first three and last four only"


@pytest.mark.feature("SUP-12")
@pytest.mark.parametrize(
    "mask, value, shown",
    [
        (mask_phone, "13312341111", "133****1111"),
        (mask_name, "王小明", "王**"),
        (mask_name, "王", "王*"),
        (mask_id_number, "440103199001010014", "440***********0014"),
        (mask_phone, None, ""),
    ],
)
def test_the_forms_of_the_masks(mask, value, shown):
    assert mask(value) == shown


def test_what_a_log_may_keep():
    kept = for_log(
        {
            "reason": "请联系13912345678，身份证440103199001010014，编号9144010112345678",
            "contact_phone": ["13912345678", "13812345678"],
            "changed": {
                "contact_name": ["王小明", "李四"],
                "name": ["甲公司", "乙公司"],
                "legal_id_number": "440103199001010014",
            },
            "password": "secret",
            "corrected": {
                "法定代表人/负责人": ["周建国", "周建"],
                "手机号": ["13912345678", ""],
                "企业名称": ["甲", "乙"],
            },
            "email": "wang@example.com",
            "serial_no": "13912345678",
            "phone": "139****5678",
            "count": 3,
        }
    )
    assert kept == {
        "reason": "请联系139****5678，身份证440***********0014，编号9144010112345678",
        "contact_phone": ["139****5678", "138****5678"],
        "changed": {
            "contact_name": ["王**", "李*"],
            "name": ["甲公司", "乙公司"],
            "legal_id_number": "440***********0014",
        },
        "corrected": {"法定代表人/负责人": ["周**", "周*"], "手机号": ["139****5678", ""], "企业名称": ["甲", "乙"]},
        "email": "w***@example.com",
        "serial_no": "13912345678",
        "phone": "139****5678",
        "count": 3,
    }
    assert scrub("91440101MA59D9XX7B") == "91440101MA59D9XX7B"


@pytest.mark.feature("SUP-12")
@pytest.mark.parametrize(
    "who, full", [("adm", False), ("aud", False), ("sec", False), ("recA", False), ("regA1", True)]
)
def test_names_of_people_who_registered(app, world, numbers, who, full):
    """ROLES 4: administrators and auditors read 王*, institutes too once the registration is decided."""
    client = login(app, world, who)
    page = text(client.get(next(p for p in numbers["pages"] if p.startswith("/accounts"))))
    assert "王" in page
    assert ("王小明" in page) == full


@pytest.mark.feature("SUP-12")
@pytest.mark.parametrize("who, full", [("recA", False), ("regA1", True), ("adm", False), ("ua1", True)])
def test_names_of_contacts_of_units(app, world, numbers, who, full):
    page = text(login(app, world, who).get(next(p for p in numbers["pages"] if p.startswith("/units"))))
    assert ("王小明" in page) == full
