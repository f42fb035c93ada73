"""A draft of a data protection impact assessment, filled from what was seen of a ledger.

What a configuration shows is filled in; what only the controller can know is asked, in lines that
begin with `ASK`, and never guessed. A draft is no assessment until a person has answered them.

Source:
    Regulation (EU) 2016/679, Art. 35(7): description, necessity, risks, measures.
"""

from collections.abc import Iterator
from typing import Final

from tallystick.evidence import RECORDS
from tallystick.lawmap.answer import Verdict
from tallystick.lawmap.checks import CHECKS
from tallystick.lawmap.seen import Seen, day
from tallystick.lawmap.text import escaped
from tallystick.lawmap.walk import INLINE

ASK: Final = "**To be answered by the controller:**"
"""Begins each line that a person must replace."""

RISKS: Final = (
    ("Content is read by somebody who should not: at rest", ("passphrase-apart", "backed-up")),
    ("Content is read by somebody who should not: on its way, or through the service",
     ("encrypted-on-the-way", "content-not-served", "keys-expire", "originators-named")),
    ("Content comes to a country where it should not", ("location-recorded", "location-kept",
                                                        "content-stays", "paper-transfer-basis")),
    ("Something about a person stands on the ledger, where it cannot be removed",
     ("content-off-ledger", "subjects-random")),
    ("Content about a person is not found, so it is neither shown nor erased",
     ("content-names-subject", "erasures-carried-out", "access-answered")),
    ("Content is kept longer than it is needed, or erased before its time",
     ("retention-ruled", "holds-registered", "logs-kept")),
    ("A machine decides alone about a person", ("people-decide", "decisions-name-proposal",
                                                "appeals-taken", "paper-ai-notice")),
    ("A wrong record or answer harms somebody", ("rectified", "evaluated-lately",
                                                 "anomalies-registered")),
    ("A record is left out, changed or shown differently to different people",
     ("nothing-missing", "fail-closed", "witnessed", "head-apart")),
    ("Keys are lost or misused", ("keys-recoverable", "policy-narrow", "passkey-approvals")),
)  # fmt: skip
"""Each risk to people, and the checks of what is done against it."""


def draft_assessment(seen: Seen) -> str:
    """Return the draft as Markdown."""
    parts = (_head, _description, _data, _recipients, _remains, _retention, _need, _risks, _end)
    return "\n".join(line for part in parts for line in part(seen)) + "\n"


def _ask(question: str) -> str:
    return f"- {ASK} {question}"


def _head(seen: Seen) -> Iterator[str]:
    yield "# Data protection impact assessment (draft)"
    yield ""
    yield f"Of the ledger `{seen.origin}` at {seen.size} entries on {day(seen.at)}, root"
    yield f"`{seen.root}`."
    yield "What stands here was read from its settings and records by a program, which judged"
    yield "nothing. A draft becomes an assessment when a person has answered every line that begins"
    yield f"with «{ASK.strip('*')}»."
    yield ""


def _description(seen: Seen) -> Iterator[str]:
    chosen, stored = seen.configured, seen.stored
    yield "## 1. What is done"
    yield ""
    yield _ask("Who is the controller, who the data protection officer, and how are they reached?")
    yield _ask("For which purposes, and on which legal basis for each?")
    yield _ask("Who is affected, how many, and are children or dependent people among them?")
    yield _ask("Why a ledger that cannot lose an entry, and not a database with signatures?")
    yield (
        f"- An append-only ledger holds signed statements: {seen.size} entries. Their content lies "
        "encrypted in a vault beside it."
    )
    gateway = "stands" if chosen.gateway else "does not stand"
    yield (
        f"- A gateway {gateway} before a model API; {seen.calls} AI calls are recorded with "
        "prompt, parameters and answer."
    )
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(stored.kinds.items()))
    yield f"- Who signs: {kinds or 'nobody yet'}. People sign under pseudonyms."
    by = ", ".join(f"{number} by {kind}" for kind, number in sorted(seen.decided_by.items()))
    yield f"- Registered decisions: {seen.kind('decision').number}{f' ({by})' if by else ''}."
    yield ""


def _data(seen: Seen) -> Iterator[str]:
    yield "## 2. Which data"
    yield ""
    yield "Tallystick does not know which fields are personal: it treats every field as if it were,"
    yield "commits to it with a salt of its own, and keeps its value in the vault alone."
    yield ""
    yield "| type | statements | from | to | content lies | fields that the release knows |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for type_, kind in sorted(seen.types.items()):
        dates = [day(at) if at is not None else "" for at in (kind.first_at, kind.last_at)]
        where = "on the ledger, public" if type_ in INLINE else "in the vault, encrypted"
        fields = ", ".join(f"`{name}`" for name in _fields(type_)) or "those of the application"
        known = "" if type_ in INLINE else fields
        row = f"| {escaped(type_)} | {kind.number} | {' | '.join(dates)} | {where} | {known} |"
        yield row
    stored = seen.stored
    yield ""
    yield (
        f"- The vault holds {stored.records} contents; {stored.erased} were erased. Of those about "
        f"cases {seen.nameless.number} name nobody whom they are about."
    )
    yield _ask("Which of these fields hold personal data, and of which categories?")
    yield _ask("Are there special categories (health, beliefs, biometrics) or data of offences?")
    yield _ask("Which free text (prompts, answers, reasons) can hold names that nobody expected?")
    yield ""


