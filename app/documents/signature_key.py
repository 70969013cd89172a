"""A self-made authority with one signing key, for demonstrations: its certificates say that they bind nobody."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import NameOID

from app import clock

BITS = 3072
YEARS = 10


def make_demo_key(owner: str, password: bytes) -> bytes:
    """A PKCS#12 file: a fresh RSA key named `owner`, signed by a fresh authority whose own key is forgotten at once."""
    top, own = (rsa.generate_private_key(public_exponent=65537, key_size=BITS) for _ in range(2))
    top_name = _name("权衡演示根证书（不具法律效力）")
    authority = _certificate(top_name, top_name, top.public_key(), top, authority=True)
    certificate = _certificate(_name(owner), top_name, own.public_key(), top, authority=False)
    return pkcs12.serialize_key_and_certificates(
        b"quanheng", own, certificate, [authority], BestAvailableEncryption(password)
    )


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"), x509.NameAttribute(NameOID.COMMON_NAME, common[:64])]
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, signer: rsa.RSAPrivateKey, *, authority: bool
) -> x509.Certificate:
    begins = clock.now() - timedelta(minutes=5)  # clocks of readers differ
    usage = x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return builder.sign(signer, hashes.SHA256())
