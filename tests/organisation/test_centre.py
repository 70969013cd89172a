"""我的 by role: the menu equals the row of the manual, and what is not in the row cannot be opened."""

import pytest

from tests.client import login
from tests.organisation.support import an_individual, asks, decide, menu

pytestmark = pytest.mark.feature("ORG-01")
LINKS = "/affiliations/list/"
URLS = {
    "我的企业信息": "/unit/master",
    "我的机构信息": "/me/institute",
    "我的业务办理": "/me/business",
    "我的质量信息": "/me/quality",
    "我的检测能力信息": "/capabilities/list/",
    "企业授权": LINKS,
    "我的机构授权": LINKS,
    "我的个人信息": "/me/affiliation",
}
ROWS = {
    "ind": ["我的个人信息", "我的消息", "修改密码"],
    "aff1": ["我的个人信息", "我的业务办理", "我的质量信息", "我的消息", "修改密码"],
    "of_institute": ["我的个人信息", "我的业务办理", "我的消息", "修改密码"],
    "ua1": ["我的企业信息", "我的业务办理", "我的质量信息", "企业授权", "我的消息", "修改密码"],
    "imgA": ["我的机构信息", "我的业务办理", "我的检测能力信息", "修改密码", "我的机构授权"],
    "exp": [],
}


@pytest.fixture(autouse=True)
def national(app, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "national")


@pytest.fixture(scope="module")
def of_institute(app, world):
    """A person linked to institute A."""
    from app.access.principal import as_system
    from models import Institute
    from models.base import db
    from tests.organisation.support import number
    from tests.world import uscc

    code = uscc(number())
    with app.app_context():
        with as_system("test"):
            db.session.get(Institute, world.institutes["A"]).unified_code = code
            db.session.commit()
        db.session.remove()
    nick = an_individual(app, world)
    asks(app, world, nick, code)
    decide(app, world, "imgA", nick, "approve")
    world.people["of_institute"], world.names["of_institute"] = world.people[nick], world.names[nick]
    return nick


@pytest.mark.parametrize("nick", ROWS)
def test_menu_equals_the_row(app, world, of_institute, nick):
    client = login(app, world, nick)
    assert menu(client) == ROWS[nick]
    allowed = {URLS[label] for label in ROWS[nick] if label in URLS}
    for label, url in URLS.items():
        answer = client.get(url)
        if label in ROWS[nick]:
            assert answer.status_code == 200, f"{nick} {label} {url}"
        elif url not in allowed:
            assert answer.status_code == 403, f"{nick} {label} {url}"


def test_experts_have_no_personal_centre(app, world):
    client = login(app, world, "exp")
    for url in ("/me", "/me/edit", "/me/phone", "/me/contact", "/unit", "/staff/list/", "/subaccounts/list/"):
        answer = client.get(url)
        if answer.status_code == 303:  # a changed phone asks for the password first
            assert "/me/confirm" in answer.location
            continue
        assert answer.status_code == (404 if url.startswith("/subaccounts") else 403), url  # not offered here at all


def test_person_of_an_institute_opens_no_quality_page(app, world, of_institute):
    client = login(app, world, "of_institute")
    assert client.get("/me/quality").status_code == 403
    assert client.get("/unit").status_code in {302, 403}


def test_entries_of_the_menu_open(app, world, of_institute):
    """Nobody is shown an entry that answers with a refusal."""
    import re

    from tests.client import text

    for nick in ("sub1", "ua1", "imgA", "recA", "adm", "ind", "aff1", "of_institute"):
        client = login(app, world, nick)
        page = text(client.get("/home/"))
        side = page[page.index('<aside class="side"') : page.index("</aside>")]
        for address in set(re.findall(r'<li><a href="([^"]+)"', side)):
            assert client.get(address, follow_redirects=True).status_code == 200, f"{nick} {address}"
