"""No page, list, JSON or export of any role carries a number in full, but the unit's own (SUP-12; case 60)."""

from __future__ import annotations

import pytest

from app.access.masking import for_log, scrub
from models.types import mask_id_number, mask_name, mask_phone
from tests.client import login, text, visitor
from tests.personal.numbers import PERSON_ID, STRANGERS, body_of, numbers_of


@pytest.fixture(scope="module")
def numbers(app, world):
    return numbers_of(app, world)


@pytest.mark.feature("SUP-12")
@pytest.mark.parametrize("who", STRANGERS)
def test_no_page_of_a_row_shows_a_number_in_full(app, world, numbers, who):
    """Pages without a row are searched by tests/rules/test_leaks.py, which asks for each of them anyway."""
    client, read = visitor(app) if who == "anon" else login(app, world, who), 0
    for address in numbers["pages"]:
        answer = client.get(address)
        body = body_of(answer)
        if address.startswith("/search"):
            body = body.replace(numbers["phone"], "", body.count(f'value="{numbers["phone"]}"'))
        leaked = [s for s in numbers["secrets"] if s in body and not (address.startswith("/search"))]
        assert not leaked, f"{who} {address} shows {leaked}"
        read += answer.status_code == 200
    assert (read > 1) == (who not in {"recB", "ua2", "anon"}), (
        "who has nothing to do with the unit opens none of its rows"
    )


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
