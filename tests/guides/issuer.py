"""An issuer of tokens: RSA keys made for the test, served as a JWKS, and tokens signed with them, rightly and wrongly."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """A key of this name. Making one is slow, so each is made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """`url` is set by whoever serves it; `published` are the names of the keys in its JWKS; `fetches` counts how often they were read."""

    def __init__(self) -> None:
        self.url = ""
        self.published = ["first"]
        self.fetches = 0
        self.is_down = False

    def answer(self, path: str, query: dict[str, str], headers: Mapping[str, str]) -> tuple[int, Any]:
        self.fetches += 1
        if self.is_down:
            return 503, {"error": "away"}
        keys = [
            {**RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True), "kid": name, "use": "sig", "alg": "RS256"} for name in self.published
        ]
        return 200, {"keys": keys}


def signed(claims: Mapping[str, Any], *, key: str = "first", kid: str | None = "first") -> str:
    return jwt.encode(dict(claims), rsa_key(key), algorithm="RS256", headers={"kid": kid} if kid else None)


def unsigned(claims: Mapping[str, Any]) -> str:
    return f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': 'first'})}.{_part(claims)}."


def signed_with_the_public_key(claims: Mapping[str, Any]) -> str:
    """HS256, with what everybody can read as its secret: whoever lets the token choose the algorithm takes it for the issuer's."""
    public = rsa_key("first").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    content = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'first'})}.{_part(claims)}"
    return f"{content}.{_text(hmac.digest(public, content.encode(), hashlib.sha256))}"


def tampered(token: str, **changes: Any) -> str:
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{_part({**claims, **changes})}.{signature}"


def claims_of(kind: str, issuer: Issuer, **changes: Any) -> dict[str, Any]:
    """What a good token of Auth0 or Firebase claims. None takes a claim away."""
    now = int(time.time())
    claims: dict[str, Any] = {"iat": now - 60, "exp": now + 600, "sub": "auth0|7" if kind == "auth0" else "uid7"}
    if kind == "auth0":
        claims |= {"iss": f"{issuer.url}/", "aud": ["https://api.acme.example", f"{issuer.url}/userinfo"], "azp": "client", "scope": "openid"}
    else:
        claims |= {"iss": "https://securetoken.google.com/acme-1", "aud": "acme-1", "auth_time": now - 60, "user_id": "uid7"}
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def _part(value: Mapping[str, Any]) -> str:
    return _text(json.dumps(value).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
