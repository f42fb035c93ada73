"""The OpenAPI document: valid, complete, and what really is answered."""

import json
from pathlib import Path
from typing import Any

import cbor2
import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tallystick.affected import Held, ask, identify, make_code
from tallystick.statement import b64
from tallystick.statement.governance import IssuerKind
from tallystick.web.routes import OPERATIONS
from tests.ledgers import Issuer, submissions
from tests.passkeys import Authenticator, enrolled
from tests.unit.web.served import CBOR, COSE, JSON, NDJSON, Client, Place, Reply, served

PROBLEMS = {"application/problem+json", "application/concise-problem-details+cbor"}


@pytest.fixture(scope="module")
def document(place: Place) -> Any:
    return place.client.get("/openapi.json").json


def test_the_document_is_valid_openapi(document: Any, place: Place) -> None:
    OpenAPIV31SpecValidator(document).validate()

    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": place.client.url}]


def test_every_operation_of_the_table_is_in_the_document(document: Any) -> None:
    described = {
        (path, method.upper()) for path, item in document["paths"].items() for method in item
    }

    assert described == {(operation.template, operation.method) for operation in OPERATIONS}
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names)


def question(place: Place) -> bytes:
    """Return a question to a person who can answer it."""
    person, ledger = Issuer(kind=IssuerKind.PERSON), place.client.ledger
    ledger.register_key(person.record())
    enrolled(ledger, person.did, Authenticator())
    return json.dumps({"issuer": person.did, "action": "release"}).encode()


def mine(name: str, place: Place) -> bytes:
    """Return what a person sends about a decision about them."""
    ledger, said = place.client.ledger, place.clinic.sign(type="decision")
    ledger.register(submissions(said))
    code = make_code(ledger.api_secret, ledger.card.origin, said.id)
    held = {"receipt": said.id.hex(), "code": code}
    if name == "mine":
        return json.dumps(held).encode()
    if name == "askAboutMine":
        return json.dumps({**held, "kind": "appeal", "words": "no"}).encode()
    entitled = identify(ledger, Held(**held))
    request = ask(ledger, entitled, "appeal", "no").id.hex()
    return json.dumps({**held, "request": request}).encode()


def example(operation: Any, place: Place) -> tuple[str, bytes | None, str | None]:
    """Return path, body and media type of a request that the service grants."""
    statement = place.clinic.sign()
    path = operation.template
    if operation.name == "askApproval":
        return path, question(place), JSON
    if operation.tag == "mine":
        return path, mine(operation.name, place), JSON
    if "{id}" in path:
        place.client.ledger.register(submissions(statement))
        path = path.replace("{id}", statement.id.hex())
    kid = b64.encode_url(place.client.ledger.receipt_signer.public.thumbprint())
    path = path.replace("{kid}", kid).replace("{level}/{number}", "0/000.p/1")
    if operation.name == "consistency":
        path += "?from=1"
    if operation.name == "stream":
        path += "?since=0&limit=1"  # it would have no end
    if operation.name == "checkpoint":
        place.client.ledger.publish()
    return path, statement.entry if operation.takes else None, COSE if operation.takes else None


def check(document: Any, operation: Any, reply: Reply) -> None:
    """Compare an answer with what the document says."""
    described = document["paths"][operation.template][operation.method.lower()]
    answer = described["responses"].get(str(reply.status), described["responses"]["default"])
    media = {kind.replace(" ", "").lower(): content for kind, content in answer["content"].items()}
    content = media[reply.headers["content-type"].replace(" ", "").lower()]
    if "schema" in content and reply.headers["content-type"] == JSON:
        schema = {**content["schema"], "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(reply.json)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_answers_as_described(place: Place, document: Any, operation: Any) -> None:
    path, body, media = example(operation, place)

    reply = place.client.ask(operation.method, path, body, media)

    assert reply.status in {r.status for r in operation.replies}, reply
    assert reply.status < 300
    check(document, operation, reply)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_knows_its_methods(place: Place, operation: Any) -> None:
    path = example(operation, place)[0]

    options = place.client.ask("OPTIONS", path)
    other = place.client.ask("DELETE", path)
    allowed = options.headers["allow"].split(", ")

    assert (options.status, options.body) == (204, b"")
    assert operation.method in allowed
    assert other.status == 405
    assert other.headers["allow"] == options.headers["allow"]
    assert other.headers["content-type"] in PROBLEMS


@pytest.mark.parametrize(
    "operation", [o for o in OPERATIONS if o.method == "GET"], ids=lambda operation: operation.name
)
def test_head_answers_as_get_without_the_body(place: Place, operation: Any) -> None:
    path = example(operation, place)[0]

    head, get = place.client.ask("HEAD", path), place.client.get(path)

    assert (head.status, head.body) == (get.status, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize(
    ("media", "several"), [(JSON, False), (JSON, True), (CBOR, True), (NDJSON, True)]
)
def test_answers_to_batches_are_as_described(
    place: Place, document: Any, media: str, several: bool
) -> None:
    statements = [place.clinic.sign(), Issuer().sign()]
    bodies = [{"entry": b64.encode_url(statement.entry)} for statement in statements]
    lines = b"\n".join(json.dumps(body).encode() for body in bodies)
    whole = json.dumps(bodies if several else bodies[0]).encode()
    entries = cbor2.dumps([statement.entry for statement in statements])

    data = {JSON: whole, CBOR: entries, NDJSON: lines}[media]
    reply = place.client.post("/statements?receipts=1", data, media)

    schema = document["paths"]["/statements"]["post"]["responses"][str(reply.status)]["content"]
    kind = schema[reply.headers["content-type"]]["schema"]
    answers = [json.loads(line) for line in reply.body.splitlines()]
    for answer in answers:
        validator = jsonschema.Draft202012Validator({**kind, "components": document["components"]})
        validator.validate(answer)
    assert len(answers) == (3 if media == NDJSON else 1)


def test_a_request_that_the_document_forbids_is_refused(place: Place, document: Any) -> None:
    schema = {**document["components"]["schemas"]["SubmissionBody"]}
    schema["components"] = document["components"]
    wrong = {"entry": "AA", "unknown": 1}

    reply = place.client.post("/statements", json.dumps(wrong).encode(), JSON)

    assert reply.status == 400
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(wrong)


def test_what_is_not_in_the_table_is_a_problem_that_points_to_it(place: Place) -> None:
    reply = place.client.get("/nothing/here")

    assert (reply.status, reply.code) == (404, "input.not-found")
    assert "/openapi.json" in reply.json["advice"]


def test_a_mounted_application_is_served_under_v1_and_runs_its_lifespan(tmp_path: Path) -> None:
    seen = []

    async def gateway(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for name in ("startup", "shutdown"):
                seen.append((await receive())["type"])
                await send({"type": f"lifespan.{name}.complete"})
            return
        seen.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    def body(client: Client) -> bytes:
        return client.get("/v1/models").body

    with served(tmp_path, gateway_app=gateway) as client:
        answer = body(client)

    assert answer == b"hello"
    assert seen == ["lifespan.startup", "/v1/models", "lifespan.shutdown"]
