"""`tally verify`: what a stranger does with an evidence bundle. Needs no ledger and no network."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.session import Session, pass_session
from tallystick.errors import IndeterminateError

if TYPE_CHECKING:
    from tallystick.cli.disclosed import Disclosed
    from tallystick.verify import Report, TrustPolicy

_COLOURS: Final = {
    "verified": "green",
    "failed": "red",
    "indeterminate": "yellow",
    "not checked": "bright_black",
}
CONTENTS_MAX: Final = 8
"""Statements whose content is printed without `--all`."""
_EXIT: Final = {"verified": 0, "failed": 1, "indeterminate": 3}


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(exists=True, path_type=Path),
    help="Trust policy (C2SP tlog-policy): whose checkpoints to believe.",
)
@click.option("--log", "vkey", metavar="VKEY", help="Believe this log alone, ask for no witness.")
@click.option(
    "--any-signer",
    is_flag=True,
    help="Also accept issuers that nobody registered, by their did:key alone.",
)
@click.option("--all", "everything", is_flag=True, help="Show every check, not only the outcome.")
@pass_session
def verify(
    session: Session,
    file: Path,
    policy_file: Path | None,
    vkey: str | None,
    *,
    any_signer: bool,
    everything: bool,
) -> int:
    """Verify the evidence bundle FILE offline, or an answer to an access request.

    Exits with 0 if everything verifies, 1 if anything fails, 3 if something needed is missing.
    """
    from tallystick.cli.access_verifying import verify_archive
    from tallystick.cli.disclosed import contents_of
    from tallystick.verify import examine
    from tallystick.verify.access import is_archive

    trust, basis = _trust(session, policy_file, vkey)
    if is_archive(file):
        return verify_archive(session, file, trust, basis)
    data = file.read_bytes()
    report = examine(data, trust, any_signer=any_signer)
    disclosed = contents_of(data)
    if session.as_json:
        session.give(_as_data(report, basis, disclosed), "")
    else:
        _as_text(session, report, basis, disclosed, everything=everything)
    return _EXIT[report.verdict]


def _trust(
    session: Session, policy_file: Path | None, vkey: str | None
) -> "tuple[TrustPolicy, str]":
    """Choose whom to believe; never silently nobody."""
    from tallystick.statement import parse_vkey
    from tallystick.verify import log_policy, parse_policy

    if vkey:
        return log_policy(parse_vkey(vkey)), f"log {vkey}"
    if policy_file is None and session.home.trust.exists():
        policy_file = session.home.trust
    if policy_file is None:
        raise IndeterminateError(
            "nobody says whose checkpoints to believe",
            advice="give --policy FILE or --log VKEY; the operator of the log hands it out "
            "(`tally policy trust`)",
        )
    return parse_policy(policy_file.read_bytes()), f"policy {policy_file}"


def _as_text(
    session: Session,
    report: "Report",
    basis: str,
    disclosed: "Mapping[bytes, Disclosed]",
    *,
    everything: bool,
) -> None:
    from tallystick.cli.disclosed import sum_up
    from tallystick.cli.summary import summarise
    from tallystick.verify import NOT_PROVEN, Verdict

    for check in report.checks:
        if everything or check.verdict in {Verdict.FAILED, Verdict.INDETERMINATE}:
            mark = click.style(f"{check.verdict:<13}", fg=_COLOURS[check.verdict])
            click.echo(f"{mark} {check.what}: {_safe(check.detail)}")
    counted = {v: sum(c.verdict is v for c in report.checks) for v in Verdict}
    verdict = click.style(report.verdict.upper(), fg=_COLOURS[report.verdict], bold=True)
    summary = ", ".join(f"{count} {v}" for v, count in counted.items() if count)
    click.echo(f"{verdict}  {report.subject.hex()}")
    known = (*summarise(report), *sum_up(disclosed, report))
    for name, words in (*known, ("trust", basis), ("checks", summary)):
        click.echo(f"  {name:<8}{_safe(words)}")
    _print_content(report, everything=everything)
    session.say("not proven: " + "; ".join(NOT_PROVEN))


def _print_content(report: "Report", *, everything: bool) -> None:
    """Print the fields that are shown and verify: the subject's first, then what it rests on."""
    from tallystick.cli.printing import readable, short

    held = [one for one in report.statements.values() if one.values]
    held.sort(key=lambda one: (one.statement.id != report.subject, -one.index))
    chosen = held if everything else held[:CONTENTS_MAX]
    for one in chosen:
        type_ = readable(one.statement.header.type or "statement")
        click.echo(f"  content of {type_} at index {one.index}")
        for name, value in one.values.items():
            click.echo(f"    {readable(name):<14} {short(value)}")
    if len(held) > len(chosen):
        click.echo(f"  content of {len(held) - len(chosen)} more with --all")


def _safe(text: str) -> str:
    """Return words with a stranger's letters in them as a terminal may show them."""
    return text if text.isprintable() else repr(text)[1:-1]


def _as_data(
    report: "Report", basis: str, disclosed: "Mapping[bytes, Disclosed]"
) -> dict[str, Any]:
    from tallystick.cli.summary import summarise
    from tallystick.verify import NOT_PROVEN

    checks = [
        {
            "what": c.what,
            "verdict": str(c.verdict),
            "detail": c.detail,
            "code": c.code,
            "statement": c.statement.hex() if c.statement else None,
        }
        for c in report.checks
    ]
    return {
        "verdict": str(report.verdict),
        "subject": report.subject.hex(),
        "summary": dict(summarise(report)),
        "trust": basis,
        "checks": checks,
        "statements": [
            {"id": id_.hex(), "verified": id_ in report.statements, **one.as_data()}
            for id_, one in disclosed.items()
        ],
        "not_proven": NOT_PROVEN,
    }
