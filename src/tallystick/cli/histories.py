"""`tally issuers webvh`: write the history of a did:webvh whose keys are kept here.

The keys that sign entries lie in the key file as NAME~update and NAME~update-next. A command makes
the keys of the next step durable, writes the file, and only then lets them take their place; what
was interrupted between is finished by the next command on the same file.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.key_requests import ALGORITHM, key_kind
from tallystick.cli.session import Session, pass_session
from tallystick.errors import (
    ConflictError,
    InputError,
    NotFoundError,
    TallystickError,
    VerificationError,
)

if TYPE_CHECKING:
    from tallystick.identity import KeyFile, Signer
    from tallystick.statement.webvh import History
    from tallystick.statement.webvhwriting import UpdateKey

UPDATE: Final = "~update"
FOLLOWING: Final = "~update-next"
AFTER: Final = "~update-after"
NEXT: Final = "~next"
WITNESSES: Final = "did-witness.json"
"""File beside a history that holds the approvals of its witnesses; it is read, never written."""

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group("webvh")
def webvh() -> None:
    """Write the history of a did:webvh, entry by entry.

    FILE is what its host serves as did.jsonl: publish it after each command.
    """


@webvh.command("create")
@click.argument("name")
@click.argument("host")
@click.option(
    "--output",
    "-o",
    default="did.jsonl",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write.",
)
@click.option(
    "--no-pre-rotation",
    is_flag=True,
    help="Do not commit to the key that signs the next entry: who steals one can go on.",
)
@ALGORITHM
@pass_session
def create(
    session: Session,
    name: str,
    host: str,
    output: Path,
    algorithm: str | None,
    *,
    no_pre_rotation: bool,
) -> None:
    """Make a key NAME that signs as a new did:webvh at HOST, and begin its history.

    HOST is as it stands in the DID, such as example.com, localhost%3A8443 or example.com:desk.
    """
    from tallystick.cli.issuers import document_of
    from tallystick.cli.keys import check_key_name
    from tallystick.identity import SoftwareSigner, generate
    from tallystick.statement.keys import KeyKind
    from tallystick.statement.webdid import parse_web_did
    from tallystick.statement.webvhwriting import first_entry

    check_key_name(name)
    if output.exists():
        raise ConflictError(f"{output} is there already", advice="name another with --output")
    signer, update = generate(key_kind(algorithm)), generate(KeyKind.ED25519)
    following = None if no_pre_rotation else generate(KeyKind.ED25519)
    document = document_of(f"did:webvh:{{SCID}}:{host}", signer.public)
    now = int(time.time())
    did, line = first_entry(
        host, document, _writes(update), following.public if following else None, now
    )
    with session.changing_issuers() as keys:
        if taken := {name, name + UPDATE} & set(keys.names()):
            raise ConflictError(f"there is a key {min(taken)!r} already", advice="choose another")
        named = SoftwareSigner(signer.public.kind, signer.unsafe_secret(), did)
        keys.add_signer(name, named)
        keys.add_signer(name + UPDATE, update)
        if following is not None:
            keys.add_signer(name + FOLLOWING, following)
        _write(output, line)  # nobody has seen it: without its keys it is worth nothing
    session.say(f"publish {output} at {parse_web_did(did).url}, then run `tally issuers add {did}`")
    session.give({"did": did, "file": str(output), "entries": 1}, did)


@webvh.command("update")
@click.argument("name")
@_FILE
@click.option(
    "--document",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The DID document from now on, in JSON.",
)
@pass_session
def update(session: Session, name: str, file: Path, document: Path) -> None:
    """Give the DID of NAME another document; the key that signs entries is replaced, too."""
    from tallystick.statement.jcs import parse_json

    read = parse_json(document.read_bytes(), str(document))
    _go_on(session, name, file, lambda _keys, _history: read)


@webvh.command("rotate")
@click.argument("name")
@_FILE
@ALGORITHM
@pass_session
def rotate(session: Session, name: str, file: Path, algorithm: str | None) -> None:
    """Replace the key NAME by a new one in the document; the old one stays here as NAME~1.

    Publish FILE and run `tally issuers refresh` before the new key signs statements.
    """
    kind = key_kind(algorithm)

    def replaced(keys: "KeyFile", history: "History") -> dict[str, Any]:
        if name + NEXT in keys.names():
            keys.remove_signer(name + NEXT)
        new = keys.make_signer(name + NEXT, kind, history.did)
        return _with_key(history.document, keys.signer(name).public, new.public)

    _go_on(session, name, file, replaced)


@webvh.command("deactivate")
@click.argument("name")
@_FILE
@click.option("--yes", is_flag=True, help="It cannot be taken back: say that you mean it.")
@pass_session
def deactivate(session: Session, name: str, file: Path, *, yes: bool) -> None:
    """End the DID of NAME for ever."""
    if not yes:
        raise InputError("a DID that is deactivated stays so", advice="say --yes")
    _go_on(session, name, file, lambda _keys, history: history.document, deactivated=True)


def _go_on(
    session: Session,
    name: str,
    file: Path,
    document: "Callable[[KeyFile, History], dict[str, Any]]",
    *,
    deactivated: bool = False,
) -> None:
    """Write one further entry, signed by the key that was committed to."""
    from tallystick.statement.keys import KeyKind
    from tallystick.statement.webdid import parse_web_did
    from tallystick.statement.webvhwriting import further_entry

    with session.changing_issuers() as keys:
        did = keys.signer(name).issuer
        _check_kept(keys, name, did)
        history = _read(file, did)
        _finish(keys, name, history)
        committed = bool(history.parameters["nextKeyHashes"])
        signs = keys.signer(name + (FOLLOWING if committed else UPDATE))
        _check_goes_on(signs, history, file)
        state = document(keys, history)
        after = None
        if committed and not deactivated:
            if name + AFTER in keys.names():
                keys.remove_signer(name + AFTER)
            after = keys.make_signer(name + AFTER, KeyKind.ED25519).public
        line = further_entry(
            history, state, _writes(signs), after, int(time.time()), deactivated=deactivated
        )
        keys.save()  # before anybody hears of them
        _write(file, file.read_bytes() + line)
        _finish(keys, name, _read(file, did, approved=False))
    said = {"did": did, "file": str(file), "entries": len(history.versions) + 1}
    session.say(f"publish {file} at {parse_web_did(did).url}, then run `tally issuers refresh`")
    session.give(said, did)


def _check_goes_on(signs: "Signer", history: "History", file: Path) -> None:
    """Refuse a file that is not the newest: two entries after the same one are two histories.

    Raises:
        ConflictError: The key that is next here is not the one that may go on with it.
        VerificationError: Nobody may.
    """
    from tallystick.statement.webvhwriting import commitment, name_of

    if history.deactivated:
        raise VerificationError(f"{history.did} is deactivated, nothing follows that")
    hashes = history.parameters["nextKeyHashes"]
    mine = commitment(signs.public) if hashes else name_of(signs.public)
    if mine not in (hashes or history.parameters["updateKeys"]):
        raise ConflictError(
            f"{file} has {len(history.versions)} entries, and the keys here have gone on since",
            advice="take the file that was written, or published, last",
        )


def _check_kept(keys: "KeyFile", name: str, did: str) -> None:
    if not did.startswith("did:webvh:") or name + UPDATE not in keys.names():
        raise NotFoundError(
            f"the key {name!r} is of {did}, and no key here updates a history of it",
            advice="`tally issuers webvh create` begins one",
        )


def _finish(keys: "KeyFile", name: str, history: "History") -> None:
    """Let the keys that the newest entry names take their place; nothing where they have it."""
    from tallystick.cli.key_life import retired
    from tallystick.statement.diddocument import signing_keys
    from tallystick.statement.webvhwriting import name_of

    names = keys.names()
    if name + FOLLOWING in names and (
        name_of(keys.signer(name + FOLLOWING).public) in history.parameters["updateKeys"]
    ):
        keys.remove_signer(name + UPDATE)
        keys.rename(name + FOLLOWING, name + UPDATE)
        if name + AFTER in names:
            keys.rename(name + AFTER, name + FOLLOWING)
    named = signing_keys(history.document, history.did)
    if name + NEXT in names and keys.signer(name + NEXT).public in named:
        keys.rename(name, retired(keys, name))
        keys.rename(name + NEXT, name)


def _read(file: Path, did: str, *, approved: bool = True) -> "History":
    """Read a history; what was written just now, its witnesses have not seen yet."""
    from tallystick.statement.webvh import History, check_entry, read_history

    now, lines = int(time.time()), file.read_bytes()
    beside = file.with_name(WITNESSES)
    try:
        if approved:
            witness = beside.read_bytes() if beside.exists() else None
            return read_history(did, None, lines, witness, now)
        history = History(did=did)
        for line in lines.splitlines():
            history = check_entry(history, line, now)
    except TallystickError as error:
        error.advice = error.advice or f"put back the {file.name} that was published last"
        raise
    return history


def _with_key(document: dict[str, Any], old: Any, new: Any) -> dict[str, Any]:
    """Return a document that names another key, wherever it named the old one.

    Raises:
        InputError: It names the old one nowhere in the form that is written here.
    """

    def multikey(key: Any) -> str:
        return str(key.did().removeprefix("did:key:"))

    text, did = json.dumps(document), document["id"]
    before, fragment = multikey(old), f"{did}#{old.thumbprint().hex()[:16]}"
    if before not in text:
        raise InputError(
            "the document does not name the key as a Multikey, so it cannot be replaced there",
            advice="write the document, and run `tally issuers webvh update`",
        )
    text = text.replace(before, multikey(new))
    changed: dict[str, Any] = json.loads(
        text.replace(fragment, f"{did}#{new.thumbprint().hex()[:16]}")
    )
    return changed


def _writes(signer: Any) -> "UpdateKey":
    from tallystick.statement.webvhwriting import UpdateKey

    return UpdateKey(signer.public, signer.sign)


def _write(file: Path, content: bytes) -> None:
    """Write a file in one piece."""
    from tallystick.log import PosixDisk

    PosixDisk().replace(file.absolute(), content)
