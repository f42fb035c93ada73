"""A person before a browser: opens pages, presses keys, and has an authenticator."""

from typing import Any, Self

AUTHENTICATOR = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
WAIT_MS = 20_000


class Visitor:
    """One tab, with a virtual authenticator of its own."""

    def __init__(self, browser: Any, **authenticator: Any) -> None:
        self.page = browser.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.devtools = browser.new_cdp_session(self.page)
        self.devtools.send("WebAuthn.enable")
        options = {**AUTHENTICATOR, **authenticator}
        made = self.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self.authenticator = made["authenticatorId"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.page.close()

    def _note(self, message: Any) -> None:
        if "pubKeyCredParams" not in message.text:  # that RS256 is not taken is meant
            self.complaints.append(f"{message.type}: {message.text}")

    def credentials(self) -> list[dict[str, Any]]:
        wanted = {"authenticatorId": self.authenticator}
        found = self.devtools.send("WebAuthn.getCredentials", wanted)
        return list(found["credentials"])

    def verify_person(self, *, possible: bool) -> None:
        """Let the authenticator recognise the person from now on, or not."""
        wanted = {"authenticatorId": self.authenticator, "isUserVerified": possible}
        self.devtools.send("WebAuthn.setUserVerified", wanted)

    def open(self, url: str) -> int:
        answer = self.page.goto(url)
        return int(answer.status) if answer else 0

    def said(self) -> str:
        """Wait for what comes out; return the problem, else the status."""
        self.page.wait_for_function(
            "() => { const s = document.getElementById('status').textContent;"
            " return document.getElementById('problem').textContent || (s && !s.endsWith('…')); }"
        )
        problem = self.page.text_content("#problem")
        return str(problem or self.page.text_content("#status"))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def focused(self) -> str:
        return str(
            self.page.evaluate("document.activeElement.textContent || document.activeElement.id")
        )
