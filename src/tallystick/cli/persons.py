"""`tally persons`: people who sign under pseudonyms, and who they are, kept in the vault."""

import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.arguments import check_did
from tallystick.cli.key_requests import ALGORITHM, key_kind
from tallystick.cli.keys import check_words, key_record
from tallystick.cli.printing import readable
from tallystick.cli.session import Session, pass_session
from tallystick.cli.sign_ins import end_sign_in, forget_erased, list_sign_ins, sign_in
from tallystick.cli.targets import operator_or
from tallystick.errors import ConflictError, ErasedError, NotFoundError, TallystickError

if TYPE_CHECKING:
    from tallystick.ledger import Found, LedgerReader
    from tallystick.statement.pseudonym import Binding

    _Bound = tuple[Found, str, Binding | None]

PURPOSE: Final = "identity"
"""What a binding is kept for, so that it is erased apart from what was said about the person."""
_REMAINS: Final = (
    "what remains for ever: the DID, its key, and when it signed; and whoever was shown the "
    "binding still has it"
)


@click.group()
def persons() -> None:
    """Let people sign under pseudonyms; show, prove and erase who they are."""


for _command in (sign_in, end_sign_in, list_sign_ins):
    persons.add_command(_command)


@persons.command("add")
@click.argument("name")
@click.option("--about", "ref", required=True, metavar="REF", help="The person, in the vault.")
@click.option("--for", "relation", required=True, help="The relation it is used in.")
@click.option("--did", help="A person's DID that is registered and whose key is held elsewhere.")
@ALGORITHM
@pass_session
def add(
    session: Session, name: str, ref: str, relation: str, did: str | None, algorithm: str | None
) -> None:
    """Make a pseudonym for the person NAME (- reads it from standard input) in one relation.

    The key gets a random name here, which --as takes. The name of the person goes to the vault
    only. Make one for each relation, and not all at the same time: nothing else in the ledger
    shows that two belong together.
    """
    from tallystick.ledger import read_card
    from tallystick.statement.pseudonym import NAME_LETTERS_MAX, Binding

    session.need_ledger()
    name = sys.stdin.readline().rstrip("\n") if name == "-" else name
    check_words(name, "the name of a person", NAME_LETTERS_MAX)
    check_words(relation, "a relation", NAME_LETTERS_MAX)
    origin = read_card(session.home).origin
    if did is not None:
        _check_registered(session, did)
        binding, key = Binding.signed(origin, did, name, relation, None), None
    else:
        key = _make_key(session, algorithm, origin)
        signer = session.signer(key)
        binding = Binding.signed(origin, signer.issuer, name, relation, signer.sign)
    index = _register(session, binding, ref)
    words = f"signs with --as {key}" if key else "its key is held elsewhere"
    session.say(f"bound at index {index}; {words}")
    session.give({"did": binding.pseudonym, "key": key, "index": index}, key or binding.pseudonym)


@persons.command("list")
@pass_session
def list_persons(session: Session) -> None:
    """List pseudonyms: who each is, in which relation; needs the vault."""
    with session.reader(with_keys=True) as ledger:
        session.give_all(_listed(ledger))


@persons.command("show")
@click.argument("did")
@pass_session
def show(session: Session, did: str) -> None:
    """Show who the pseudonym DID is, or that this was erased; needs the vault."""
    with session.reader(with_keys=True) as ledger:
        rows = [_row(*one) for one in _bindings(ledger, did)]
    if not rows:
        raise NotFoundError(f"no name was ever bound to {did} here")
    session.give_all(iter(rows))
    if any(data["state"] == "erased" for data, _ in rows):
        session.say(_REMAINS)


@persons.command("prove")
@click.argument("did")
@click.option("--relation", is_flag=True, help="Show the relation, too.")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File to write.",
)
@pass_session
def prove(session: Session, did: str, output: Path, *, relation: bool) -> None:
    """Write what shows a stranger, offline, who the pseudonym DID is: name and agreement.

    It says nothing of other pseudonyms of the same person. Whoever has it keeps it, also when the
    binding is erased later.
    """
    from tallystick.evidence import Shown, build_bundle

    shown = {"pseudonym", "name", "agreement"} | ({"relation"} if relation else set())
    with session.reader(with_keys=True) as ledger:
        one = newest_name(ledger, did)
        bundle = build_bundle(ledger, one.statement.id, Shown(fields=frozenset(shown)))
    output.write_bytes(bundle.encode())
    session.say(f"wrote {output}: `tally verify` shows it to whoever has it")
    session.give({"file": str(output), "statements": len(bundle.members)}, str(output))


@persons.command("erase")
@click.argument("dids", nargs=-1, required=True, metavar="DID...")
@click.option(
    "--reason",
    required=True,
    help="consent-withdrawn, objection, retention, unlawful, court-order or other; public.",
)
@pass_session
def erase(session: Session, dids: tuple[str, ...], reason: str) -> None:
    """Erase who the pseudonyms DID are, each by a statement of its own.

    Statements that they signed go on to verify. Erase those of one person at different times, if
    nobody is to guess that they belong together.
    """
    from tallystick.cli.erasing import erase_each
    from tallystick.vault import unsafe_unrecorded

    # Read without a note: only which labels bind a name is taken from them.
    with session.reader(with_keys=True) as ledger, unsafe_unrecorded():
        targets = [one for did in dids for one in _open_bindings(session, ledger, did)]
    erase_each(session, targets, reason)
    forget_erased(session, targets, dids)
    session.say(_REMAINS)