def _fields(type_: str) -> list[str]:
    """Return the fields that the records of a type have."""
    kinds = [record for record in RECORDS if record.statement_type == type_]
    return list(dict.fromkeys(name for kind in kinds for name in kind.__struct_fields__))


def _recipients(seen: Seen) -> Iterator[str]:
    chosen, stored = seen.configured, seen.stored
    yield "## 3. Who receives what"
    yield ""
    yield "| who | receives | where |"
    yield "| --- | --- | --- |"
    yield f"| whoever runs this machine | all content, with the keys | {chosen.place or '?'} |"
    yield "| everybody who may read the log | public headers, digests, times | anywhere |"
    for one in chosen.upstreams:
        what = "prompts, whole" if one.allowed else "nothing: calls are refused"
        yield f"| upstream {escaped(one.name)} ({escaped(one.url)}) | {what} | {one.where()} |"
    for name, url in chosen.webhooks:
        yield f"| webhook {escaped(name)} ({escaped(url)}) | public headers, no content | ? |"
    if stored.witnesses:
        yield f"| {stored.witnesses} witnesses | checkpoints | ? |"
    if stored.backup_at is not None:
        what = "the log and the vault, encrypted" if stored.backup_content else "the log"
        yield f"| whoever holds the backup | {what} | ? |"
    yield ""
    where = stored.location
    yield f"- The vault {f'says that content stays in {where}' if where else 'names no place'}."
    yield _ask("Fill in each «?»: where does it lie, and who runs it?")
    yield _ask("Is each recipient a processor, with which contract, or a controller of its own?")
    yield _ask("On which basis does content go to another country?")
    yield ""


def _remains(seen: Seen) -> Iterator[str]:
    yield "## 4. What remains after erasure"
    yield ""
    yield "Erasing destroys content, salts and keys in the vault. On the ledger remain, for ever:"
    yield ""
    yield "- the digest of each statement, which no longer leads to any content;"
    yield "- its public header: issuer (a pseudonym for people), key, time, type, subject, links,"
    yield "  digest of the model, number;"
    yield "- the erasure statement, which lists what was erased together, and why, by a code;"
    yield "- counts of tokens by API key and day, and leaf hashes of rows."
    yield ""
    chosen, public = seen.named_subjects.number, seen.open_payloads.number
    yield f"Statements whose subject somebody chose: {chosen}. That show their content in public:"
    yield f"{public}. Neither can be erased."
    yield ""
    yield _ask(
        "Can a pseudonym, its times and its links lead to a person, with what else is known?"
    )
    yield _ask("Why is it proportionate that they stay as long as the ledger?")
    yield ""


def _retention(seen: Seen) -> Iterator[str]:
    yield "## 5. How long"
    yield ""
    for name in ("retention-ruled", "holds-registered", "logs-kept", "erasures-carried-out"):
        yield _measure(seen, name)
    yield _ask("How long is each category kept, who erases it, and how is that checked?")
    yield ""


def _need(seen: Seen) -> Iterator[str]:  # noqa: ARG001 - nothing of it can be read from a ledger
    yield "## 6. Necessity and proportionality"
    yield ""
    yield _ask("Could the purpose be reached with less data, or without a record of the content?")
    yield _ask("How are people told, and how do they exercise their rights within the time limits?")
    yield _ask("Were the people concerned, or those who speak for them, heard? What did they say?")
    yield ""


def _risks(seen: Seen) -> Iterator[str]:
    yield "## 7. Risks, and what is done against them"
    yield ""
    for risk, names in RISKS:
        yield f"### {risk}"
        yield ""
        for name in names:
            yield _measure(seen, name)
        yield _ask("How likely is it, how grave for the people, and what more is done?")
        yield ""


def _measure(seen: Seen, name: str) -> str:
    """Return one measure: whether it is there, what was seen, and what else would be."""
    check = CHECKS[name]
    answer = check.answer(seen)
    words = {Verdict.DOES: "present", Verdict.DOES_NOT: "**absent**"}
    step = f" To have it: {check.step}." if answer.verdict is Verdict.DOES_NOT else ""
    mark = words.get(answer.verdict, str(answer.verdict))
    seen_here = escaped(answer.seen)
    return f"- {check.question}: {mark}. {seen_here[:1].upper()}{seen_here[1:]}.{step}"


def _end(seen: Seen) -> Iterator[str]:  # noqa: ARG001 - a person's part
    yield "## 8. Conclusion"
    yield ""
    yield _ask("What risk remains, and is the authority to be consulted (Art. 36)?")
    yield _ask("Advice of the data protection officer, decision, name, date, next review.")
