"""Many papers at once: three of five ticked, one print job, a job above twenty, and nothing of others."""

import io
import zipfile

import pytest
from pypdf import PdfReader
from sqlalchemy import select

from app import filestore
from app.access.principal import as_system
from app.operations import certificate_files as files
from app.operations.job import run_job
from models import Attachment, Certificate, Job
from models.base import db
from tests.client import login, post, text
from tests.world import booked, drafted, issued


@pytest.fixture(scope="module")
def papers(app, world):
    """Five certificates of ua1 with names that Windows could spoil, one draft, and one certificate of ub1."""
    with app.app_context():
        order = booked(world, "ua1", count=5, name="电子计价秤/镕𠮷")
        made = {"ids": [issued(world, item) for item in order.items]}
        made["draft"] = drafted(world, booked(world, "ua1").items[0])
        made["foreign"] = issued(world, booked(world, "ub1", "B", division="440304").items[0], "B")
        with as_system("test"):
            rows = [db.session.get(Certificate, pk) for pk in made["ids"]]
            made["names"] = [f"{r.number}_电子计价秤-镕𠮷_{r.facts['serial_no']}.pdf" for r in rows]
            made["numbers"] = [r.number for r in rows]
            made["pdfs"] = [filestore.read(r.pdf_sha256) for r in rows]
            made["foreign_number"] = db.session.get(Certificate, made["foreign"]).number
        db.session.remove()
    return made


def batch(client, act, ids, **more):
    return post(client, "/certificates/action_post", {"action": act, "rowid": [str(pk) for pk in ids], **more})


