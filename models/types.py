"""Column types of our own: personal data encrypted at rest (law 9 of the house), under keys that can be changed.

A key ring holds the keys by id: `k1` is PERSONAL_DATA_KEY, further ones are files personal_data_key.k2, .k3 … beside
it. New text is sealed with the newest; each ciphertext names its key, so old rows stay readable until
`flask personal rotate-key` has sealed them anew. A process looks at the folder whenever it seals something or meets an
unknown id, so keys change while people work. The blind index has a key of its own, derived from k1, and does not rotate
with them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app
from sqlalchemy import String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

FIRST_KEY = "k1"
KEY_FILE = "personal_data_key."
"""Further keys are files of this name and their id in SECRETS_DIR, written whole and then renamed (key_rotation)."""


def _secrets(*, again: bool = False) -> dict[str, str]:
    """The key ring of this process, read once and once more when somebody meets a key it does not know."""
    ring: dict[str, str] | None = current_app.extensions.get("key_ring")
    if ring is None or again:
        ring = {FIRST_KEY: str(current_app.config["PERSONAL_DATA_KEY"])}
        for name in _further_keys():
            ring[name] = (_folder() / f"{KEY_FILE}{name}").read_text().strip()
        current_app.extensions["key_ring"] = ring
    return ring


def _folder() -> Path:
    return Path(str(current_app.config["SECRETS_DIR"]))


def _further_keys() -> list[str]:
    """The ids of the key files there are at this moment; a folder that is not there holds none."""
    try:
        names = [file.name for file in _folder().iterdir()]
    except FileNotFoundError:
        return []
    return [n[len(KEY_FILE) :] for n in names if n.startswith(KEY_FILE) and n[len(KEY_FILE) + 1 :].isdecimal()]


def newest_key() -> str:
    """The id that new ciphertexts carry: k2 comes after k1, k10 after k9. Looks at the folder each time: a process that
    went on sealing under the old key would undo a rotation behind its back."""
    ring = _secrets()
    if any(name not in ring for name in _further_keys()):
        ring = _secrets(again=True)
    return max(ring, key=lambda name: int(name[1:]))


def reload_keys() -> None:
    """Look at the folder again: after a new key was made."""
    _secrets(again=True)


def _derived(secret: str, purpose: str) -> bytes:
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).digest()


@lru_cache(maxsize=16)
def _cipher(secret: str) -> AESGCM:
    return AESGCM(_derived(secret, "encrypt"))


def _key(name: str) -> AESGCM:
    ring = _secrets()
    if name not in ring:
        ring = _secrets(again=True)
    return _cipher(ring[name])


def seal(value: str) -> str:
    """`value` as AES-256-GCM under the newest key, the key's id in front."""
    return seal_bytes(value.encode()).decode()


def seal_bytes(value: bytes) -> bytes:
    """As `seal_raw`, for text: the part behind the point is base64."""
    name, _, body = seal_raw(value).partition(b".")
    return name + b"." + urlsafe_b64encode(body)


def seal_raw(value: bytes) -> bytes:
    """Bytes as AES-256-GCM under the newest key: its id, a point, nonce and ciphertext."""
    name, nonce = newest_key(), os.urandom(12)
    return name.encode() + b"." + nonce + _key(name).encrypt(nonce, value, name.encode())


def unseal(text: str) -> str:
    """What `seal` was given; raises InvalidTag when somebody changed the ciphertext."""
    return unseal_bytes(text.encode()).decode()


def unseal_bytes(data: bytes) -> bytes:
    """What `seal_bytes` was given."""
    name, _, body = data.partition(b".")
    return unseal_raw(name + b"." + urlsafe_b64decode(body))


def unseal_raw(data: bytes) -> bytes:
    """What `seal_raw` was given."""
    name, _, raw = data.partition(b".")
    return _key(name.decode()).decrypt(raw[:12], raw[12:], name)


def key_of(sealed: str | bytes) -> str:
    """The id of the key a ciphertext stands under."""
    head = sealed[:8]
    text = head.decode("ascii", "replace") if isinstance(head, bytes) else head
    return text.partition(".")[0]


def blind_index(value: str) -> str:
    """A keyed fingerprint that finds equal values without storing them: NFKC, blanks removed, case folded."""
    plain = "".join(unicodedata.normalize("NFKC", value).split()).casefold()
    key = _derived(str(current_app.config["PERSONAL_DATA_KEY"]), "blind-index")
    return hmac.new(key, plain.encode(), hashlib.sha256).hexdigest()


class Encrypted(TypeDecorator[str]):
    """Text kept as AES-256-GCM with the key's id in front; nobody reads it from a dump or a replica."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else seal(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else unseal(str(value))


class EncryptedText(Encrypted):
    """As Encrypted, of any length."""

    impl = Text
    cache_ok = True


def mask_phone(value: str | None) -> str:
    """133****1111; a landline keeps its first three and last two signs."""
    if not value:
        return ""
    return f"{value[:3]}****{value[-4:]}" if len(value) >= 11 else f"{value[:3]}****{value[-2:]}"


def mask_name(value: str | None) -> str:
    """王*: the family name only."""
    return f"{value[0]}{'*' * max(len(value) - 1, 1)}" if value else ""


def mask_id_number(value: str | None) -> str:
    """440***********0014: the first three and the last four signs (ROLES section 4)."""
    return f"{value[:3]}{'*' * (len(value) - 7)}{value[-4:]}" if value and len(value) > 7 else ""


def mask_code(value: str | None) -> str:
    """9144**********0001: enough of a unit's code to recognise it."""
    return f"{value[:4]}{'*' * max(len(value) - 8, 4)}{value[-4:]}" if value else ""


def mask_email(value: str | None) -> str:
    """w***@example.com."""
    name, _, host = (value or "").partition("@")
    return f"{name[:1]}***@{host}" if host else ""
