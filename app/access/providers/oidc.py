"""OpenID Connect, authorization code flow with PKCE, state and nonce: 政务服务网 and 电子营业执照.

Checked of the ID token: signature by the issuer's published keys (asymmetric algorithms only), issuer, audience,
authorized party, expiry, age (5 minutes, must-never case 66) and nonce. Discovery and keys are kept for an hour;
an unknown key id fetches the keys again, at most once a minute.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import current_app
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app import clock
from app.access.providers import Identity, IdentityRefusedError
from app.access.providers.web import fetch

ALGORITHMS = ["RS256", "PS256", "ES256"]
KEPT, AGAIN = 3600.0, 60.0  # seconds
OLDEST, LEEWAY = 300, 30  # seconds
Kept = dict[str, tuple[float, dict[str, Any]]]


def _challenge(verifier: str) -> str:
    """S256 of RFC 7636: the code is worth nothing without the verifier that never left our session."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class OpenIdProvider:
    """One issuer. Settings: issuer, client_id, client_secret, code_claim (unit's code), name_claim (unit's name)."""

    def __init__(self, key: str, settings: Mapping[str, str]) -> None:
        self.key = key
        self.issuer = settings.get("issuer", "").rstrip("/")
        self.client_id = settings["client_id"]
        self.client_secret = settings.get("client_secret", "")
        self.code_claim = settings.get("code_claim") or "unit_code"
        self.name_claim = settings.get("name_claim") or "unit_name"

    def begin(self, redirect_uri: str) -> tuple[str, dict[str, str]]:
        """The issuer's log-in page, and what `finish` compares with."""
        kept = {
            "state": secrets.token_urlsafe(32),
            "nonce": secrets.token_urlsafe(32),
            "verifier": secrets.token_urlsafe(48),
            "redirect_uri": redirect_uri,
        }
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid profile",
            "state": kept["state"],
            "nonce": kept["nonce"],
            "code_challenge": _challenge(kept["verifier"]),
            "code_challenge_method": "S256",
        }
        page = self._endpoint("authorization_endpoint")
        return f"{page}{'&' if '?' in page else '?'}{urlencode(asked)}", kept

    def finish(self, args: Mapping[str, str], kept: Mapping[str, str]) -> Identity:
        """Who came back; raises IdentityRefusedError."""
        if not hmac.compare_digest(args.get("state", "").encode(), kept["state"].encode()):
            raise IdentityRefusedError("state")
        if args.get("iss", self.issuer).rstrip("/") != self.issuer:
            raise IdentityRefusedError("answer of another issuer")
        if "error" in args or not args.get("code"):
            raise IdentityRefusedError("no code")
        tokens = self._exchange(args["code"], kept)
        claims = self._claims(str(tokens.get("id_token") or ""), kept["nonce"])
        if self.code_claim not in claims:
            claims = {**self._user_info(tokens, claims), **claims}
        return Identity(
            provider=self.key,
            issuer=self.issuer,
            subject=str(claims["sub"])[:200],
            unit_code=str(claims.get(self.code_claim) or "")[:40],
            unit_name=str(claims.get(self.name_claim) or "").strip()[:120],
            person_name=str(claims.get("name") or "").strip()[:40],
        )

    # -- the token ----------------------------------------------------------------------------------------------

    def _exchange(self, code: str, kept: Mapping[str, str]) -> dict[str, Any]:
        data = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": kept["redirect_uri"],
            "code_verifier": kept["verifier"],
            "client_id": self.client_id,
        }
        ways = self._discovery().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if not self.client_secret:
            return fetch("POST", self._endpoint("token_endpoint"), data=data)
        if "client_secret_basic" not in ways:
            data["client_secret"] = self.client_secret
            return fetch("POST", self._endpoint("token_endpoint"), data=data)
        return fetch("POST", self._endpoint("token_endpoint"), data=data, auth=(self.client_id, self.client_secret))

    def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token that is this issuer's, for us, for this log-in, and young."""
        claims = self._decoded(token)
        rules = jwt.JWTClaimsRegistry(
            now=lambda: int(clock.now().timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "values": [self.issuer, f"{self.issuer}/"]},
            aud={"essential": True, "value": self.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            rules.validate(claims)
        except JoseError as error:
            raise IdentityRefusedError(f"claims: {type(error).__name__}") from None
        if clock.now().timestamp() - claims["iat"] > OLDEST:
            raise IdentityRefusedError("token older than five minutes")
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (several or "azp" in claims) and claims.get("azp") != self.client_id:
            raise IdentityRefusedError("authorized party")
        return claims

    def _decoded(self, token: str) -> dict[str, Any]:
        last: Exception | None = None
        for again in (False, True):
            try:
                keys = KeySet.import_key_set(self._keys(again=again))  # type: ignore[arg-type]
                return dict(jwt.decode(token, keys, algorithms=ALGORITHMS).claims)
            except (JoseError, ValueError, TypeError, KeyError) as error:
                last = error
        raise IdentityRefusedError(f"token: {type(last).__name__}")

    def _user_info(self, tokens: Mapping[str, Any], claims: Mapping[str, Any]) -> dict[str, Any]:
        """Further claims, when the issuer gives them at its user-info page only; they must be of the same subject."""
        if not self._discovery().get("userinfo_endpoint") or not tokens.get("access_token"):
            return {}
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        said = fetch("GET", self._endpoint("userinfo_endpoint"), headers=headers)
        if said.get("sub") != claims["sub"]:
            raise IdentityRefusedError("user info of another subject")
        return said

    # -- what the issuer publishes ------------------------------------------------------------------------------

    def _endpoint(self, name: str) -> str:
        address = str(self._discovery().get(name) or "")
        if urlsplit(address).scheme not in {"https", urlsplit(self.issuer).scheme}:
            raise IdentityRefusedError(f"{name} missing or not https")
        return address

    def _discovery(self) -> dict[str, Any]:
        return self._kept("discovery", KEPT, self._discover)

    def _discover(self) -> dict[str, Any]:
        said = fetch("GET", f"{self.issuer}/.well-known/openid-configuration")
        if str(said.get("issuer", "")).rstrip("/") != self.issuer:
            raise IdentityRefusedError("discovery names another issuer")
        return said

    def _keys(self, *, again: bool) -> dict[str, Any]:
        return self._kept("keys", AGAIN if again else KEPT, lambda: fetch("GET", self._endpoint("jwks_uri")))

    def _kept(self, what: str, seconds: float, get: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What this process fetched not longer than `seconds` ago, else fetched now."""
        kept: Kept = current_app.extensions.setdefault("identity_providers", {})
        name, now = f"{what} {self.issuer}", clock.now().timestamp()
        found = kept.get(name)
        if found is None or not 0 <= now - found[0] < seconds:
            kept[name] = found = (now, get())
        return found[1]
