"""Several ledgers behind one address: each under its prefix, and none knows of the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tallystick.capture.roles import Grant, Role
from tallystick.client import connect
from tallystick.errors import InputError, RefusedError
from tallystick.ledger import Ledger
from tallystick.web.access import Authorize
from tallystick.web.further import trace_further
from tallystick.web.service import Served
from tallystick.web.settings import Settings
from tallystick.web.sources import DEFAULT, trace
from tests.ledgers import Issuer, ledger_in, submissions
from tests.unit.web.served import COSE, Client, serving

CLINIC = Issuer()


def only(known: str) -> Authorize:
    """Know one API key."""

    def authorize(key: str) -> Grant:
        if key != known:
            raise RefusedError("this API key is not known", reason="api-key.unknown")
        return Grant(Role.OPERATOR)

    return authorize


@contextmanager
def both(folder: Path, of_hr: Any = None, **options: Any) -> Iterator[tuple[Client, Ledger]]:
    """Serve one ledger, another one as `hr`, and one that could not be opened as `lost`."""
    with ledger_in(folder / "first") as first, ledger_in(folder / "hr", CLINIC) as hr:
        settings = Settings(port=0, workers=0, **options)
        further = {"lost": None, "hr": Served(hr, settings, of_hr, only("of hr"))}
        with serving(first, further=further, authorize=only("of first"), **options) as client:
            yield client, hr


def test_each_ledger_answers_for_itself_and_names_its_prefix(tmp_path: Path) -> None:
    statement = CLINIC.sign()

    with both(tmp_path) as (client, hr):
        taken = client.post("/ledgers/hr/entries", statement.entry, COSE)
        found = client.get(f"/ledgers/hr/statements/{statement.id.hex()}")
        elsewhere = client.get(f"/statements/{statement.id.hex()}")
        sizes = [client.get(f"{at}/healthz").json["size"] for at in ("", "/ledgers/hr")]
        expected = [one.snapshot.checkpoint.size for one in (client.ledger, hr)]
        configuration = client.get("/ledgers/hr/.well-known/transparency-configuration").body
        url = client.url

    assert taken.status == 201
    assert taken.headers["location"] == f"{url}/ledgers/hr/entries/{statement.id.hex()}"
    assert found.status == 200
    assert elsewhere.status == 404
    assert sizes == expected
    assert sizes[0] != sizes[1]
    assert f"{url}/ledgers/hr".encode() in configuration


def test_an_api_key_opens_its_own_ledger_and_no_other(tmp_path: Path) -> None:
    def tried(at: str, key: str) -> tuple[int, str]:
        entry, bearer = CLINIC.sign().entry, {"authorization": f"Bearer {key}"}
        answer = client.post(f"{at}/entries", entry, COSE, **bearer)
        title, _ = answer.scrapi_problem if answer.status == 401 else ("", "")
        return answer.status, title

    with both(tmp_path, require_key=True) as (client, _):
        own = tried("/ledgers/hr", "of hr")
        others = tried("/ledgers/hr", "of first"), tried("", "of hr")
        wrong = client.get("/ledgers", authorization="Bearer of hr")
        unknown = client.get("/ledgers", authorization="Bearer of nobody")
        counts = [client.get("/metrics", authorization="Bearer of hr").status,
                  client.get("/ledgers", authorization="Bearer of hr").status,
                  client.get("/ledgers", authorization="Bearer of first").status]  # fmt: skip

    assert own[0] == 201
    assert [status for status, _ in others] == [401, 401]
    assert all("key" in title.lower() for _, title in others)
    assert counts == [401, 401, 200]
    assert (wrong.code, wrong.json["reason"]) == ("refused.wrong-tenant", "api-key.wrong-tenant")
    assert unknown.code == "refused.key"


def test_the_client_of_the_first_works_on_a_further_one(tmp_path: Path) -> None:
    statement = CLINIC.sign()

    with both(tmp_path) as (client, hr), connect(f"{client.url}/ledgers/hr") as remote:
        [registered] = remote.register(submissions(statement))
        proof = remote.prove(statement.id)
        place = hr.get(statement.id).index

    assert not isinstance(registered, Exception)
    assert (registered.index, proof.found.index) == (place, place)


def test_a_ledger_that_could_not_be_opened_is_said_to_be_away(tmp_path: Path) -> None:
    with both(tmp_path) as (client, _):
        away = client.get("/ledgers/lost/checkpoint")
        ready = client.get("/readyz")
        listed = client.get("/ledgers").json["ledgers"]
        nobody = client.get("/ledgers/nobody/checkpoint")

    assert (away.status, away.code) == (503, "unavailable")
    assert "'lost' could not be opened" in away.json["detail"]
    assert ready.status == 200
    assert ready.json["parts"]["ledgers"]["state"] == "warning"
    assert "lost" in ready.json["parts"]["ledgers"]["detail"]
    assert [(one["name"], one["state"]) for one in listed] == [("hr", "open"), ("lost", "closed")]
    assert nobody.status == 404


def test_a_further_ledger_in_trouble_is_a_warning_of_the_first(tmp_path: Path) -> None:
    with both(tmp_path) as (client, _):
        inner = client.server.service.further["hr"]
        assert inner is not None
        inner.closing = True
        first, further = client.get("/readyz"), client.get("/ledgers/hr/readyz")

    assert first.status == 200
    assert "the ledger hr: the service is ending" in first.json["parts"]["ledgers"]["detail"]
    assert further.status == 503


def test_ledgers_share_the_limits_of_the_service(tmp_path: Path) -> None:
    with both(tmp_path, requests_max=8) as (client, _):
        service = client.server.service
        service.load.requests = 8
        busy = client.get("/ledgers/hr/healthz"), client.get("/healthz")
        service.load.requests = 0

    assert [answer.status for answer in busy] == [503, 503]


def test_a_gateway_stands_under_its_ledger_and_starts_with_it(tmp_path: Path) -> None:
    seen = []

    async def gateway(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for name in ("startup", "shutdown"):
                seen.append((await receive())["type"])
                await send({"type": f"lifespan.{name}.complete"})
            return
        seen.append(scope["path"].removeprefix(scope["root_path"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    with both(tmp_path, gateway) as (client, _):
        answer, nothing = client.get("/ledgers/hr/v1/models"), client.get("/v1/models")

    assert (answer.body, nothing.status) == (b"hello", 404)
    assert seen == ["lifespan.startup", "/models", "lifespan.shutdown"]


def test_a_gateway_that_does_not_start_closes_its_ledger_alone(tmp_path: Path) -> None:
    async def gateway(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "the spool is damaged"})

    with both(tmp_path, gateway) as (client, _):
        first, further = client.get("/checkpoint"), client.get("/ledgers/hr/checkpoint")

    assert first.status == 200
    assert further.status == 503


def test_a_further_ledger_is_not_reachable_without_keys_either(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "first") as first, ledger_in(tmp_path / "hr") as hr:
        settings = {"host": "0.0.0.0", "tls_certificate": None}  # noqa: S104 - refused
        further = {"hr": Served(hr, Settings(port=0, workers=0))}
        with (
            pytest.raises(InputError, match="can be reached from other machines"),
            serving(first, further=further, authorize=only("x"), **settings),
        ):
            pass


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tallystick.toml"


def test_a_further_ledger_is_served_as_the_service_unless_its_file_says_otherwise(
    file: Path,
) -> None:
    file.write_text("require_key = true\n")
    service = trace(None, {"TALLYSTICK_FAIL_OPEN": "true", "TALLYSTICK_PORT": "1"},
                    {"head": "/elsewhere", "public_url": "https://log.example/"})  # fmt: skip

    settings = trace_further(service, "hr", file).settings()

    assert (settings.require_key, settings.fail_open, settings.port) == (True, True, 1)
    assert settings.head is None
    assert settings.public_url == "https://log.example/ledgers/hr"


def test_whoever_names_an_upstream_inherits_no_key_for_another(file: Path) -> None:
    service = trace(None, {"TALLYSTICK_UPSTREAM": "https://a.example/v1",
                           "TALLYSTICK_UPSTREAM_KEY": "sk-a"}, {})  # fmt: skip
    inherited = trace_further(service, "hr", file).settings()
    file.write_text('upstream = "https://b.example/v1"\n')
    own = trace_further(service, "hr", file)

    assert (inherited.upstream, inherited.upstream_key) == ("https://a.example/v1", "sk-a")
    assert (own.settings().upstream, own.settings().upstream_key) == ("https://b.example/v1", None)
    assert own.values["upstream_key"].place == DEFAULT


def test_what_is_the_services_cannot_be_set_by_a_further_ledger(file: Path) -> None:
    file.write_text("port = 9\nprot = 1\nshow_content = true\n")

    found = trace_further(trace(), "hr", file)

    assert ["whole service" in str(fault.error) for fault in found.faults] == [True, False]
    assert found.values["port"].value == Settings().port
    assert found.values["show_content"].value is True
