"""How the service shows the provider who it is: by a secret, by its signature, or not at all.

A secret comes from a file or the environment, a private key from a file; neither is a setting, so
that settings can be shown, mailed and kept anywhere.

Source:
    RFC 6749 section 2.3.1 (secrets), RFC 7523 and OpenID Connect Core 1.0 section 9
    (private_key_jwt).
"""

import os
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from tallystick.errors import InputError
from tallystick.statement import b64
from tallystick.web.settings import Settings

SECRET_VARIABLE: Final = "TALLYSTICK_OIDC_CLIENT_SECRET"  # noqa: S105 - its name
ASSERTION_SECONDS: Final = 60
FILE_BYTES_MAX: Final = 64 << 10
_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_BY_CURVE: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What goes with a request to the token endpoint.

    Attributes:
        form: Further fields.
        headers: Further header fields.
    """

    form: Mapping[str, str]
    headers: tuple[tuple[str, str], ...] = ()


class Client:
    """This service, as the provider knows it."""

    def __init__(self, client_id: str, *, secret: str | None, key: jwk.Key | None) -> None:
        """Have a secret, a private key, or neither."""
        self.id, self._secret, self._key = client_id, secret, key

    @property
    def method(self) -> str:
        """How it shows who it is, as the standard names it; a secret has two ways."""
        if self._key is not None:
            return "private_key_jwt"
        return "none" if self._secret is None else "client_secret_basic"

    def show(self, methods: Collection[str], endpoint: str, now: float) -> Shown:
        """Return what shows the provider who asks.

        Args:
            methods: That it supports.
            endpoint: Who is asked, and may believe it.
            now: Seconds since 1970.
        """
        if self._key is not None:
            return Shown({
                "client_id": self.id,
                "client_assertion_type": _ASSERTION_TYPE,
                "client_assertion": self._assertion(self._key, endpoint, int(now)),
            })  # fmt: skip
        if self._secret is None:
            return Shown({"client_id": self.id})
        if "client_secret_basic" not in methods and "client_secret_post" in methods:
            return Shown({"client_id": self.id, "client_secret": self._secret})
        pair = f"{quote_plus(self.id)}:{quote_plus(self._secret)}"
        return Shown({}, (("authorization", f"Basic {b64.encode(pair.encode())}"),))

    def _assertion(self, key: jwk.Key, endpoint: str, now: int) -> str:
        algorithm = _algorithm(key)
        claims = {
            "iss": self.id, "sub": self.id, "aud": endpoint, "iat": now,
            "exp": now + ASSERTION_SECONDS, "jti": secrets.token_urlsafe(16),
        }  # fmt: skip
        header = {"alg": algorithm, "kid": key.thumbprint()}
        return jwt.encode(header, claims, key, algorithms=[algorithm])


def make_client(settings: Settings, environ: Mapping[str, str] = os.environ) -> Client:
    """Return this service as the provider knows it.

    Raises:
        InputError: No client id; a secret or key that cannot be read; or both.
    """
    if settings.oidc_client_id is None:
        raise InputError("oidc_issuer is set, and oidc_client_id is not", advice=_REGISTER)
    secret, file = environ.get(SECRET_VARIABLE), settings.oidc_client_secret_file
    if secret is None and file is not None:
        secret = _read(file, "oidc_client_secret_file").strip()
    if secret is not None and (not secret or not secret.isprintable()):
        raise InputError(f"the client secret in {file or SECRET_VARIABLE} is empty, or no one line")
    key_file = settings.oidc_client_key_file
    if secret is not None and key_file is not None:
        raise InputError(
            "there are a client secret and oidc_client_key_file", advice="keep one of them"
        )
    key = None if key_file is None else _read_key(key_file)
    return Client(settings.oidc_client_id, secret=secret, key=key)


_REGISTER: Final = "register this service with the provider; it says what its id is"


def _read_key(file: Path) -> jwk.Key:
    text = _read(file, "oidc_client_key_file")
    for kind in ("RSA", "EC"):
        try:
            key = jwk.JWKRegistry.import_key(text, kind)
            if key.is_private and _algorithm(key):
                return key
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    raise InputError(f"{file} is no private key in PEM: RSA, P-256, P-384 or P-521")


def _algorithm(key: jwk.Key) -> str:
    """Return the algorithm that a private key signs by."""
    if isinstance(key, jwk.RSAKey):
        return "RS256"
    return _BY_CURVE[str(key.as_dict(private=False)["crv"])]


def _read(file: Path, setting: str) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(FILE_BYTES_MAX).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{setting}: {file} cannot be read: {error}") from error