@persons.command("export")
@click.argument("ref")
@click.option(
    "--to",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File to write, such as mine.access.zip; holds all of it in the clear.",
)
@click.option(
    "--purpose",
    "purposes",
    multiple=True,
    metavar="P",
    help="A purpose for which something may be kept; it is then named.",
)
@click.option(
    "--withhold",
    multiple=True,
    metavar="STATEMENT[:FIELD,...]",
    help="Leave out content, or some fields, for the rights of others.",
)
@pass_session
def export(
    session: Session, ref: str, path: Path, purposes: tuple[str, ...], withhold: tuple[str, ...]
) -> None:
    """Answer an access request: write one signed archive with all that is kept about REF.

    It holds every record, readable and with its proof; how AI was used; how long each is kept;
    what was erased; and who read it. `tally verify FILE` checks it, also without this ledger.
    """
    from tallystick.cli.access_export import export_about

    export_about(session, ref, path, purposes, withhold)


def _check_registered(session: Session, did: str) -> None:
    from tallystick.cli.key_life import read_chains
    from tallystick.statement.governance import IssuerKind

    check_did(did)
    chains = read_chains(session)
    keys = chains.keys_of(did)
    if not keys or chains.records[did, keys[0]][1].kind is not IssuerKind.PERSON:
        raise NotFoundError(f"{did} is not registered as a person here")


def _make_key(session: Session, algorithm: str | None, origin: str) -> str:
    """Make and register a key under a name that says nothing; return that name."""
    from tallystick.identity import generate

    name = f"person-{secrets.token_hex(4)}"
    with session.changing_issuers() as keys:
        signer = generate(key_kind(algorithm))
        keys.add_signer(name, signer)
    with session.ledger() as ledger:
        ledger.register_key(key_record(signer, "person", None, origin))
    return name


def _register(session: Session, binding: "Binding", ref: str) -> int:
    from dataclasses import replace

    from tallystick.evidence import sign_fields
    from tallystick.statement.governance import StatementType
    from tallystick.vault import About

    operator = operator_or(session, None)
    submission = sign_fields(
        operator,
        StatementType.LABEL,
        binding.fields(),
        issued_at=int(time.time()),
        subject=binding.pseudonym,
    )
    with session.ledger() as ledger:
        [answer] = ledger.register([replace(submission, about=About(ref, PURPOSE))])
    if isinstance(answer, TallystickError):
        raise answer
    return answer.index


def labels_of(ledger: "LedgerReader", did: str | None) -> "list[Found]":
    """Return the operator's labels of a pseudonym, or of all, the oldest first."""
    from tallystick.ledger import Query
    from tallystick.statement.governance import StatementType

    check_did(did)
    operator = ledger.at(0).statement.header.issuer
    query = Query(type=StatementType.LABEL, issuer=operator, subject=did)
    return list(ledger.find_all(query))[::-1]


def _bindings(ledger: "LedgerReader", did: str | None) -> "Iterator[_Bound]":
    """Yield labels that bind a name, the oldest first, without those that say something else.

    What a label said that is erased, or not in this vault, nobody can tell: it may have been this.
    """
    from tallystick.statement.pseudonym import read_binding

    for one in labels_of(ledger, did):
        try:
            binding = read_binding(ledger.vault.get(one.statement.id).values())
        except ErasedError:
            yield one, "erased", None
        except NotFoundError:
            yield one, "missing", None
        else:
            if binding is not None:
                yield one, "bound", binding


def newest_name(ledger: "LedgerReader", did: str) -> "Found":
    """Return the newest label that binds a name which can be shown."""
    found = list(_bindings(ledger, did))
    bound = [one for one, state, _ in found if state == "bound"]
    if bound:
        return bound[-1]
    if any(state == "erased" for _, state, _ in found):
        raise ErasedError(f"who {did} is was erased")
    raise NotFoundError(f"no name was ever bound to {did} here, or it is not in this vault")


def _open_bindings(session: Session, ledger: "LedgerReader", did: str) -> list[bytes]:
    """Return the labels that bind a name to a pseudonym and are not erased."""
    found = list(_bindings(ledger, did))
    bound = [one.statement.id for one, state, _ in found if state == "bound"]
    missing = [str(one.index) for one, state, _ in found if state == "missing"]
    if missing:
        session.say(
            f"labels of {did} that are not in this vault stay: index {', '.join(missing)}; "
            "`tally erase INDEX` erases one wherever it is"
        )
    if bound:
        return bound
    if any(state == "erased" for _, state, _ in found):
        raise ConflictError(f"who {did} is was erased already")
    raise NotFoundError(f"no name was ever bound to {did} here, or it is not in this vault")


def _listed(ledger: "LedgerReader") -> Iterator[tuple[dict[str, Any], str]]:
    for one in _bindings(ledger, None):
        yield _row(*one)


def _row(one: "Found", state: str, binding: "Binding | None") -> tuple[dict[str, Any], str]:
    did = one.statement.header.subject
    data: dict[str, Any] = {"did": did, "index": one.index, "name": None, "relation": None}
    data["state"] = state
    if binding is None:
        words = "(erased)" if state == "erased" else "(not in this vault)"
        return data, f"{one.index:>8}  {words}  {did}"
    data |= {"name": binding.name, "relation": binding.relation}
    words = f"{readable(binding.name)}, {readable(binding.relation or '-')}"
    return data, f"{one.index:>8}  {words}  {did}"
