"""Providers on loopback: one with knobs for everything that can be wrong with an answer, and QQ."""

import base64
import hashlib
import hmac
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey


class Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_args):
        pass

    def json(self, said, status=200):
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        parts = urlsplit(self.path)
        self.server.owner.get(self, parts.path, {k: v[0] for k, v in parse_qs(parts.query).items()})

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.owner.post(self, urlsplit(self.path).path, {k: v[0] for k, v in parse_qs(text).items()})


@contextmanager
def serving(owner):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    server.owner, owner.base = owner, f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield owner
    finally:
        server.shutdown()
        server.server_close()
        thread.join(2)


class Issuer:
    """An OpenID provider. `claims` are put over the right ones (None takes one away); `key` signs instead of the
    published one; `forge` is an algorithm to forge with; `asked` are the authorization requests by code."""

    def __init__(self):
        self.published = RSAKey.generate_key(2048, {"kid": "one"})
        self.asked = {}
        self.reset()

    def reset(self):
        self.claims, self.key, self.forge, self.fail, self.user_info = {}, None, None, False, None
        self.tokens_asked = 0

    def authorize(self, address, code="code-1"):
        """What the person does at the provider: the answer's query."""
        query = {k: v[0] for k, v in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.base}/authorize?")
        assert query["code_challenge_method"] == "S256"
        self.asked[code] = query
        return {"code": code, "state": query["state"]}

    def get(self, answer, path, query):
        if path == "/.well-known/openid-configuration":
            answer.json(
                {
                    "issuer": self.base,
                    "authorization_endpoint": f"{self.base}/authorize",
                    "token_endpoint": f"{self.base}/token",
                    "jwks_uri": f"{self.base}/jwks",
                    **({"userinfo_endpoint": f"{self.base}/userinfo"} if self.user_info else {}),
                }
            )
        elif path == "/jwks":
            answer.json(KeySet([self.published]).as_dict(private=False))
        else:
            answer.json(self.user_info)

    def post(self, answer, path, form):
        self.tokens_asked += 1
        asked = self.asked.pop(form.get("code"), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proved = asked and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
        if self.fail or not proved or form["redirect_uri"] != asked["redirect_uri"]:
            answer.json({"error": "invalid_grant"}, 400)
            return
        now = int(time.time())
        claims = {
            "iss": self.base,
            "aud": asked["client_id"],
            "sub": "legal-1",
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.claims,
        }
        claims = {k: v for k, v in claims.items() if v is not None}
        token = self.forged(claims) if self.forge else self.signed(claims)
        answer.json({"access_token": "a", "token_type": "Bearer", "id_token": token})

    def signed(self, claims):
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key or self.published, algorithms=["RS256"])

    def forged(self, claims):
        """By hand, as no honest library does it: unsigned, or HS256 with the published key's bytes as the secret."""
        header = {"alg": self.forge, "kid": "one", "typ": "JWT"}
        body = b".".join(_b64(json.dumps(part).encode()) for part in (header, claims))
        mac = hmac.new(self.published.as_pem(private=False), body, hashlib.sha256).digest()
        return (body + b"." + (b"" if self.forge == "none" else _b64(mac))).decode()


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class QQ:
    """QQ's three addresses."""

    openid, client_id = "OPENID1", "qq-app"

    def get(self, answer, path, query):
        if path == "/oauth2.0/token":
            good = (query["code"], query["client_secret"], query["fmt"]) == ("right", "qq-secret", "json")
            answer.json({"access_token": "T"} if good else {"error": 100020, "error_description": "code is reused"})
        elif path == "/oauth2.0/me":
            answer.json({"client_id": self.client_id, "openid": self.openid})
        else:
            answer.json({}, 404)
