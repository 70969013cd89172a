"""Column types of our own: personal data encrypted at rest (law 9 of the house)."""

from __future__ import annotations

import hashlib
import hmac
import os
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app
from sqlalchemy import String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

KEY_ID = "k1"


def _key(purpose: str) -> bytes:
    secret = str(current_app.config["PERSONAL_DATA_KEY"]).encode()
    return hmac.new(secret, purpose.encode(), hashlib.sha256).digest()


def blind_index(value: str) -> str:
    """A keyed fingerprint that finds equal values without storing them: NFKC, blanks removed, case folded."""
    plain = "".join(unicodedata.normalize("NFKC", value).split()).casefold()
    return hmac.new(_key("blind-index"), plain.encode(), hashlib.sha256).hexdigest()


class Encrypted(TypeDecorator[str]):
    """Text kept as AES-256-GCM with the key's id in front; nobody reads it from a dump or a replica."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        nonce = os.urandom(12)
        sealed = AESGCM(_key("encrypt")).encrypt(nonce, value.encode(), KEY_ID.encode())
        return f"{KEY_ID}.{urlsafe_b64encode(nonce + sealed).decode()}"

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        key_id, _, body = str(value).partition(".")
        raw = urlsafe_b64decode(body)
        return AESGCM(_key("encrypt")).decrypt(raw[:12], raw[12:], key_id.encode()).decode()


def mask_phone(value: str | None) -> str:
    """133****1111; a landline keeps its first three and last two signs."""
    if not value:
        return ""
    return f"{value[:3]}****{value[-4:]}" if len(value) >= 11 else f"{value[:3]}****{value[-2:]}"


def mask_name(value: str | None) -> str:
    """王*: the family name only."""
    return f"{value[0]}{'*' * max(len(value) - 1, 1)}" if value else ""
