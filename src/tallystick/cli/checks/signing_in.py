"""Checks of signing in: what is set, whether the provider answers, and whether it knows us.

The provider is asked for its documents, for a code in the name of nobody (`prompt=none`), and for
tokens with a code that it never gave: it then says whether it takes our redirect URI and our
secret. Nobody is signed in by that.
"""

import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from tallystick.cli.checks.finding import Finding, ok, problem, warning
from tallystick.cli.checks.rights import secret_file
from tallystick.errors import missing_extra

if TYPE_CHECKING:
    from tallystick.client.http1 import Response
    from tallystick.web import Settings
    from tallystick.web.oidc.asking import Asker
    from tallystick.web.oidc.client import Client
    from tallystick.web.oidc.provider import Metadata

NAME: Final = "oidc"
ASK_SECONDS: Final = 3.0
"""How long the provider may take for one answer."""
_SET: Final = ("oidc_client_id", "oidc_client_secret_file", "oidc_client_key_file",
               "oidc_audience", "oidc_roles")  # fmt: skip


def signing_in(settings: "Settings") -> Iterator[Finding]:
    """Check the provider and what is set of it; nothing is found where none is set.

    Raises:
        InputError: The settings do not go together.
        MissingExtraError: The libraries are not installed.
    """
    if settings.oidc_issuer is None:
        if lost := [name for name in _SET if getattr(settings, name)]:
            yield warning(NAME, f"{', '.join(lost)} without oidc_issuer", "both, or neither")
        return
    try:
        from tallystick.web.oidc.asking import Asker, allowed_by
        from tallystick.web.oidc.client import make_client
        from tallystick.web.oidc.sign_in import check_sign_in
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error
    check_sign_in(settings)
    for kind in ("secret", "key"):
        if (path := getattr(settings, f"oidc_client_{kind}_file")) is not None:
            yield from secret_file(f"{NAME} {kind}", path)
    yield from _roles(settings)
    client = make_client(settings, os.environ)
    if client.method == "none":
        yield warning(NAME, "there is neither a client secret nor a key: anybody can ask the "
                      "provider in the name of this service", "oidc_client_secret_file",
                      "a secret from the provider, in a file of mode 600")  # fmt: skip
    yield from _provider(settings, client, Asker(allowed_by(settings), ASK_SECONDS))


def _roles(settings: "Settings") -> Iterator[Finding]:
    rules = settings.oidc_roles
    if not rules:
        yield warning(NAME, "oidc_roles is empty: whoever signs in is refused",
                      "[[oidc_roles]] with value and role")  # fmt: skip
        return
    twice = [value for value, times in Counter(r.value for r in rules).items() if times > 1]
    if twice:
        yield warning(NAME, f"{', '.join(twice)} stands in oidc_roles more than once",
                      "once: only the first counts")  # fmt: skip
    words = ", ".join(f"{rule.value} → {rule.role}" for rule in rules)
    yield ok(NAME, f"{settings.oidc_roles_claim}: {words}")


def _provider(settings: "Settings", client: "Client", asker: "Asker") -> Iterator[Finding]:
    """Ask the provider; where it is away, API keys still open the service, so that is a warning."""
    from tallystick.web.oidc.keys import parse_keys
    from tallystick.web.oidc.provider import WELL_KNOWN, parse_metadata

    issuer = settings.oidc_issuer or ""
    from tallystick.web.oidc.asking import parse_object
    from tallystick.web.problems import ProviderAwayError

    try:
        answer = asker.get(issuer.rstrip("/") + WELL_KNOWN)
        metadata = parse_metadata(answer, issuer, loopback=settings.oidc_loopback)
        keys = list(parse_keys(parse_object(asker.get(metadata.jwks_uri), "keys")))
        yield ok(NAME, f"{issuer} answers, with {len(keys)} keys")
        yield from _clock(answer, settings.oidc_skew_seconds)
        yield from _offered(metadata, client, settings)
        yield from _redirect(metadata, client, settings, asker)
        yield from _secret(metadata, client, settings, asker)
    except ProviderAwayError as error:
        yield warning(NAME, str(error), "a provider that answers",
                      error.advice or "start it, or correct oidc_issuer")  # fmt: skip


