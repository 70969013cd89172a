"""The key in the platform: every issued paper is signed, read back and compared; keys change, files stay good."""

import io

import pytest
from pypdf import PdfReader

from app import filestore
from app.access.principal import as_system
from app.documents.signature import KeyUnusableError
from app.documents.signature_key import make_demo_key
from app.operations import signing
from app.operations.certificate import publish_certificate
from app.operations.signing import check_file, check_signing, key_for
from app.workflow import CERTIFICATE, fire
from models import Certificate
from models.base import db
from tests.client import login, post
from tests.signing.keys import pyhanko_says
from tests.world import booked, drafted, issued

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def config(app):
    """Settings of this test alone."""
    before = dict(app.config)
    yield app.config
    app.config.clear()
    app.config.update(before)


def row_of(pk):
    with as_system("test"):
        db.session.expire_all()
        row = db.session.get(Certificate, pk)
        assert row.institute.code
        return row


def stored(pk):
    return filestore.read(row_of(pk).pdf_sha256)


def approved(world):
    """A certificate that waits for its paper."""
    pk = drafted(world, booked(world, "ua1").items[0])
    for who, step in (("ver", "submit"), ("chk", "check"), ("apr", "issue")):
        with world.acting(f"{who}A") as actor:
            fire(db.session(), CERTIFICATE, pk, step, actor)
            db.session.commit()
    return pk


def correct_and_publish(app, world, pk):
    """A correction through its whole path; the old paper is superseded when the new one is out."""
    verifier = login(app, world, "verA")
    fresh = int(post(verifier, f"/certificates/correct/{pk}", {"reason": "型号录入错误"}).location.rsplit("/", 1)[1])
    post(verifier, f"/certificates/step/submit/{fresh}")
    post(login(app, world, "chkA"), f"/certificates/step/check/{fresh}")
    post(login(app, world, "aprA"), f"/certificates/step/issue/{fresh}")
    with as_system("the worker"):
        publish_certificate(db.session(), fresh)
        db.session.commit()


def own_key(folder, code, owner):
    folder.mkdir(exist_ok=True)
    (folder / f"{code}.p12").write_bytes(make_demo_key(owner, b"pass"))
    (folder / f"{code}.password").write_bytes(b"pass\n")


@pytest.mark.parametrize("conclusion", ["pass", "fail"])
def test_every_issued_paper_is_signed(world, conclusion):
    pk = issued(world, booked(world, "ua1").items[0], conclusion=conclusion)
    data = stored(pk)
    verdict = check_file(data)
    assert verdict.good, verdict.problem
    assert verdict.signer == signing.DEMO_OWNER
    assert pyhanko_says(data, key_for(""))
    field = PdfReader(io.BytesIO(data)).get_fields()["Signature"]
    assert field["/V"]["/Location"] == row_of(pk).facts["institute_name"]


def test_a_demonstration_makes_its_key_once_and_keeps_it_to_itself(app):
    first = key_for("")
    signing._loaded.clear()
    assert key_for("").certificate == first.certificate
    home = signing._folder() / "demo"
    assert {f.name: oct(f.stat().st_mode & 0o777) for f in home.iterdir()} == {
        "demo.p12": "0o600",
        "demo.password": "0o600",
    }
    assert home.stat().st_mode & 0o077 == 0


def test_an_institute_signs_with_its_own_key(world, config, tmp_path):
    code = row_of(issued(world, booked(world, "ua1").items[0])).institute.code
    own_key(tmp_path / "keys", code, "本所签章")
    config["SIGNING_FOLDER"] = str(tmp_path / "keys")
    data = stored(issued(world, booked(world, "ua1").items[0]))
    assert check_file(data).signer == "本所签章"
    assert key_for("another").owner == signing.DEMO_OWNER
    assert key_for("../keys/" + code).owner == signing.DEMO_OWNER


