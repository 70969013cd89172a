"""Keys and the checks of the tests: pyHanko, our own and, where it is installed, poppler's pdfsig."""

import io
import shutil
import subprocess
from functools import cache
from pathlib import Path

from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from app.documents.certificate import render_certificate
from app.documents.signature import load_key, sign_pdf
from app.documents.signature_check import examine
from app.documents.signature_key import make_demo_key
from tests.documents.samples import PASSED

PDFSIG = shutil.which("pdfsig")


def new_key(folder: Path, name: str = "试验签章"):
    file = folder / f"{name}.p12"
    file.write_bytes(make_demo_key(name, b"secret"))
    return load_key(file, b"secret")


@cache
def rendered(facts=PASSED) -> bytes:
    out = io.BytesIO()
    render_certificate(facts, out)
    return out.getvalue()


def signed(key, facts=PASSED, **more) -> bytes:
    return sign_pdf(rendered(facts), key, **{"reason": "检定证书签发", "location": "呼和浩特市", **more})


def own_says(data: bytes, *keys) -> bool:
    return examine(data, [key.anchor for key in keys]).good


def pyhanko_says(data: bytes, *keys) -> bool:
    """Valid, of a trusted signer, one signature, and it covers the whole file."""
    try:
        found = PdfFileReader(io.BytesIO(data)).embedded_signatures
        if len(found) != 1:
            return False
        roots = [asn1_x509.Certificate.load(key.anchor.public_bytes(Encoding.DER)) for key in keys]
        context = ValidationContext(trust_roots=roots, allow_fetching=False, moment=found[0].self_reported_timestamp)
        status = validate_pdf_signature(found[0], context)
    except Exception:  # noqa: BLE001 - bent files make it raise all kinds; every one of them means: not good
        return False
    return bool(status.bottom_line and status.coverage == SignatureCoverageLevel.ENTIRE_FILE)


def pdfsig_says(data: bytes, folder: Path) -> bool:
    """The mathematics and the coverage as poppler sees them; it knows none of our authorities."""
    file = folder / "checked.pdf"
    file.write_bytes(data)
    said = subprocess.run([PDFSIG, str(file)], capture_output=True, text=True).stdout
    return "Signature is Valid" in said and "Total document signed" in said and "Signature #2" not in said
