"""Hostile bytes: whatever is sent, the answer is a problem or a result, never a failure of ours."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlencode

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.log import fsck
from tallystick.statement import b64, parse_vkey
from tests.ledgers import Issuer
from tests.unit.web.served import CBOR, COSE, JSON, NDJSON, Client, Reply, served

CLINIC = Issuer()
GOOD = CLINIC.sign()
_EXAMPLES = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Serve all examples; afterwards the log must be whole."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    with served(folder, CLINIC, workers=1) as client:
        yield client
        client.ledger.publish()
        places, key = client.ledger.home.places(), client.ledger.card.checkpoint_key
        assert not fsck(places.public, parse_vkey(key)).damage


def check(reply: Reply) -> None:
    """Insist on an answer that says what is wrong, in the right form."""
    if reply.status < 400:
        return
    assert reply.status < 500, reply
    if reply.headers["content-type"] == "application/problem+json":
        assert reply.code
    else:
        assert all(reply.scrapi_problem)


def check_results(reply: Reply) -> None:
    """Insist that none of several submissions failed inside."""
    check(reply)
    if reply.status == 200:
        lines = [json.loads(line) for line in reply.body.splitlines()]
        results = lines[0].get("results", []) if len(lines) == 1 else lines
        for result in results:
            assert (result.get("problem") or {"status": 400})["status"] < 500, result


@given(body=st.binary(max_size=400), media=st.sampled_from([COSE, CBOR, JSON, NDJSON]))
@_EXAMPLES
def test_any_bytes_as_statements(client: Client, body: bytes, media: str) -> None:
    check_results(client.post("/statements", body, media))


@given(body=st.binary(max_size=400))
@_EXAMPLES
def test_any_bytes_as_an_entry(client: Client, body: bytes) -> None:
    check(client.post("/entries", body, COSE))


@given(at=st.integers(0, len(GOOD.entry) - 1), byte=st.integers(0, 255), cut=st.booleans())
@_EXAMPLES
def test_any_byte_changed_in_a_statement(client: Client, at: int, byte: int, cut: bool) -> None:
    changed = GOOD.entry[:at] + bytes((byte,)) + (b"" if cut else GOOD.entry[at + 1 :])
    size = client.ledger.snapshot.checkpoint.size

    for path in ("/entries", "/statements"):
        reply = client.post(path, changed, COSE)
        check(reply)
        assert reply.status >= 400 or changed == GOOD.entry
    assert client.ledger.snapshot.checkpoint.size <= size + 1


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.integers() | st.text(max_size=5), inner, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip


@given(header=st.dictionaries(st.integers(-70010, 400) | st.text(max_size=3), _VALUES, max_size=6))
@_EXAMPLES
def test_any_protected_header(client: Client, header: dict[object, object]) -> None:
    members = {1: -8, 4: b"k" * 32, 15: {1: "did:x", 2: "urn:x"}, **header}
    entry = cbor2.dumps(cbor2.CBORTag(18, [cbor2.dumps(members), {}, b"p" * 32, bytes(64)]))

    check(client.post("/entries", entry, COSE))
    check_results(client.post("/statements", cbor2.dumps([entry] * 20), CBOR))


@given(batch=st.lists(st.binary(max_size=80), max_size=40))
@_EXAMPLES
def test_any_batch_in_cbor(client: Client, batch: list[bytes]) -> None:
    reply = client.post("/statements", cbor2.dumps([*batch, GOOD.entry]), CBOR)

    check_results(reply)
    assert reply.status == 200
    assert reply.json["results"][-1]["id"] == GOOD.id.hex()


_TEXTS = st.text(max_size=40) | st.just(b64.encode_url(GOOD.entry))
_FIELDS = st.dictionaries(
    st.text(max_size=5), st.fixed_dictionaries({"salt": _TEXTS, "value": _TEXTS}), max_size=3
)
_BODIES = st.fixed_dictionaries(
    {"entry": _TEXTS},
    optional={
        "content": st.none() | st.fixed_dictionaries({"salt": _TEXTS, "fields": _FIELDS}),
        "leaves": st.none() | _TEXTS,
        "rows": st.none()
        | st.fixed_dictionaries(
            {"salts": _TEXTS, "records": st.lists(_TEXTS, max_size=3)},
            optional={"subjects": st.none() | st.lists(st.text(max_size=5), max_size=3)},
        ),
    },
)


@given(bodies=st.lists(_BODIES, max_size=5), lines=st.booleans())
@_EXAMPLES
def test_any_submission_in_json(client: Client, bodies: list[object], lines: bool) -> None:
    if lines:
        text = b"\n".join(json.dumps(body).encode() for body in bodies)
        check_results(client.post("/statements", text, NDJSON))
    else:
        check_results(client.post("/statements", json.dumps(bodies).encode(), JSON))


_NAMES = st.sampled_from(
    ["issuer", "subject", "type", "model", "link", "emitter", "since", "until", "limit", "cursor"]
)


@given(
    path=st.sampled_from(["/statements", "/keys", "/consistency", "/bundles/00", "/proofs/x"]),
    fields=st.dictionaries(
        _NAMES | st.sampled_from(["from", "to", "content"]), st.text(max_size=60)
    ),
)
@_EXAMPLES
def test_any_query(client: Client, path: str, fields: dict[str, str]) -> None:
    check(client.get(f"{path}?{urlencode(fields)}"))


@given(target=st.binary(max_size=60), headers=st.binary(max_size=60))
@_EXAMPLES
def test_any_bytes_on_the_wire(client: Client, target: bytes, headers: bytes) -> None:
    with closing(client.open()) as connection:
        request = b"GET /%b HTTP/1.1\r\nhost: localhost\r\n%b\r\n\r\n" % (target, headers)
        last = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        connection.sendall(request + last)
        with suppress(OSError):  # it may have been closed already
            connection.shutdown(1)
        answer = http.client.HTTPResponse(connection)
        try:
            answer.begin()
        except (http.client.BadStatusLine, ConnectionResetError):
            return  # nothing that deserves an answer came
        assert answer.status < 500, answer.read()
