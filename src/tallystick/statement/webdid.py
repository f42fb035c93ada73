"""DIDs that name a place in the web: did:web and did:webvh, and the URL each leads to.

    place = parse_web_did("did:web:example.com:issuers:desk")
    place.url                     # https://example.com/issuers/desk/did.json

Stricter than the methods ask: a host is written in ASCII (`xn--…` for other scripts), without
percent signs, and is no address, so that no two spellings lead to one place and none leads inwards.
The one name without a dot is `localhost`, for trials on one machine.

Source:
    W3C CCG did:web method, section 2; did:webvh v1.0, "Method-Specific Identifier" and "The DID to
    HTTPS Transformation".
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from tallystick.errors import EncodingError

DID_LETTERS_MAX: Final = 512
HOST_LETTERS_MAX: Final = 253
PORT_MAX: Final = 65_535
WEB: Final = "web"
WEBVH: Final = "webvh"
LOCALHOST: Final = "localhost"

_SCID: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{46}", re.ASCII)
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_PORT: Final = re.compile(r"(.*?)(?:%3[Aa]([0-9]{1,5}))?", re.ASCII)
_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})+", re.ASCII)
_NUMERIC: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)
"""A last label like this makes readers of URLs take the host for an IPv4 address."""


@dataclass(frozen=True, slots=True)
class WebDid:
    """A DID of one of the two methods, in parts.

    Attributes:
        did: As it was given.
        method: `web` or `webvh`.
        scid: Digest that a history begins with; empty for did:web.
        host: Name of a host, in lower case.
        port: TCP port.
        path: Path of the folder that holds the document, percent-encoded, without slashes around.
    """

    did: str
    method: str
    scid: str
    host: str
    port: int | None
    path: str

    @property
    def url(self) -> str:
        """Where the document, or the history, is fetched."""
        return self._url("did.json" if self.method == WEB else "did.jsonl")

    @property
    def witness_url(self) -> str:
        """Where the approvals of a history's witnesses are fetched."""
        return self._url("did-witness.json")

    def _url(self, file: str) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"https://{self.host}{port}/{self.path or '.well-known'}/{file}"


def is_web_did(did: str) -> bool:
    """Tell whether a DID is of one of the two methods, well-formed or not."""
    return did.startswith((f"did:{WEB}:", f"did:{WEBVH}:"))


def parse_web_did(did: str) -> WebDid:
    """Read a DID of one of the two methods.

    Raises:
        EncodingError: It is none, or leads to no host.
    """
    if len(did) > DID_LETTERS_MAX:
        raise EncodingError(f"a DID has at most {DID_LETTERS_MAX} letters, got {len(did)}")
    match did.split(":"):
        case ["did", "web", host, *path]:
            return _place(did, WEB, "", host, path)
        case ["did", "webvh", scid, host, *path]:
            if not _SCID.fullmatch(scid):
                raise EncodingError(f"a did:webvh begins with a SCID of 46 letters, got {scid!r}")
            return _place(did, WEBVH, scid, host, path)
    raise EncodingError(f"expected did:web:HOST or did:webvh:SCID:HOST, got {did[:80]!r}")


def _place(did: str, method: str, scid: str, host: str, path: list[str]) -> WebDid:
    found = _PORT.fullmatch(host)
    name, port = (found[1], found[2]) if found else (host, None)
    number = None if port is None else int(port)
    if number is not None and not 0 < number <= PORT_MAX:
        raise EncodingError(f"a port is in 1..{PORT_MAX}, got {number}")
    return WebDid(did, method, scid, _host(name), number, "/".join(map(_segment, path)))


def _host(name: str) -> str:
    labels = name.split(".")
    fine = len(name) <= HOST_LETTERS_MAX and all(map(_LABEL.fullmatch, labels))
    if not fine or (len(labels) == 1 and name.lower() != LOCALHOST):
        raise EncodingError(f"a host is a name such as example.com, in ASCII, got {name[:80]!r}")
    if _NUMERIC.fullmatch(labels[-1]):
        raise EncodingError(f"a host is a name and not an address, got {name[:80]!r}")
    return name.lower()


def _segment(text: str) -> str:
    """Return a part of the path, percent-encoded anew; decoded once, and only once."""
    if not _SEGMENT.fullmatch(text):
        raise EncodingError(f"a part of a DID's path is not well-formed: {text[:80]!r}")
    try:
        plain = unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise EncodingError(f"a part of a DID's path is not UTF-8: {text[:80]!r}") from error
    if plain in {".", ".."} or plain.strip() != plain or set(plain) & {"/", "\\", "\0"}:
        raise EncodingError(f"a part of a DID's path leads elsewhere: {plain[:80]!r}")
    return quote(plain, safe="")
