"""Whether a PDF still is what was signed: a check of our own, so that no library vouches for its own work.

Reads the signature with pypdf, the CMS message with asn1crypto, and does the mathematics with cryptography. Stricter
than a reader program: exactly one signature, over every byte of the file, nothing added behind it.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import cms
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pypdf import PdfReader
from pypdf.errors import PyPdfError

PADES = "/ETSI.CAdES.detached"
HEX = re.compile(rb"<([0-9A-Fa-f]+)>")
BROKEN = (PyPdfError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError)
"""What parsers raise on files that somebody bent; every one of them means: not what was signed."""


@dataclass(frozen=True)
class Verdict:
    """`problem` is empty for a good file, else a sentence; who signed and when as the file itself says."""

    problem: str
    signer: str = ""
    signed_at: datetime | None = None

    @property
    def good(self) -> bool:
        return not self.problem


class _BentError(ValueError):
    """The file is not what was signed; the text says how it shows."""


def examine(data: bytes, trusted: Sequence[x509.Certificate]) -> Verdict:
    """Check the signature of a whole file; `trusted` are the authorities that count. Never raises on bad input."""
    try:
        return _examined(data, trusted)
    except _BentError as error:
        return Verdict(str(error))
    except BROKEN:
        return Verdict("文件结构已损坏。")


def _examined(data: bytes, trusted: Sequence[x509.Certificate]) -> Verdict:
    value = _signature(data)
    message = _message(data, value)
    signers = message["signer_infos"]
    if len(signers) != 1:
        raise _BentError("签名信息不完整。")
    info = signers[0]
    certificates = [x509.load_der_x509_certificate(c.chosen.dump()) for c in message["certificates"]]
    certificate = _signer_of(info, certificates)
    attributes = {a["type"].native: a["values"] for a in info["signed_attrs"]}
    _check_digest(data, value, attributes)
    _check_name(attributes, certificate)
    signed = b"\x31" + info["signed_attrs"].dump()[1:]  # the signature covers the set, not its tag in the message
    _check_signature(certificate, info["signature"].native, signed)
    at = _time_of(value)
    _check_chain(certificate, certificates, trusted, at)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Verdict("", str(names[0].value) if names else "", at)


def _signature(data: bytes) -> Any:
    """The one signature dictionary of the document."""
    root: Any = PdfReader(io.BytesIO(data)).trailer["/Root"]
    if "/AcroForm" not in root:
        raise _BentError("文件没有电子签名。")
    fields = [f.get_object() for f in root["/AcroForm"].get("/Fields", [])]
    values = [f["/V"].get_object() for f in fields if f.get("/FT") == "/Sig" and "/V" in f]
    if not values:
        raise _BentError("文件没有电子签名。")
    if len(values) > 1 or data.count(b"/ByteRange") != 1:
        raise _BentError("文件含有多个电子签名。")
    if values[0].get("/SubFilter") != PADES:
        raise _BentError("电子签名的格式不符。")
    return values[0]


def _ranges(value: Any) -> tuple[int, int, int]:
    first, gap, after, rest = (int(n) for n in value["/ByteRange"])
    if first != 0 or not 0 < gap < after or rest < 0:
        raise _BentError("电子签名的范围不符。")
    return gap, after, rest


def _message(data: bytes, value: Any) -> Any:
    """The CMS message in the gap; the gap holds nothing else, and the rest of the file ends where the range ends."""
    gap, after, rest = _ranges(value)
    if after + rest != len(data):
        raise _BentError("签名之后文件又被改动过。")
    found = HEX.fullmatch(data[gap:after])
    if found is None:
        raise _BentError("电子签名的范围不符。")
    raw = bytes.fromhex(found[1].decode())
    content = cms.ContentInfo.load(raw, strict=False)
    if content["content_type"].native != "signed_data" or raw[len(content.dump()) :].strip(b"\0"):
        raise _BentError("签名信息不完整。")
    return content["content"]


def _signer_of(info: Any, certificates: list[x509.Certificate]) -> x509.Certificate:
    serial = info["sid"].chosen["serial_number"].native
    found = [c for c in certificates if c.serial_number == serial]
    if len(found) != 1:
        raise _BentError("签名证书缺失。")
    return found[0]


def _check_digest(data: bytes, value: Any, attributes: dict[str, Any]) -> None:
    gap, after, _rest = _ranges(value)
    digest = hashlib.sha256(data[:gap])
    digest.update(data[after:])
    if attributes["message_digest"][0].native != digest.digest():
        raise _BentError("文件内容与签名不符，签名后被改动过。")


def _check_name(attributes: dict[str, Any], certificate: x509.Certificate) -> None:
    """The signed reference to the certificate (ESS signing-certificate-v2) keeps it from being exchanged."""
    named = attributes["signing_certificate_v2"][0]["certs"][0]["cert_hash"].native
    if named != hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest():
        raise _BentError("签名证书被调换过。")


def _check_signature(certificate: x509.Certificate, signature: bytes, signed: bytes) -> None:
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        else:
            raise _BentError("签名算法不受支持。")
    except InvalidSignature as error:
        raise _BentError("电子签名无效。") from error


def _time_of(value: Any) -> datetime:
    """When the signer says it was signed; PDF dates look like D:20261121093000+08'00'."""
    text = str(value["/M"]).removeprefix("D:").replace("'", "")
    return datetime.strptime(text if not text.endswith("Z") else f"{text[:-1]}+0000", "%Y%m%d%H%M%S%z")


def _check_chain(
    certificate: x509.Certificate, known: list[x509.Certificate], trusted: Sequence[x509.Certificate], at: datetime
) -> None:
    """Up to a trusted certificate, every one valid when it was signed: a key that ran out later spoils nothing."""
    below = certificate
    for _level in range(8):
        if not below.not_valid_before_utc - timedelta(minutes=5) <= at <= below.not_valid_after_utc:
            raise _BentError("签名时签名证书不在有效期内。")
        if below in trusted:
            return
        above = next((c for c in (*trusted, *known) if c is not below and _issued(below, c)), None)
        if above is None:
            break
        below = above
    raise _BentError("签名证书不是受信任的机构颁发的。")


def _issued(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
        authority = above.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return authority