def _clock(answer: "Response", skew: int) -> Iterator[Finding]:
    try:
        there = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return
    off = time.time() - there
    if abs(off) > skew:
        yield problem(NAME, f"the provider's clock differs from ours by {off:+.0f} s",
                      f"at most {skew} s", "set both by NTP, or oidc_skew_seconds")  # fmt: skip
    elif abs(off) > skew / 2 and abs(off) > 5:
        yield warning(NAME, f"the provider's clock differs from ours by {off:+.0f} s",
                      "a few seconds", "set both by NTP")  # fmt: skip


def _offered(metadata: "Metadata", client: "Client", settings: "Settings") -> Iterator[Finding]:
    """Check that the provider offers what is asked of it."""
    challenges = metadata.code_challenge_methods_supported
    if challenges is not None and "S256" not in challenges:
        yield warning(NAME, f"the provider knows PKCE by {', '.join(challenges) or 'nothing'}",
                      "S256")  # fmt: skip
    methods, ours = metadata.token_endpoint_auth_methods_supported, client.method
    known = {ours, "client_secret_post"} if ours == "client_secret_basic" else {ours}
    if ours != "none" and known.isdisjoint(methods):
        yield problem(NAME, f"the provider takes {', '.join(methods)}", " or ".join(sorted(known)))
    scopes = metadata.scopes_supported
    unknown = set(settings.oidc_scopes.split()) - set(scopes or settings.oidc_scopes.split())
    if unknown:
        yield warning(NAME, f"the provider does not name the scopes {', '.join(sorted(unknown))}",
                      f"of {', '.join(scopes or ())}", "oidc_scopes")  # fmt: skip


def _redirect(
    metadata: "Metadata", client: "Client", settings: "Settings", asker: "Asker"
) -> Iterator[Finding]:
    """Check that the provider sends people back to us."""
    uri = _redirect_uri(settings)
    challenge = sha256(secrets.token_bytes(32)).hexdigest()[:43]
    fields = {
        "response_type": "code", "client_id": client.id, "redirect_uri": uri,
        "scope": settings.oidc_scopes, "state": secrets.token_urlsafe(16), "prompt": "none",
        "nonce": secrets.token_urlsafe(16), "code_challenge": challenge,
        "code_challenge_method": "S256",
    }  # fmt: skip
    where = metadata.authorization_endpoint
    answer = asker.get(f"{where}{'&' if '?' in where else '?'}{urlencode(fields)}")
    there = answer.headers.get("location", "")
    if 400 <= answer.status < 500:
        yield problem(NAME, f"the provider refuses our client id or {uri}",
                      "that it knows both", "register this redirect URI with the provider"
                      )  # fmt: skip
    elif there.startswith(uri):
        yield ok(NAME, f"the provider sends people back to {uri}")
    else:
        yield ok(NAME, f"people must be sent back to {uri}: whether the provider does, it does "
                 "not say")  # fmt: skip


def _secret(
    metadata: "Metadata", client: "Client", settings: "Settings", asker: "Asker"
) -> Iterator[Finding]:
    """Check that the provider takes the secret, by a code that it never gave."""
    shown = client.show(
        metadata.token_endpoint_auth_methods_supported, metadata.token_endpoint, time.time()
    )
    form = {
        "grant_type": "authorization_code", "code": secrets.token_urlsafe(16),
        "redirect_uri": _redirect_uri(settings), "code_verifier": secrets.token_urlsafe(32),
        **shown.form,
    }  # fmt: skip
    answer = asker.post(metadata.token_endpoint, form, *shown.headers)
    if answer.status == 401 or b"invalid_client" in answer.body:
        yield problem(NAME, f"the provider does not take us for {client.id} ({client.method})",
                      "that it does", "the client's id and secret, as the provider has them"
                      )  # fmt: skip
    elif b"invalid_grant" in answer.body:
        yield ok(NAME, f"the provider takes us for {client.id} ({client.method})")


def _redirect_uri(settings: "Settings") -> str:
    """Return where people are sent back to; without a public URL, as on this machine."""
    base = settings.public_url or f"http://localhost:{settings.port}"
    return base.rstrip("/") + "/login/callback"
