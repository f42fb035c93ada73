"""Whose pseudonym is whose, as far as a bundle shows it, and on whose word."""

from collections.abc import Iterator, Mapping
from typing import Final

from tallystick.errors import TallystickError
from tallystick.statement.governance import Genesis, StatementType
from tallystick.statement.pseudonym import Binding, read_binding
from tallystick.verify.report import Check, Verdict
from tallystick.verify.statement import VerifiedStatement

CODE: Final = "verification.pseudonym"


def check_bindings(
    statements: Mapping[bytes, VerifiedStatement], genesis: Genesis | None
) -> Iterator[Check]:
    """Check every name that a verified statement of the operator gives to a pseudonym."""
    for one in statements.values():
        said = one.statement.header
        if genesis is None or said.type != StatementType.LABEL or said.issuer != genesis.operator:
            continue
        where = f"label at index {one.index}"
        try:
            binding = read_binding(one.values)
            check = None if binding is None else _check(binding, said.subject, genesis.origin)
        except TallystickError as error:
            check = Verdict.FAILED, f"its key did not agree to the name: {error}"
        if check is not None:
            verdict, words = check
            code = CODE if verdict is Verdict.FAILED else None
            yield Check("pseudonym", verdict, f"{where}: {words}", one.statement.id, code)


def _check(binding: Binding, subject: str | None, origin: str) -> tuple[Verdict, str]:
    if binding.pseudonym != subject:
        return Verdict.FAILED, f"it names {binding.pseudonym}, and is about {subject}"
    words = f"{binding.pseudonym} is {binding.name}, says the operator"
    if binding.agreement is None:
        return Verdict.NOT_CHECKED, f"{words}; whether its key agreed is not shown"
    if not binding.agreement:
        return Verdict.VERIFIED, f"{words} alone: the key did not have to agree"
    binding.verify_agreement(origin)
    return Verdict.VERIFIED, f"{words}, and its key agreed"
