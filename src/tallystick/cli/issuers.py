"""`tally issuers`: issuers whose DID is a place in the web, did:web and did:webvh."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.histories import webvh
from tallystick.cli.key_life import read_chains
from tallystick.cli.key_requests import ALGORITHM, key_kind, register
from tallystick.cli.printing import readable
from tallystick.cli.resolving import Resolved, read_parts, resolve_did
from tallystick.cli.session import Session, pass_session
from tallystick.errors import ConflictError, InputError, NotFoundError

if TYPE_CHECKING:
    from tallystick.statement import PublicKey
    from tallystick.statement.fetched import FetchedDocument, Seen

_KIND = click.option(
    "--kind",
    type=click.Choice(["organisation", "machine", "ai"]),
    default="organisation",
    show_default=True,
    help="What kind of party it is, as the operator says.",
)


@click.group()
def issuers() -> None:
    """Resolve, register and refresh issuers that are named by did:web or did:webvh."""


issuers.add_command(webvh)


@issuers.command("create")
@click.argument("name")
@click.argument("did")
@ALGORITHM
@pass_session
def create(session: Session, name: str, did: str, algorithm: str | None) -> None:
    """Make a key NAME here that signs as DID, and write what its document must say.

    For did:web that is the whole document; for did:webvh put the verification method into the
    document with the tool that writes the history. Nothing is registered: publish it first.
    """
    from tallystick.cli.keys import check_key_name
    from tallystick.identity import generate
    from tallystick.statement.webdid import parse_web_did

    place = parse_web_did(did)
    check_key_name(name)
    with session.changing_issuers() as keys:
        if name in keys.names():
            raise ConflictError(f"there is a key {name!r} already", advice="choose another name")
        signer = generate(key_kind(algorithm), did)
        keys.add_signer(name, signer)
    document = document_of(did, signer.public)
    session.say(f"publish it at {place.url}, then run `tally issuers add {did}`")
    session.give(document, json.dumps(document, indent=1))


@issuers.command("resolve")
@click.argument("did")
@pass_session
def resolve(session: Session, did: str) -> None:
    """Fetch and verify the document or history of DID, and show its keys; register nothing."""
    from tallystick.statement.governance import IssuerKind

    found = resolve_did(session, did)
    seen = read_parts(found.evidence(IssuerKind.ORGANISATION, None), None)
    _give(session, found, seen)


@issuers.command("add")
@click.argument("did")
@_KIND
@pass_session
def add(session: Session, did: str, kind: str) -> None:
    """Fetch the document or history of DID, and register it as evidence of the issuer's keys.

    From then on statements that these keys sign as DID are admitted, as far as the policy lets
    them, and verify for ever, without the network.
    """
    from tallystick.statement.governance import IssuerKind

    session.need_ledger()
    if did in read_chains(session).seen:
        raise ConflictError(f"{did} is registered", advice=f"run `tally issuers refresh {did}`")
    found = resolve_did(session, did)
    parts = found.evidence(IssuerKind(kind), None)
    seen = read_parts(parts, None)
    if seen is not None and not seen.keys and not seen.deactivated:
        raise InputError(
            f"{found.url} names no key that signs statements",
            advice="name an Ed25519 or P-256 key in its assertionMethod",
        )
    _register(session, parts, f"registered {did}")


@issuers.command("refresh")
@click.argument("dids", nargs=-1, metavar="[DID]...")
@pass_session
def refresh(session: Session, dids: tuple[str, ...]) -> None:
    """Fetch the documents of DIDs again, or of all that are registered, and register what is new.

    A key that a document names no more ends there; it does not come back.
    """
    chains = read_chains(session)
    for did in dids or tuple(chains.seen):
        if did not in chains.seen:
            raise NotFoundError(f"{did} is not registered", advice=f"run `tally issuers add {did}`")
        _, before = chains.seen[did]
        if before.deactivated:
            session.say(f"{did} is deactivated: nothing follows")
            continue
        parts = resolve_did(session, did).evidence(before.said.kind, before)
        if not parts:
            session.say(f"{did} is as it is registered")
            continue
        _say_ended(session, before, read_parts(parts, before))
        _register(session, parts, f"refreshed {did}")


@issuers.command("show")
@click.argument("did")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the evidence to this file, as it was fetched.",
)
@pass_session
def show(session: Session, did: str, output: Path | None) -> None:
    """Show what is registered of DID: what was fetched, when, from where, and its keys.

    Of a history all entries are written, also those that were registered before.
    """
    parts = _registered(session, did)
    seen = read_parts(parts, None)
    if seen is None:
        raise NotFoundError(f"{did} is not registered", advice=f"run `tally issuers add {did}`")
    content = parts[-1].content
    if seen.history is not None:
        content = b"".join(one.content for one in parts)
    if output is not None:
        output.write_bytes(content)
        session.say(f"wrote {output}: {len(content)} bytes")
    data, line = _described(did, seen, content)
    session.give(data, line)


def _register(session: Session, parts: "list[FetchedDocument]", words: str) -> None:
    for part in parts:
        register(session, part, words)


def _registered(session: Session, did: str) -> "list[FetchedDocument]":
    """Return all evidence that is registered of an issuer, in log order."""
    from tallystick.evidence.export import key_statements
    from tallystick.statement.fetched import FetchedDocument
    from tallystick.statement.keylife import parse_key_statement

    with session.reader() as ledger:
        found = sorted(key_statements(ledger, did), key=lambda one: one.index)
    said = [parse_key_statement(one.statement.payload) for one in found]
    return [one for one in said if isinstance(one, FetchedDocument)]


def _give(session: Session, found: Resolved, seen: "Seen | None") -> None:
    if seen is None:
        raise InputError(f"{found.url} is empty")
    data, text = _described(found.did, seen, found.file.body)
    session.give({**data, "address": found.file.address}, text)


def _described(did: str, seen: "Seen", content: bytes) -> tuple[dict[str, Any], str]:
    from tallystick.statement.webdid import parse_web_did

    said = seen.said
    data = {
        "did": did,
        "url": parse_web_did(did).url,
        "fetched_at": said.fetched_at,
        "sha256": sha256(content).hexdigest(),
        "bytes": len(content),
        "certificate": said.certificate,
        "media_type": said.media_type,
        "versions": list(seen.history.versions) if seen.history else None,
        "deactivated": seen.deactivated,
        "keys": [key.thumbprint().hex() for key in seen.keys],
    }
    return data, "\n".join(_lines(data, seen))


def _lines(data: dict[str, Any], seen: "Seen") -> Iterator[str]:
    at = datetime.fromtimestamp(data["fetched_at"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield f"{data['did']}"
    yield f"  fetched      {data['url']} at {at}"
    yield f"  digest       sha256 {data['sha256']}, {data['bytes']} bytes"
    yield f"  certificate  sha256 {data['certificate'].hex()}"
    if seen.history is None:
        yield "  shows        what the host served then, as the operator says"
    else:
        count = len(seen.history.versions)
        yield f"  shows        a history of {count} entries, each verified here"
    for key in seen.keys:
        yield f"  key          {key.thumbprint().hex()}  {readable(key.kind.value)}"
    if not seen.keys:
        why = "deactivated" if seen.deactivated else "no key signs statements"
        yield f"  key          none: {why}"


def _say_ended(session: Session, before: "Seen", after: "Seen | None") -> None:
    gone = set(before.keys) - set(after.keys if after else ())
    for key in sorted(gone, key=lambda one: one.raw):
        session.say(f"the key {key.thumbprint().hex()[:16]}… is named no more: it ends here")


def document_of(did: str, key: "PublicKey") -> dict[str, Any]:
    """Return a document with one key that signs statements."""
    method = {
        "id": f"{did}#{key.thumbprint().hex()[:16]}",
        "type": "Multikey",
        "controller": did,
        "publicKeyMultibase": key.did().removeprefix("did:key:"),
    }
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "verificationMethod": [method],
        "assertionMethod": [method["id"]],
    }