@pytest.mark.feature("VER-08")
@pytest.mark.parametrize("who", ["ua1", "recA"])
def test_three_of_five_ticked_make_a_zip_of_three(app, world, papers, who):
    client = login(app, world, who)
    page = text(client.get("/certificates/list/"))
    for word in ("批量下载", "批量打印", "压缩打包", "打印贴纸"):
        assert word in page
    ticked = [0, 2, 4]
    answer = batch(client, files.ZIP, [papers["ids"][n] for n in ticked])
    assert answer.mimetype == "application/zip"
    assert "attachment" in answer.headers["Content-Disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert archive.testzip() is None
    assert archive.namelist() == [papers["names"][n] for n in ticked]
    for info, n in zip(archive.infolist(), ticked, strict=True):
        assert info.flag_bits & 0x800, "UTF-8 is declared: Windows shows the name whole"
        assert not set(info.filename) & set('\\/:*?"<>|')
        assert archive.read(info) == papers["pdfs"][n]
        assert len(PdfReader(io.BytesIO(archive.read(info))).pages) == 2
    listed = client.get(batch(client, files_each(), [papers["ids"][n] for n in ticked]).location)
    said = text(listed)
    for n in range(5):
        assert (papers["numbers"][n] in said) == (n in ticked)
        assert (f"/certificates/pdf/{papers['ids'][n]}" in said) == (n in ticked)


def files_each():
    from views.certificate_batch import EACH

    return EACH


@pytest.mark.feature("VER-16")
def test_one_print_job_has_all_pages(app, world, papers):
    answer = batch(login(app, world, "ua1"), files.PRINT, papers["ids"])
    assert answer.mimetype == "application/pdf"
    assert "inline" in answer.headers["Content-Disposition"]
    wanted = sum(len(PdfReader(io.BytesIO(data)).pages) for data in papers["pdfs"])
    pages = PdfReader(io.BytesIO(answer.data)).pages
    assert len(pages) == wanted
    said = "".join(page.extract_text() for page in pages)
    assert [number in said for number in papers["numbers"]] == [True] * 5


@pytest.mark.feature("VER-09")
def test_a_unit_finds_and_downloads_its_own_certificates_only(app, world, papers):
    for who, own, foreign in (("ua1", 200, 404), ("ub1", 404, 200)):
        client = login(app, world, who)
        page = text(client.get("/certificates/list/"))
        assert (papers["numbers"][0] in page) == (own == 200)
        assert (papers["foreign_number"] in page) == (foreign == 200)
        assert client.get(f"/certificates/pdf/{papers['ids'][0]}").status_code == own
        assert client.get(f"/certificates/pdf/{papers['foreign']}").status_code == foreign
    client = login(app, world, "ua1")
    found = text(client.get("/certificates/list/", query_string={"_flt_0_number": papers["numbers"][1]}))
    assert papers["numbers"][1] in found
    assert papers["numbers"][2] not in found


@pytest.mark.must_never(15)
@pytest.mark.parametrize("act", [files.ZIP, files.PRINT, "certificate_files", "stickers"])
def test_no_batch_holds_anything_of_others_or_a_draft(app, world, papers, act):
    client = login(app, world, "ua1")
    for ids in ([papers["foreign"]], [papers["draft"]], [papers["foreign"], papers["draft"], 999_999_999]):
        answer = batch(client, act, ids)
        assert answer.status_code == 303
        assert answer.location.endswith("/certificates/list/") or "/certificates" in answer.location
        assert "请先勾选已签发的证书。" in text(client.get("/certificates/list/"))
    if act == files.ZIP:
        mixed = batch(client, act, [papers["foreign"], papers["ids"][0], papers["draft"]])
        assert zipfile.ZipFile(io.BytesIO(mixed.data)).namelist() == papers["names"][:1]
    assert papers["foreign_number"] not in text(client.get(f"/certificates/files?ids={papers['foreign']}"))


@pytest.mark.parametrize(("who", "status"), [("adm", 403), ("ind", 403), ("aud", 403)])
def test_who_may_not_see_certificates_gets_none(app, world, papers, who, status):
    assert batch(login(app, world, who), files.ZIP, papers["ids"]).status_code == status


@pytest.mark.must_never(16)
@pytest.mark.parametrize(("kind", "ending"), [(files.ZIP, "zip"), (files.PRINT, "pdf")])
def test_more_than_twenty_are_a_job_of_the_person(app, world, papers, monkeypatch, kind, ending):
    monkeypatch.setattr(files, "AT_ONCE", 3)
    client = login(app, world, "ua1")
    answer = batch(client, kind, papers["ids"])
    assert answer.status_code == 303
    job_id = int(answer.location.rsplit("/", 1)[1])
    with app.app_context():
        assert run_job(db.session(), job_id) == "done"
        db.session.remove()
    page = text(client.get(f"/jobs/{job_id}"))
    assert "共 5 份证书。" in page
    with app.app_context(), as_system("test"):
        job = db.session.get(Job, job_id)
        assert (job.done, job.total) == (5, 5)
        kept = db.session.execute(
            select(Attachment).where(Attachment.owner_id == job_id, Attachment.kind == kind)
        ).scalar_one()
        address, name = f"/files/{kept.id}", kept.filename
        db.session.remove()
    assert name.endswith(f".{ending}")
    assert address in page
    data = client.get(address).data
    if kind == files.ZIP:
        assert zipfile.ZipFile(io.BytesIO(data)).namelist() == papers["names"]
    else:
        assert len(PdfReader(io.BytesIO(data)).pages) == 10
    for who in ("ua2", "ub1", "recA"):
        assert login(app, world, who).get(address).status_code == 404


def test_a_cancelled_job_leaves_no_file(app, world, papers, monkeypatch):
    monkeypatch.setattr(files, "CHUNK", 1)
    with app.app_context():
        with world.acting("ua1") as actor:
            job_id = files.start_batch(db.session(), actor, files.ZIP, papers["ids"]).id
            db.session.commit()
        served, seen = files.served_paper, []

        def slow(row):
            seen.append(row.id)
            if len(seen) == 2:
                with db.engine.begin() as other:
                    from sqlalchemy import text as sql

                    other.execute(sql("UPDATE job SET state = 'cancelled' WHERE id = :id"), {"id": job_id})
            return served(row)

        monkeypatch.setattr(files, "served_paper", slow)
        assert run_job(db.session(), job_id) == "cancelled"
        assert len(seen) == 2
        with as_system("test"):
            left = select(Attachment).where(Attachment.owner_id == job_id, Attachment.owner_type == "job")
            assert db.session.execute(left).first() is None
        db.session.remove()


def test_every_download_leaves_a_line(app, world, papers):
    from models import AuditLog

    def lines():
        with app.app_context(), as_system("test"):
            found = select(AuditLog).where(AuditLog.action == "download_certificates")
            count = len(db.session.execute(found).scalars().all())
            db.session.remove()
            return count

    before = lines()
    client = login(app, world, "ua1")
    client.get(f"/certificates/pdf/{papers['ids'][0]}")
    batch(client, files.ZIP, papers["ids"][:2])
    assert lines() == before + 2
