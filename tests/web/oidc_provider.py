"""A small OpenID Connect provider, as a process of its own: `python -m tests.web.oidc_provider`.

It prints its address, asks nobody for a password, and says of everybody what was last sent to /control:
{"claims": {...}, "fault": "..."}. A fault makes it wrong in one way that a client must notice.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "desk", "the-desk's-secret"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
FOREIGN_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
told: dict[str, Any] = {"claims": {"sub": "1"}, "fault": ""}
codes: dict[str, dict[str, str]] = {}
tokens: set[str] = set()


class Provider(BaseHTTPRequestHandler):
    """Discovery, authorisation, token, user information and keys."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        if address.path == "/.well-known/openid-configuration":
            self.answer(self.discovery())
        elif address.path == "/keys":
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
            self.answer({"keys": [{**key, "kid": "first", "use": "sig", "alg": "RS256"}]})
        elif address.path == "/authorize":
            self.authorize(asked)
        elif address.path == "/userinfo" and self.headers.get("Authorization", "")[7:] in tokens:
            other = {"sub": "somebody-else"} if told["fault"] == "other_sub" else {}
            self.answer({**told["claims"], **other})
        else:
            self.answer({"error": "unknown"}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/control":
            told.update(json.loads(body))
            self.answer({})
        elif self.path == "/token":
            self.token({name: values[0] for name, values in parse_qs(body).items()})
        else:
            self.answer({"error": "unknown"}, 404)

    def discovery(self) -> dict[str, Any]:
        issuer = self.issuer()
        return {
            "issuer": "https://elsewhere.example.org" if told["fault"] == "other_issuer" else issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "jwks_uri": f"{issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
        }

    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def authorize(self, asked: dict[str, str]) -> None:
        if told["fault"] == "turned_back":
            back = {"error": "access_denied", "state": asked["state"]}
        else:
            assert asked["code_challenge_method"] == "S256", asked
            assert (asked["client_id"], asked["response_type"]) == (CLIENT_ID, "code"), asked
            code = secrets.token_urlsafe()
            codes[code] = asked
            back = {"code": code, "state": asked["state"]}
        self.send_response(302)
        self.send_header("Location", f"{asked['redirect_uri']}?{urlencode(back)}")
        self.end_headers()

    def token(self, sent: dict[str, str]) -> None:
        asked = codes.pop(sent["code"], None)
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        right = asked and asked["code_challenge"] == challenge and asked["redirect_uri"] == sent["redirect_uri"]
        if not right or (sent["client_id"], sent["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            self.answer({"error": "invalid_grant"}, 400)
            return
        token = secrets.token_urlsafe()
        tokens.add(token)
        id_token = {} if told["fault"] == "no_id_token" else {"id_token": self.id_token()}
        self.answer({"access_token": token, "token_type": "Bearer", "expires_in": 60, **id_token})

    def id_token(self) -> str:
        fault, now = told["fault"], int(time.time())
        claims = {**told["claims"], "iss": self.issuer(), "aud": CLIENT_ID, "iat": now, "exp": now + 60}
        wrong: dict[str, dict[str, Any]] = {
            "expired": {"exp": now - 90},
            "clock_ahead": {"iat": now + 30},
            "other_audience": {"aud": "another"},
            "wrong_issuer": {"iss": "https://elsewhere.example.org"},
        }
        claims |= wrong.get(fault, {})
        if fault == "unsigned":
            return jwt.encode(claims, None, algorithm="none", headers={"kid": "first"})
        if fault == "shared_secret":
            return jwt.encode(claims, CLIENT_SECRET * 3, algorithm="HS256", headers={"kid": "first"})
        key = FOREIGN_KEY if fault == "foreign_key" else KEY
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "nobody's" if fault == "no_key" else "first"})

    def answer(self, body: dict[str, Any], status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *words: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    print(f"http://127.0.0.1:{server.server_port}")
    sys.stdout.flush()
    server.serve_forever()
