"""`tally policy`: who may register what, and whether refusals were right."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.arguments import check_did, check_type, find_id
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError, VerificationError

if TYPE_CHECKING:
    from tallystick.ledger import RegistrationPolicy
    from tallystick.ledger.policy import Visibility


@click.group()
def policy() -> None:
    """Show and change who may register what; replay refusals."""


@policy.command("show")
@pass_session
def show_policy(session: Session) -> None:
    """Show the policy in force."""
    with session.reader() as ledger:
        from tallystick.ledger.assembly import read_state

        content = read_state(ledger.index, ledger.snapshot).policy.content()
    session.give(content, json.dumps(content, indent=2))


@policy.command("set")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_session
def set_policy(session: Session, file: Path) -> None:
    """Register the policy in FILE (JSON) in place of the one in force."""
    from tallystick.ledger import read_policy

    try:
        wanted = read_policy(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON: {error}") from error
    _check(wanted)
    session.need_ledger()
    _register(session, wanted)


@policy.command("allow")
@click.argument("rules", nargs=-1, required=True, metavar="TYPE=WHO...")
@pass_session
def allow(session: Session, rules: tuple[str, ...]) -> None:
    """Add rules: WHO is a kind (person, organisation, machine, ai) or a DID."""
    from tallystick.ledger.assembly import read_state

    wanted = rules_from(rules).rules
    with session.reader() as ledger:
        known = read_state(ledger.index, ledger.snapshot).policy
    fresh = tuple(dict.fromkeys(rule for rule in wanted if rule not in known.rules))
    if not fresh:
        session.say("the policy says that already; nothing was registered")
        session.give({"registered": False}, "")
        return
    _register(session, known.with_rules(fresh))


@policy.command("visibility")
@click.argument("classes", nargs=-1, required=True, metavar="TYPE=CLASS...")
@pass_session
def set_visibility(session: Session, classes: tuple[str, ...]) -> None:
    """Set who gets content: public, parties, sealed or commitment-only, by TYPE; * for others."""
    from dataclasses import replace

    from tallystick.ledger.assembly import read_state

    wanted = _classes_from(classes)
    with session.reader() as ledger:
        known = read_state(ledger.index, ledger.snapshot).policy
    changed = replace(known, visibility={**known.visibility, **wanted})
    if changed == known:
        session.say("the policy says that already; nothing was registered")
        session.give({"registered": False}, "")
        return
    _register(session, changed)


@policy.command("log")
@click.argument("who", type=click.Choice(["public", "private"]))
@pass_session
def set_privacy(session: Session, who: str) -> None:
    """Set who reads the log from the service: everybody, or holders of its API keys alone.

    What was public before stays with whoever has read it.
    """
    from dataclasses import replace

    from tallystick.ledger.assembly import read_state
    from tallystick.ledger.policy import PRIVATE

    with session.reader() as ledger:
        known = read_state(ledger.index, ledger.snapshot).policy
    changed = replace(known, private=who == PRIVATE)
    if changed == known:
        session.say("the policy says that already; nothing was registered")
        session.give({"registered": False}, "")
        return
    _register(session, changed)


def _classes_from(texts: Iterable[str]) -> "dict[str, Visibility]":
    """Read classes such as `inference=sealed`."""
    from tallystick.ledger.policy import OTHER_TYPES, Visibility

    classes = {}
    for text in texts:
        type_, _, name = text.partition("=")
        if name not in set(Visibility):
            known = ", ".join(Visibility)
            raise InputError(f"a class is TYPE=CLASS with one of {known}; got {text!r:.80}")
        if type_ != OTHER_TYPES:
            check_type(type_)
        classes[type_] = Visibility(name)
    return classes


@policy.command("trust")
@pass_session
def trust(session: Session) -> None:
    """Write the trust policy with which others verify this ledger (a C2SP tlog-policy).

    Where the file trust.policy was lost, it is the one of a new ledger: without witnesses.
    """
    from tallystick.ledger import read_card
    from tallystick.ledger.creation import trust_policy

    session.need_ledger()
    path = session.home.trust
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if not text.strip():  # whoever writes the file anew with `>` has just emptied it
        text = trust_policy(read_card(session.home))
    session.give({"policy": text}, text.rstrip("\n"))


@policy.command("replay")
@click.argument("refusal")
@pass_session
def replay(session: Session, refusal: str) -> None:
    """Decide again about the statement that REFUSAL (an id or index) refused.

    Reads the log up to that point, computes the state it had, and applies the rules.
    """
    from tallystick.ledger.replay import replay_refusal

    with session.reader(with_keys=True) as ledger, session.progress("Reading the log") as step:
        recorded, decided = replay_refusal(ledger, find_id(ledger, refusal), step)
    result = {"recorded": recorded, "decided": decided, "agrees": recorded == decided}
    if recorded != decided:
        raise VerificationError(
            f"the refusal says {recorded!r}, the rules say {decided or 'admitted'!r}"
        )
    session.say("the refusal was right: the same rules refuse the same statement")
    session.give(result, decided)


def rules_from(texts: Iterable[str]) -> "RegistrationPolicy":
    """Read rules such as `dataset=organisation` or `model=did:key:z6Mk…`."""
    from tallystick.ledger import RegistrationPolicy, Rule
    from tallystick.ledger.policy import OTHER_TYPES
    from tallystick.statement.governance import IssuerKind

    rules = []
    for text in texts:
        type_, separator, who = text.partition("=")
        if not separator or not type_ or not who:
            raise InputError(f"a rule is TYPE=WHO, got {text!r}")
        if type_ != OTHER_TYPES:
            check_type(type_)
        if who in set(IssuerKind):
            rules.append(Rule(frozenset({type_}), kinds=frozenset({IssuerKind(who)})))
        elif who.startswith("did:"):
            check_did(who)
            rules.append(Rule(frozenset({type_}), issuers=frozenset({who})))
        else:
            kinds = ", ".join(IssuerKind)
            raise InputError(f"WHO is a DID or one of {kinds}, got {who!r}")
    return RegistrationPolicy(tuple(rules))


def _check(policy: "RegistrationPolicy") -> None:
    """Refuse what a typing error makes of a type or a DID: such a rule would allow nothing."""
    from tallystick.ledger.policy import OTHER_TYPES

    for rule in policy.rules:
        for type_ in rule.types - {OTHER_TYPES}:
            check_type(type_)
        for did in rule.issuers:
            check_did(did)
    for type_ in set(policy.visibility) - {OTHER_TYPES}:
        check_type(type_)


def _register(session: Session, wanted: "RegistrationPolicy") -> None:
    with session.ledger() as ledger:
        registered = ledger.set_policy(wanted)
    session.say(f"registered the policy at index {registered.index}")
    session.give({"id": registered.id.hex(), "index": registered.index}, registered.id.hex())
