"""A little OpenID Connect provider over HTTP, which signs in whoever comes and can be told to lie.

It keeps to OpenID Connect Core and RFC 7636 where it is not told otherwise, and refuses what breaks them: a client that
leaves PKCE out, uses a code twice or comes back to another address gets nothing here.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "ibhelm: search/page", "planted client secret %/+"

Json = dict[str, Any]


class Key:
    """A pair of keys and the name of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def published(self) -> Json:
        found = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**found, "kid": self.name, "use": "sig", "alg": "RS256"}


class SharedKey(Key):
    """A secret that an issuer publishes by mistake: whoever knows it could sign."""

    def __init__(self, name: str) -> None:
        self.name, self.secret = name, b"a secret that stands where all can read it"

    def published(self) -> Json:
        found = base64.urlsafe_b64encode(self.secret).rstrip(b"=").decode()
        return {"kty": "oct", "k": found, "kid": self.name, "alg": "HS256"}


@dataclass
class Provider:
    """The provider.

    Attributes:
        claims: put over those of each ID token; a None takes one away.
        key: signs.
        published: what the provider says its keys are.
        header: put over that of each ID token; likewise.
        algorithm: of the signatures.
        is_away: whether every answer is 503.
        asked: paths that were asked for.
    """

    key: Key = field(default_factory=lambda: Key("first"))
    published: list[Key] = field(default_factory=list)
    claims: Json = field(default_factory=dict)
    header: Json = field(default_factory=dict)
    algorithm: str = "RS256"
    discovery: Json = field(default_factory=dict)
    is_away: bool = False
    asked: list[str] = field(default_factory=list)
    codes: dict[str, Json] = field(default_factory=dict)
    url: str = ""

    def __post_init__(self) -> None:
        self.published = [self.key]

    def honest(self) -> None:
        """Take back all lies."""
        self.claims, self.header, self.discovery = {}, {}, {}
        self.algorithm, self.is_away, self.published = "RS256", False, [self.key]

    def described(self) -> Json:
        found = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize?tenant=office",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }
        return {**found, **self.discovery}

    def authorize(self, asked: dict[str, str]) -> str:
        """Return where the browser is sent back to."""
        assert asked["tenant"] == "office"
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, Json]:
        """Return the answer to a code."""
        scheme, _, given = authorization.partition(" ")
        if "client_secret_post" in self.described().get("token_endpoint_auth_methods_supported", ()):
            named = [form.get("client_id"), form.get("client_secret")] if not scheme else []
        else:
            named = [unquote(each) for each in base64.b64decode(given).decode().split(":")] if scheme == "Basic" else []
        if named != [CLIENT_ID, CLIENT_SECRET]:
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        is_right = asked is not None and form.get("grant_type") == "authorization_code"
        if asked is None or not is_right or challenge != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        if form.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.id_token(asked["nonce"])}

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        honest = {
            "iss": self.url,
            "sub": "0815",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": nonce,
            "email": "petra.schmitz@buero.example",
            "email_verified": True,
            "name": "Petra Schmitz",
        }
        claims = {name: value for name, value in {**honest, **self.claims}.items() if value is not None}
        header = {name: value for name, value in {"kid": self.key.name, **self.header}.items() if value is not None}
        if self.algorithm == "none":
            return jwt.encode(claims, None, "none", header)
        if self.algorithm == "HS256":
            # By hand: PyJWT makes no token whose secret is a public key that all know.
            published = self.published[0]
            known = published.secret if isinstance(published, SharedKey) else json.dumps(published.published()).encode()
            return _hmac_token(claims, header, known)
        return jwt.encode(claims, self.key.private, self.algorithm, header)


@contextlib.contextmanager
def provider() -> Iterator[Provider]:
    """Run a provider on a free port for the length of the block."""
    served = Provider()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            served.asked.append(parts.path)
            if served.is_away:
                self._answer(503, {})
            elif parts.path == "/.well-known/openid-configuration":
                self._answer(200, served.described())
            elif parts.path == "/keys":
                self._answer(200, {"keys": [key.published() for key in served.published]})
            elif parts.path == "/authorize":
                back = served.authorize(dict(parse_qsl(parts.query)))
                self.send_response(302)
                self.send_header("Location", back)
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            served.asked.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found = served.exchange(dict(parse_qsl(body)), self.headers.get("Authorization", ""))
            self._answer(*((503, {}) if served.is_away else found))

        def _answer(self, status: int, value: Json) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _hmac_token(claims: Json, header: Json, secret: bytes) -> str:
    import hmac

    parts = [{"alg": "HS256", "typ": "JWT", **header}, claims]
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    mac = hmac.digest(secret, signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()
