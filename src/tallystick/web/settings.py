"""Settings of the service: `tallystick.toml` < environment `TALLYSTICK_*` < flags.

Every setting has one name in all three places: `port = 8471` in the file, `TALLYSTICK_PORT` in
the environment. `tallystick.web.sources` reads them from there.
"""

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from tallystick.capture.roles import Role
from tallystick.capture.settings import RouteSettings, UpstreamSettings
from tallystick.errors import InputError
from tallystick.web import limits

SECRET: Final = frozenset({"upstream_key"})
"""Settings whose value is never shown."""
UNQUOTED: Final = SECRET | {"upstreams"}
"""Settings whose value is not shown where it is wrong: it may be a key in the wrong place."""
LEDGERS: Final = "/ledgers/"
"""What the paths of further ledgers begin with; their name follows."""
OF_UPSTREAMS: Final = frozenset(
    {"upstream", "small_lm", "upstream_key", "upstream_location", "upstreams", "routes"}
)
"""What answers behind a gateway: a further ledger whose file names one of them inherits none."""
OF_ONE: Final = frozenset({"oidc_roles"})
"""What a further ledger never inherits: whoever has a role at one has none at another."""
OF_LEDGER: Final = frozenset(
    {
        *OF_UPSTREAMS,
        *OF_ONE,
        *("public_url", "head", "publish_seconds", "show_content", "fail_open", "require_key"),
        *("subscribers_max", "subscribers_per_caller", "quiet_seconds_max", "disk_free_bytes_min"),
        *("appeal_days_max", "content_locations"),
        *("webhook_loopback", "webhook_networks", "webhook_failing_seconds_max"),
    }
)
"""Settings that a further ledger may have of its own; all others are the service's."""

Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class RoleRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who of a provider's people has a role here.

    Attributes:
        value: What stands in the claim, such as the name or id of a group; letter by letter.
        role: What it makes a person here.
    """

    value: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    role: Role


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How the service runs.

    Attributes:
        host: Address to listen on. Another one than loopback needs a certificate and API keys.
        port: TCP port; 0 takes a free one.
        public_url: What clients call this service, such as `https://log.example`; links in
            answers begin with it. By default they begin with what the client asked for.
        tls_certificate: PEM file with the certificate chain.
        tls_key: PEM file with its private key.
        head: Folder of the last signed checkpoint, best on another disk; in the ledger's folder
            by default.
        workers: Processes that check signatures, one per core by default, from the first larger
            batch on; 0 checks in the service itself.
        publish_seconds: How long entries wait, at most, until everybody can read them.
        show_content: Whether callers on this machine, or with an API key, get content from the
            vault (`?content=true`), of types that the policy gives no class of visibility.
        upstream: Base URL of the model API that the gateway under `/v1` stands before; without it,
            and without `upstreams`, `small_lm` decides.
        small_lm: Whether, without an upstream, the small model that ships with Tallystick answers
            behind the gateway, in a process of its own, if NumPy is installed. Else there is no
            gateway.
        upstream_key: Sent to the upstream for callers who have no key of their own for it.
        upstream_location: Where the upstream lies: the two letters of a country, `EU` or `EEA`.
        upstreams: Further model APIs, in the file only: `[[upstreams]]` with `name`, `url`,
            `key_variable` (which environment variable holds the key), `models` (patterns of names
            that it answers for), `caller_keys` (whether it may see tokens that callers bring),
            `idle_s` and `location`.
        routes: Where calls for a model go, and where next if that fails, in the file only:
            `[[routes]]` with `model`, `to` (`UPSTREAM/MODEL`, tried in order) and `retries`.
        data_location: Where this machine lies: the two letters of a country, `EU` or `EEA`. A
            declaration: a vault whose content must stay elsewhere is not opened here. See
            [the guide](../guides/law.md).
        content_locations: Further places that prompts may be sent to, such as `CH, GB`, beyond
            the one where the vault says that content stays. None by default.
        fail_open: Whether the gateway lets calls through that it cannot record. Recorded itself.
        appeal_days_max: How long after a decision the page for those it is about takes an appeal,
            in days; 0 takes it for ever. See [the guide](../guides/decided.md).
        require_key: Whether callers on this machine need an API key, too.
        body_bytes_max: Largest body that is read as a whole.
        entries_max: Most statements in one batch.
        line_bytes_max: Longest line of a stream.
        buffered_bytes_max: Bodies of all requests together.
        requests_max: Most requests at the same time.
        requests_per_second: How often one caller from elsewhere may ask in the long run: an API
            key, else an address. 0 limits nobody. Requests of the gateway count, too.
        requests_burst: How many requests such a caller may make at once.
        subscribers_max: Most streams of new statements at the same time.
        subscribers_per_caller: Of these, the most of one caller from elsewhere.
        quiet_seconds_max: Longest time in which such a stream says nothing.
        body_pause_seconds_max: Longest pause in a body.
        body_seconds_max: Longest time for a body, or for one line of a stream.
        send_seconds_max: Longest time in which a client takes nothing of its answer.
        keep_alive_seconds_max: Longest time between two requests of a connection.
        drain_seconds: How long the service still accepts requests, saying that it is not ready,
            after it was told to end.
        shutdown_seconds_max: How long it then waits for requests that are running.
        log_format: `text` for people, `json` for one object per line.
        log_level: The least that is logged.
        access_log: Whether each request is logged: method, route, status, time. Never who asked.
        webhook_loopback: Whether webhooks may go to this machine, and then by http, too.
        webhook_networks: Networks beside the public Internet that webhooks may go to by https, such
            as `10.20.0.0/16, fd00:1::/64`. None by default.
        webhook_failing_seconds_max: A webhook whose target took nothing for so long is paused.
        issuer_loopback: Whether documents of issuers (did:web, did:webvh) may be fetched from this
            machine, for trials.
        issuer_networks: Networks beside the public Internet that they may be fetched from, such as
            `10.20.0.0/16`. None by default.
        oidc_issuer: Issuer of the OpenID provider with which people sign in, such as
            `https://login.example`; nobody signs in by default. See
            [the guide](../guides/signing-in.md).
        oidc_client_id: What the provider calls this service.
        oidc_client_secret_file: File with the secret that the provider gave it; else the variable
            `TALLYSTICK_OIDC_CLIENT_SECRET` holds it. The secret is no setting.
        oidc_client_key_file: PEM file of a private key, instead of a secret: the service then
            signs its requests (private_key_jwt).
        oidc_audience: Audience of access tokens that the API takes, if they are JWTs (RFC 9068) of
            this provider. None are taken by default.
        oidc_scopes: What is asked for; `openid` must be among it.
        oidc_roles_claim: Claim that says what a person is to the organisation. Dots lead into
            objects, such as `realm_access.roles`, unless a claim has that very name.
        oidc_roles: Which value of it gives which role, in the file only: `[[oidc_roles]]` with
            `value` and `role`. The first that fits counts; whom none fits is refused. A further
            ledger has only what its own file says.
        oidc_skew_seconds: How far the provider's clock may be off ours.
        oidc_loopback: Whether the provider may be on this machine, and then by http, for trials.
        oidc_networks: Networks beside the public Internet that it may be in, such as
            `10.20.0.0/16`. None by default.
        session_idle_seconds_max: Who does nothing for so long is signed out.
        session_seconds_max: Longest time between two sign-ins.
        otlp_endpoint: Base URL of an OpenTelemetry collector that takes OTLP over HTTP, such as
            `http://127.0.0.1:4318`; spans go to `/v1/traces` below it. None are made by default.
        otlp_ratio: Share of the traces beginning here that are sampled, 0 to 1. A caller who sends
            a `traceparent` decides for its own. See [the guide](../guides/operating.md).
        disk_free_bytes_min: With less free space where the ledger lies, the service is not ready.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8471
    public_url: str | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    head: Path | None = None
    workers: Annotated[int, msgspec.Meta(ge=0, le=256)] = msgspec.field(
        default_factory=lambda: os.cpu_count() or 1
    )
    publish_seconds: Seconds = 0.1
    show_content: bool = False
    upstream: str | None = None
    small_lm: bool = True
    upstream_key: str | None = None
    upstream_location: str | None = None
    upstreams: tuple[UpstreamSettings, ...] = ()
    routes: tuple[RouteSettings, ...] = ()
    data_location: str | None = None
    content_locations: str = ""
    fail_open: bool = False
    appeal_days_max: Annotated[int, msgspec.Meta(ge=0)] = 0
    require_key: bool = False
    body_bytes_max: Count = limits.BODY_BYTES_MAX
    entries_max: Count = limits.ENTRIES_MAX
    line_bytes_max: Count = limits.LINE_BYTES_MAX
    buffered_bytes_max: Count = limits.BUFFERED_BYTES_MAX
    requests_max: Count = limits.REQUESTS_MAX
    requests_per_second: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    requests_burst: Count = limits.REQUESTS_BURST
    subscribers_max: Count = limits.SUBSCRIBERS_MAX
    subscribers_per_caller: Count = limits.SUBSCRIBERS_PER_CALLER
    quiet_seconds_max: Seconds = limits.QUIET_SECONDS_MAX
    body_pause_seconds_max: Seconds = limits.BODY_PAUSE_SECONDS_MAX
    body_seconds_max: Seconds = limits.BODY_SECONDS_MAX
    send_seconds_max: Seconds = limits.SEND_SECONDS_MAX
    keep_alive_seconds_max: Count = limits.KEEP_ALIVE_SECONDS_MAX
    drain_seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    shutdown_seconds_max: Count = 30
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    access_log: bool = False
    webhook_loopback: bool = False
    webhook_networks: str = ""
    webhook_failing_seconds_max: Seconds = limits.WEBHOOK_FAILING_SECONDS_MAX
    issuer_loopback: bool = False
    issuer_networks: str = ""
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret_file: Path | None = None
    oidc_client_key_file: Path | None = None
    oidc_audience: str | None = None
    oidc_scopes: str = "openid profile"
    oidc_roles_claim: str = "groups"
    oidc_roles: tuple[RoleRule, ...] = ()
    oidc_skew_seconds: Annotated[int, msgspec.Meta(ge=0, le=300)] = 60
    oidc_loopback: bool = False
    oidc_networks: str = ""
    session_idle_seconds_max: Count = limits.SESSION_IDLE_SECONDS_MAX
    session_seconds_max: Count = limits.SESSION_SECONDS_MAX
    otlp_endpoint: str | None = None
    otlp_ratio: Annotated[float, msgspec.Meta(ge=0, le=1, title="number")] = 1.0
    disk_free_bytes_min: Annotated[int, msgspec.Meta(ge=0)] = limits.DISK_FREE_BYTES_MIN

    @property
    def has_gateway(self) -> bool:
        """There is a model API to stand before."""
        return self.upstream is not None or bool(self.upstreams)

    @property
    def loopback(self) -> bool:
        """Only callers on this machine can reach the service."""
        return is_loopback(self.host)

    def check_exposure(self, *, keys: bool) -> None:
        """Refuse to be reachable from elsewhere without encryption and API keys.

        Args:
            keys: Whether there is somebody who knows API keys.

        Raises:
            InputError: Something is missing; the message names it.
        """
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise InputError("tls_certificate and tls_key must be set together")
        if self.require_key and not keys:
            raise InputError("require_key is set, and there is nobody who knows API keys")
        if self.loopback:
            return
        missing = [] if self.tls_certificate else ["tls_certificate and tls_key"]
        missing += [] if keys else ["API keys"]
        if missing:
            raise InputError(
                f"host {self.host} can be reached from other machines; that needs "
                f"{' and '.join(missing)}",
                advice="set them, or keep host = 127.0.0.1 and put a TLS proxy with "
                "authentication before it",
            )


def is_loopback(host: str) -> bool:
    """Tell whether a name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
