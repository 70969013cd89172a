"""QQ's own OAuth 2: authorize, token, then /oauth2.0/me names the openid. There is no signed token, so the openid is
asked for over our own connection and must have been made for our application."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

from app.access.providers import Identity, IdentityRefusedError
from app.access.providers.web import fetch

BASE = "https://graph.qq.com"


class QQProvider:
    """Settings: client_id (APP ID), client_secret (APP Key), issuer (another base address, for tests)."""

    def __init__(self, key: str, settings: Mapping[str, str]) -> None:
        self.key = key
        self.base = (settings.get("issuer") or BASE).rstrip("/")
        self.client_id = settings["client_id"]
        self.client_secret = settings.get("client_secret", "")

    def begin(self, redirect_uri: str) -> tuple[str, dict[str, str]]:
        """QQ's page with the QR code."""
        kept = {"state": secrets.token_urlsafe(32), "redirect_uri": redirect_uri}
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "state": kept["state"],
            "scope": "get_user_info",
        }
        return f"{self.base}/oauth2.0/authorize?{urlencode(asked)}", kept

    def finish(self, args: Mapping[str, str], kept: Mapping[str, str]) -> Identity:
        """The openid of whoever scanned; raises IdentityRefusedError."""
        if not hmac.compare_digest(args.get("state", "").encode(), kept["state"].encode()):
            raise IdentityRefusedError("state")
        if not args.get("code"):
            raise IdentityRefusedError("no code")
        asked = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "code": args["code"],
            "redirect_uri": kept["redirect_uri"],
            "fmt": "json",
        }
        token = fetch("GET", f"{self.base}/oauth2.0/token", params=asked).get("access_token")
        if not token:
            raise IdentityRefusedError("no token")
        said = fetch("GET", f"{self.base}/oauth2.0/me", params={"access_token": token, "fmt": "json"})
        if str(said.get("client_id")) != self.client_id or not said.get("openid"):
            raise IdentityRefusedError("openid of another application")
        return Identity(provider=self.key, issuer=self.base, subject=str(said["openid"])[:200])
