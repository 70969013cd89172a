"""Ways in through others: government single sign-on, the electronic business licence, QQ.

A provider says who somebody is; what the account may do is decided here as ever. An identity is issuer and subject,
never a name or a phone (ASVS 6.8.1). `offered()` are the providers that the profile names in login.methods and the
settings know a client id for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flask import current_app

from app.errors import NotVisibleError, QuanhengError
from app.profiles import setting

SENTENCE = "统一身份认证失败，请重新登录。"


class IdentityRefusedError(QuanhengError):
    """The provider's word cannot be believed: wrong state, signature, issuer, audience, nonce, or too old."""

    status, code = 403, "G-IDENTITY"

    def __init__(self, why: str, sentence: str = SENTENCE) -> None:
        super().__init__(sentence)
        self.why = why  # for the log; carries nothing that came from outside


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a provider says somebody is. The unit's code and name are the provider's own register's, when it has one."""

    provider: str
    issuer: str
    subject: str
    unit_code: str = ""
    unit_name: str = ""
    person_name: str = ""


class Provider(Protocol):
    """One way in. `begin` gives the address to send the browser to and what to keep in the server's session; `finish`
    checks what came back against what was kept and raises IdentityRefusedError."""

    def begin(self, redirect_uri: str) -> tuple[str, dict[str, str]]: ...

    def finish(self, args: Mapping[str, str], kept: Mapping[str, str]) -> Identity: ...


def _open_id(key: str, settings: Mapping[str, str]) -> Provider:
    from app.access.providers.oidc import OpenIdProvider

    return OpenIdProvider(key, settings)


def _qq(key: str, settings: Mapping[str, str]) -> Provider:
    from app.access.providers.qq import QQProvider

    return QQProvider(key, settings)


PROVIDERS: dict[str, tuple[str, Callable[[str, Mapping[str, str]], Provider]]] = {
    "sso_gov": ("政务服务网登录（法人）", _open_id),
    "qq": ("QQ扫码登录", _qq),
    "licence": ("电子营业执照登录", _open_id),
}
REGISTERS = frozenset({"sso_gov", "licence"})
"""Providers that vouch for a unit by its code; the others know persons only."""


def _settings(key: str) -> Mapping[str, str]:
    every: Any = current_app.config["IDENTITY_PROVIDERS"]
    return every.get(key) or {}


def label_of(key: str) -> str:
    """The words on the button; a provider that is no longer known keeps its key."""
    return PROVIDERS[key][0] if key in PROVIDERS else key


def offered() -> list[tuple[str, str]]:
    """(key, label) of every way in that this deployment offers, in the profile's order."""
    return [
        (key, label_of(key))
        for key in setting("login", "methods")
        if key in PROVIDERS and _settings(key).get("client_id")
    ]


def provider(key: str) -> Provider:
    """The provider of that key; one that is not offered looks like a missing page."""
    if key not in dict(offered()):
        raise NotVisibleError
    return PROVIDERS[key][1](key, _settings(key))


def redirect_uri(key: str) -> str:
    """Where the provider sends the browser back to: under the public address of the settings, never a request's Host."""
    return f"{str(current_app.config['BASE_URL']).rstrip('/')}/login/back/{key}"
