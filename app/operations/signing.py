"""Which key signs an institute's papers, and which authorities count when a file is checked.

The deployment supplies the key: SIGNING_KEY and SIGNING_PASSWORD_FILE for all, or <code>.p12 and <code>.password in
SIGNING_FOLDER for one institute. Without any a demonstration makes its own; production refuses to start. The highest
certificate of every key that ever signed is kept in SECRETS_DIR/signing/trusted: files outlive keys.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask, current_app

from app.documents.signature import HttpTimeStamper, KeyUnusableError, SigningKey, load_key, sign_pdf
from app.documents.signature_check import Verdict, examine
from app.documents.signature_key import make_demo_key
from models.organisation import Institute

DEMO_OWNER = "权衡演示签章"
_loaded: dict[tuple[str, int], SigningKey] = {}
"""Keys by file and time of change, so that a replaced file is read anew without a restart."""


def sign_for(institute: Institute, data: bytes, *, title: str) -> bytes:
    """The paper signed with the institute's key. Raises KeyUnusableError, or httpx.HTTPError without time stamps."""
    key = key_for(institute.code)
    _remember(key)
    url = str(current_app.config["TIMESTAMP_URL"])
    stamper = HttpTimeStamper(url) if url else None
    return sign_pdf(data, key, reason=f"{title}签发", location=institute.name, stamper=stamper)


def check_file(data: bytes) -> Verdict:
    """Whether a file is one of ours and unchanged, by its signature alone."""
    return examine(data, list(_trusted()))


def key_for(institute_code: str) -> SigningKey:
    """The institute's own key if the deployment has one, else the common one."""
    folder = str(current_app.config["SIGNING_FOLDER"])
    if folder and "/" not in institute_code:
        own = Path(folder) / f"{institute_code}.p12"
        if own.is_file():
            return _load(own, own.with_suffix(".password"))
    if current_app.config["SIGNING_KEY"]:
        return _load(Path(str(current_app.config["SIGNING_KEY"])), _password_file())
    if current_app.config["ENVIRONMENT"] == "production":
        raise KeyUnusableError(NO_KEY)
    return _load(*_demo_files())


NO_KEY = "未配置电子签章密钥，请设置 QUANHENG_SIGNING_KEY 和 QUANHENG_SIGNING_PASSWORD_FILE。"


def _password_file() -> Path:
    return Path(str(current_app.config["SIGNING_PASSWORD_FILE"]))


def _load(file: Path, password_file: Path) -> SigningKey:
    try:
        at = (str(file), file.stat().st_mtime_ns)
        if at not in _loaded:
            _loaded[at] = load_key(file, password_file.read_bytes().strip())
    except OSError as error:
        raise KeyUnusableError(f"签章密钥文件 {file} 或密码文件 {password_file} 无法读取：{error}") from error
    return _loaded[at]


# -- a demonstration's own key ---------------------------------------------------------------------------------------


def _folder() -> Path:
    return Path(str(current_app.config["SECRETS_DIR"])) / "signing"


def _demo_files() -> tuple[Path, Path]:
    """Key and password of the demonstration, made on first use; of two processes at once the faster one wins."""
    home = _folder() / "demo"
    if not home.is_dir():
        _folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        made = Path(tempfile.mkdtemp(dir=_folder()))
        password = secrets.token_hex(16).encode()
        _write_secret(made / "demo.password", password)
        _write_secret(made / "demo.p12", make_demo_key(DEMO_OWNER, password))
        try:
            made.rename(home)
        except OSError:
            shutil.rmtree(made)
            if not home.is_dir():
                raise
    return home / "demo.p12", home / "demo.password"


def _write_secret(file: Path, data: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(data)


# -- what counts -----------------------------------------------------------------------------------------------------


def _remember(key: SigningKey) -> None:
    """Keep the key's authority before it signs: when the key is replaced, its files must go on being good."""
    data = key.anchor.public_bytes(Encoding.PEM)
    kept = _folder() / "trusted" / f"{hashlib.sha256(data).hexdigest()[:32]}.pem"
    if kept.is_file():
        return
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=kept.parent)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
    Path(temporary).replace(kept)


def _trusted() -> Iterator[x509.Certificate]:
    for file in sorted((_folder() / "trusted").glob("*.pem")):
        yield x509.load_pem_x509_certificate(file.read_bytes())


# -- at the start ----------------------------------------------------------------------------------------------------


def check_signing(app: Flask) -> None:
    """Before serving: in production the key must be there and usable; raises KeyUnusableError with the cure.

    Without any key a demonstration makes one when it first needs it. A key that is named must be usable everywhere.
    """
    with app.app_context():
        if app.config["SIGNING_KEY"] or app.config["ENVIRONMENT"] == "production":
            key_for("")
        folder = str(app.config["SIGNING_FOLDER"])
        for own in sorted(Path(folder).glob("*.p12")) if folder else ():
            _load(own, own.with_suffix(".password"))
