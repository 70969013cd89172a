"""A signed paper holds, and every change shows: to pyHanko, to our own check, and to poppler where it is installed."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pypdf import PdfReader

from app.documents.certificate_mark import marked
from app.documents.signature import KeyUnusableError, load_key
from app.documents.signature_check import examine
from app.documents.signature_key import make_demo_key
from tests.documents.samples import PASSED
from tests.signing.keys import PDFSIG, new_key, own_says, pdfsig_says, pyhanko_says, rendered, signed
from tests.signing.tampering import variants

OTHER = replace(PASSED, number="呼计检字第2026-099999号", serial_no="X-1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def key(folder):
    return new_key(folder)


@pytest.fixture(scope="module")
def paper(key):
    return signed(key)


@pytest.fixture(scope="module")
def bent(folder, key, paper):
    return variants(paper, signed(key, OTHER), signed(new_key(folder, "无名者")))


def test_a_signed_paper_is_good_to_two_validators(key, paper):
    verdict = examine(paper, [key.anchor])
    assert verdict.good, verdict.problem
    assert verdict.signer == "试验签章"
    assert abs((datetime.now(UTC) - verdict.signed_at).total_seconds()) < 120
    assert pyhanko_says(paper, key)
    assert paper.startswith(rendered()), "the signature is an update behind the paper, which stays byte for byte"
    assert b"/ETSI.CAdES.detached" in paper


@pytest.mark.skipif(PDFSIG is None, reason="pdfsig is not installed (apt-get install poppler-utils)")
def test_a_signed_paper_is_good_to_poppler_and_bent_ones_are_not(tmp_path, paper, bent):
    assert pdfsig_says(paper, tmp_path)
    # poppler knows none of our authorities, so a stranger's signature is the one thing it cannot tell
    found = {name for name, data in bent.items() if not pdfsig_says(data, tmp_path)}
    assert found >= set(bent) - {"signed anew with a key of nobody"}


def test_twenty_changes_twenty_found(key, paper, bent):
    assert len(bent) == 20
    assert len({*bent.values(), paper}) == 21, "every variant is a file of its own"
    assert [name for name, data in bent.items() if own_says(data, key)] == []
    assert [name for name, data in bent.items() if pyhanko_says(data, key)] == []


def test_what_hides_behind_the_signature_in_its_gap_is_found(key, paper):
    gap = paper.index(b"0" * 40 + b">")
    assert not own_says(paper[:gap] + b"deadbeef" + paper[gap + 8 :], key)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_cut_short_is_found(key, paper, share):
    assert not own_says(paper[: int(len(paper) * share)], key)
    assert not pyhanko_says(paper[: int(len(paper) * share)], key)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"not a pdf at all", b"%PDF-1.4\n" + b"\xff" * 500])
def test_no_pdf_at_all_is_no_crash(key, data):
    assert not own_says(data, key)


def test_an_unsigned_paper_says_so(key):
    assert examine(rendered(), [key.anchor]).problem == "文件没有电子签名。"


def test_a_new_key_keeps_old_files_good(folder, key, paper):
    fresh = new_key(folder, "新签章")
    newer = signed(fresh)
    for says in (own_says, pyhanko_says):
        assert says(paper, key, fresh)
        assert says(newer, key, fresh)
        assert not says(newer, key), "the old authority says nothing about the new key"
        assert not says(paper, fresh)
    assert not own_says(paper)


def test_a_marked_copy_holds_the_signed_file_unchanged(key, paper):
    copy = marked(paper, "已更正", "本证书已更正，不再有效，新证书编号 A1。")
    assert copy.startswith(paper)
    assert not own_says(copy, key), "nobody takes the copy for the original"
    for page in PdfReader(io.BytesIO(copy)).pages:
        said = "".join(page.extract_text().split())
        assert "已更正" in said
        assert "新证书编号A1" in said


def test_keys_that_cannot_serve_are_refused_with_the_cure(tmp_path):
    file = tmp_path / "a.p12"
    with pytest.raises(KeyUnusableError, match="无法读取"):
        load_key(file, b"x")
    file.write_bytes(make_demo_key("甲", b"right"))
    with pytest.raises(KeyUnusableError, match="请检查文件和密码"):
        load_key(file, b"wrong")
    file.write_bytes(b"rubbish")
    with pytest.raises(KeyUnusableError, match="无法读取"):
        load_key(file, b"right")


def test_a_weak_key_is_refused(tmp_path, monkeypatch):
    from app.documents import signature_key

    monkeypatch.setattr(signature_key, "BITS", 1024)
    file = tmp_path / "weak.p12"
    file.write_bytes(make_demo_key("弱", b"p"))
    with pytest.raises(KeyUnusableError, match="2048"):
        load_key(file, b"p")


def test_a_time_stamp_is_put_in_when_a_service_is_named(key):
    from asn1crypto import keys as asn1_keys
    from asn1crypto import x509 as asn1_x509
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from pyhanko.sign.timestamps import DummyTimeStamper

    der = key.signer._private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    service = DummyTimeStamper(
        tsa_cert=asn1_x509.Certificate.load(key.certificate.public_bytes(Encoding.DER)),
        tsa_key=asn1_keys.PrivateKeyInfo.load(der),
    )
    stamped = signed(key, stamper=service)
    assert own_says(stamped, key)
    assert bytes.fromhex("060b2a864886f70d010910020e").hex().encode() in stamped.lower(), "id-aa-timeStampToken"
