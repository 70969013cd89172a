"""Electronic signatures inside PDF files: PAdES (ETSI EN 319 142-1), level B-B, or B-T with a time-stamping service.

A key is a PKCS#12 file with its certificate and the chain up to the authority. Pure: bytes in, bytes out; which key
signs for whom is decided in app/operations/signing.py.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from asn1crypto import algos, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, Signer
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

FIELD = "Signature"
WEAKEST_RSA, WEAKEST_EC = 2048, 256  # bits
WAIT = 10  # seconds for a time-stamping service
TIMESTAMP_ROOM = 12_000  # bytes; a token with its certificates is 4 to 8 kB
STAMP_REPLY = "application/timestamp-reply"

logging.getLogger("pyhanko").setLevel(logging.ERROR)  # its warnings repeat what our checks say in words


class KeyUnusableError(RuntimeError):
    """The signing key cannot be read, or is one that nobody should trust; the text says which file and why."""


class _KeptKeySigner(Signer):
    """Signs with a key that is loaded once; pyHanko's own signer reads and checks it again for every signature."""

    def __init__(self, private: Any, certificate: asn1_x509.Certificate, others: list[asn1_x509.Certificate]) -> None:
        registry = SimpleCertificateStore()
        registry.register_multiple(others)
        mechanism = "sha256_rsa" if isinstance(private, rsa.RSAPrivateKey) else "sha256_ecdsa"
        super().__init__(
            signing_cert=certificate,
            cert_registry=registry,
            signature_mechanism=algos.SignedDigestAlgorithm({"algorithm": mechanism}),
        )
        self._private = private

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        """The bare signature over `data`; SHA-256 is the only digest we ask for."""
        if isinstance(self._private, rsa.RSAPrivateKey):
            return self._private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return bytes(self._private.sign(data, ec.ECDSA(hashes.SHA256())))


@dataclass(frozen=True)
class SigningKey:
    """A loaded key: the certificate that names the signer, the chain above it, and what signs."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    signer: Signer

    @property
    def owner(self) -> str:
        """Whom the certificate names (CN)."""
        names = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(names[0].value) if names else self.certificate.subject.rfc4514_string()

    @property
    def anchor(self) -> x509.Certificate:
        """The highest certificate of the chain: what has to be trusted for the signature to count."""
        return self.chain[-1] if self.chain else self.certificate

    @property
    def room(self) -> int:
        """Hex digits to reserve for the signature and its certificates."""
        certificates = sum(len(c.public_bytes(Encoding.DER)) for c in (self.certificate, *self.chain))
        return 2 * (certificates + 2_000)


def load_key(file: Path, password: bytes) -> SigningKey:
    """Read a PKCS#12 file. Raises KeyUnusableError when it cannot be read, is weak, or may not sign documents."""
    try:
        private, certificate, others = pkcs12.load_key_and_certificates(file.read_bytes(), password)
    except (OSError, ValueError) as error:
        raise KeyUnusableError(f"签章密钥文件 {file} 无法读取，请检查文件和密码：{error}") from error
    if private is None or certificate is None:
        raise KeyUnusableError(f"签章密钥文件 {file} 中缺少私钥或证书。")
    _demand_strength(file, private, certificate)
    chain = _ordered(certificate, list(others))
    asn1 = [asn1_x509.Certificate.load(c.public_bytes(Encoding.DER)) for c in (certificate, *chain)]
    return SigningKey(certificate, tuple(chain), _KeptKeySigner(private, asn1[0], asn1[1:]))


def _demand_strength(file: Path, private: Any, certificate: x509.Certificate) -> None:
    if isinstance(private, rsa.RSAPrivateKey):
        strong = private.key_size >= WEAKEST_RSA
    else:
        strong = isinstance(private, ec.EllipticCurvePrivateKey) and private.key_size >= WEAKEST_EC
    if not strong:
        raise KeyUnusableError(f"签章密钥文件 {file} 须为2048位以上的RSA密钥或256位以上的椭圆曲线密钥。")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not (usage.digital_signature or usage.content_commitment):
        raise KeyUnusableError(f"签章密钥文件 {file} 的证书不允许用于签名。")


def _ordered(certificate: x509.Certificate, others: list[x509.Certificate]) -> list[x509.Certificate]:
    """The chain from the issuer upwards, whatever the order in the file; strangers are left out."""
    chain: list[x509.Certificate] = []
    below = certificate
    while below.issuer != below.subject:
        issuer = next((c for c in others if c.subject == below.issuer and c not in chain), None)
        if issuer is None:
            break
        chain.append(issuer)
        below = issuer
    return chain


class HttpTimeStamper(TimeStamper):
    """Asks a time-stamping service (RFC 3161) over HTTP; raises httpx.HTTPError when it does not answer."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        """One request; a service that is away makes the signature fail, and the outbox tries again later."""
        headers = {"Content-Type": "application/timestamp-query", "Accept": STAMP_REPLY}
        async with httpx.AsyncClient(timeout=WAIT) as client:
            answer = await client.post(self.url, content=req.dump(), headers=headers)
        answer.raise_for_status()
        if answer.headers.get("Content-Type", "").split(";")[0] != STAMP_REPLY:
            raise httpx.DecodingError("the time-stamping service answered something else")
        return tsp.TimeStampResp.load(answer.content)


def sign_pdf(data: bytes, key: SigningKey, *, reason: str, location: str, stamper: TimeStamper | None = None) -> bytes:
    """The same file with an approval signature over all of it, appended as an incremental update.

    `reason` and `location` are shown by PDF readers beside the signer's name.
    """
    meta = PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        reason=reason,
        location=location,
        name=key.owner,
    )
    out = io.BytesIO()
    room = key.room + (2 * TIMESTAMP_ROOM if stamper else 0)
    signer = PdfSigner(meta, key.signer, timestamper=stamper)
    signer.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(data)), bytes_reserved=room, output=out)
    return out.getvalue()
