"""Cookies of the service: which browser it is, and who is signed in there.

Over https their names begin with `__Host-`: a browser then takes them from this very host only,
over https only, and no other host of the same domain can set them. On this machine, by http,
browsers do not allow that name.

Source:
    RFC 6265bis, section 4.1.3 (cookie name prefixes) and 5.2 (SameSite).
"""

from typing import Final
from urllib.parse import urlsplit

from tallystick.web.call import Call

SESSION: Final = "tallystick-session"
BROWSER: Final = "tallystick-browser"
_HOST: Final = "__Host-"


def origin_of(call: Call) -> str:
    """Return the origin of our pages, as the browser that asks knows it."""
    parts = urlsplit(call.url(""))
    return f"{parts.scheme}://{parts.netloc}"


def cookie(call: Call, name: str) -> str:
    """Return the value of one of our cookies; empty without it."""
    wanted = _full(call, name)
    for pair in (call.header(b"cookie") or "").split(";"):
        found, _, value = pair.strip().partition("=")
        if found == wanted:
            return value
    return ""


def set_cookie(call: Call, name: str, value: str, seconds: int) -> tuple[bytes, bytes]:
    """Return the header field that sets a cookie; an empty value takes it away."""
    parts = [f"{_full(call, name)}={value}", "Path=/", f"Max-Age={seconds}", "HttpOnly",
             "SameSite=Lax"]  # fmt: skip
    if _is_secure(call):
        parts.append("Secure")
    return b"set-cookie", "; ".join(parts).encode("ascii")


def _full(call: Call, name: str) -> str:
    return (_HOST if _is_secure(call) else "") + name


def _is_secure(call: Call) -> bool:
    return call.url("").startswith("https://")