def test_a_changed_key_keeps_old_files_good(world, config, tmp_path):
    old = stored(issued(world, booked(world, "ua1").items[0]))
    own_key(tmp_path, "new", "新签章")
    config["SIGNING_KEY"], config["SIGNING_PASSWORD_FILE"] = str(tmp_path / "new.p12"), str(tmp_path / "new.password")
    new = stored(issued(world, booked(world, "ua1").items[0]))
    assert (check_file(old).signer, check_file(new).signer) == (signing.DEMO_OWNER, "新签章")
    own_key(tmp_path, "new", "更新的签章")  # the same file with another key: read anew without a restart
    assert check_file(stored(issued(world, booked(world, "ua1").items[0]))).signer == "更新的签章"
    assert check_file(old).good
    assert check_file(new).good


def test_a_paper_that_reads_back_wrong_is_not_published(world, monkeypatch):
    pk = approved(world)
    read = filestore.read
    monkeypatch.setattr(filestore, "read", lambda digest: read(digest)[:-1] + b"X")
    with pytest.raises(OSError, match="does not read back"), as_system("test"):
        publish_certificate(db.session(), pk)
    db.session.rollback()
    assert row_of(pk).state == "issuing"
    monkeypatch.undo()
    with as_system("test"):
        assert publish_certificate(db.session(), pk)
        db.session.commit()
    assert row_of(pk).state == "issued"


def test_without_its_key_nothing_is_issued_and_the_outbox_tries_again(world, config):
    pk = approved(world)
    config["SIGNING_KEY"], config["SIGNING_PASSWORD_FILE"] = "/nowhere/key.p12", "/nowhere/password"
    with pytest.raises(KeyUnusableError, match=r"/nowhere/key\.p12"), as_system("test"):
        publish_certificate(db.session(), pk)
    db.session.rollback()
    assert row_of(pk).state == "issuing"
    assert row_of(pk).pdf_sha256 is None


def test_without_its_time_stamping_service_nothing_is_issued(world, config):
    import httpx

    pk = approved(world)
    config["TIMESTAMP_URL"] = "http://127.0.0.1:9/tsa"
    with pytest.raises(httpx.HTTPError), as_system("test"):
        publish_certificate(db.session(), pk)
    db.session.rollback()
    assert row_of(pk).state == "issuing"


def test_production_does_not_start_without_a_key(app, config, tmp_path):
    check_signing(app)
    config["ENVIRONMENT"] = "production"
    with pytest.raises(KeyUnusableError, match="QUANHENG_SIGNING_KEY"):
        check_signing(app)
    own_key(tmp_path, "good", "签章")
    config["SIGNING_KEY"], config["SIGNING_PASSWORD_FILE"] = str(tmp_path / "good.p12"), str(tmp_path / "good.password")
    check_signing(app)
    (tmp_path / "good.password").write_text("wrong")
    signing._loaded.clear()
    with pytest.raises(KeyUnusableError, match=r"good\.p12"):
        check_signing(app)
    assert check_signing in app.extensions["start_checks"]


def test_a_broken_key_of_one_institute_stops_the_start_too(app, config, tmp_path):
    (tmp_path / "A1.p12").write_bytes(b"rubbish")
    (tmp_path / "A1.password").write_text("x")
    config["SIGNING_FOLDER"] = str(tmp_path)
    with pytest.raises(KeyUnusableError, match=r"A1\.p12"):
        check_signing(app)


def words(data):
    return ["".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(data)).pages]


def test_what_no_longer_holds_is_served_marked_and_stays_stored_unchanged(app, world):
    corrected, revoked = (issued(world, booked(world, "ua1").items[0]) for _ in range(2))
    before = {pk: stored(pk) for pk in (corrected, revoked)}
    approver, head, unit = (login(app, world, nick) for nick in ("aprA", "imgA", "ua1"))
    assert unit.get(f"/certificates/pdf/{corrected}").data == before[corrected]
    correct_and_publish(app, world, corrected)
    reason = {"reason": "标准器超差，结果不可靠"}
    post(approver, f"/certificates/step/ask_revocation/{revoked}", reason)
    post(head, f"/certificates/step/revoke/{revoked}", reason)
    for pk, word in ((corrected, "已更正"), (revoked, "已撤销")):
        served = unit.get(f"/certificates/pdf/{pk}").data
        assert served != before[pk]
        assert served.startswith(before[pk])
        assert all(word in text for text in words(served))
        assert stored(pk) == before[pk]
        assert check_file(stored(pk)).good
