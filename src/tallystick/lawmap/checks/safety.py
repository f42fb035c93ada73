"""Checks of safety and place: keys, copies, witnesses, encryption, and where content lies."""

from typing import Final

from tallystick.lawmap.answer import (
    Answer,
    Evidence,
    does_not,
    either,
    listed,
    not_applicable,
    setting,
    unseen,
)
from tallystick.lawmap.checks.check import Check
from tallystick.lawmap.seen import Seen, Upstream, day
from tallystick.lawmap.walk import DAY
from tallystick.vault.location import holds

BACKUP_DAYS_MAX: Final = 7
_LOCAL: Final = ("http://127.", "http://localhost", "http://[::1]")


def passphrase_apart(seen: Seen) -> Answer:
    """Look whether the folder alone opens the keys in it."""
    beside = seen.stored.passphrase_beside
    return either(
        not beside, "content is encrypted under keys that the folder alone does not open",
        "content is encrypted, and the passphrase lies in the same folder",
        Evidence("passphrase in the ledger's folder", "is there" if beside else "is not there"),
    )  # fmt: skip


def backed_up(seen: Seen) -> Answer:
    """Look for a backup of this week that holds content."""
    at, whole = seen.stored.backup_at, seen.stored.backup_content
    if at is None:
        return does_not("no backup is known", Evidence("last backup", "none"))
    days = (seen.at - at) // DAY
    return either(
        days <= BACKUP_DAYS_MAX and whole, f"the last backup is of {day(at)}, with content",
        f"the last backup is of {day(at)}, {days} days ago, {'with' if whole else 'without'} "
        "content", Evidence("last backup", day(at)),
    )  # fmt: skip


def witnessed(seen: Seen) -> Answer:
    """Look whether others must have seen the log before anybody believes it."""
    return either(
        seen.stored.quorum, "checkpoints are believed only with cosignatures of others",
        "no other party cosigns: whoever runs the log could show two views of it",
        Evidence("witnesses in trust.policy", str(seen.stored.witnesses)),
    )  # fmt: skip


def keys_recoverable(seen: Seen) -> Answer:
    """Look for issuers who would lose their name with their key."""
    issuers = sum(seen.stored.kinds.values())
    if not issuers:
        return not_applicable("no issuer is registered")
    lacking = issuers - seen.stored.recovery
    return either(
        lacking <= 0, f"each of {issuers} issuers has a recovery key",
        f"{lacking} of {issuers} issuers have no recovery key",
        Evidence("keys that ended so far", str(seen.stored.ended)),
    )  # fmt: skip


def keys_expire(seen: Seen) -> Answer:
    """Look for API keys that are valid for ever."""
    keys, endless = seen.configured.api_keys, seen.configured.endless_keys
    if not keys:
        return not_applicable("there is no API key")
    return either(
        not endless, f"each of {keys} API keys expires",
        f"{endless} of {keys} API keys never expire",
        Evidence("API keys that never expire", str(endless)),
    )  # fmt: skip


def content_not_served(seen: Seen) -> Answer:
    """Look whether the service gives content away."""
    return either(
        not seen.configured.show_content, "the service shows nobody content from the vault",
        "the service shows content to callers on this machine and to every API key",
        setting("show_content", seen.configured.show_content),
    )  # fmt: skip


def encrypted_on_the_way(seen: Seen) -> Answer:
    """Look for ways on which content goes in the clear."""
    chosen = seen.configured
    plain = [one.name for one in chosen.upstreams
             if one.url.startswith("http:") and not one.url.startswith(_LOCAL)]  # fmt: skip
    plain += [chosen.open_host] if chosen.open_host and not chosen.encrypted else []
    return either(
        not plain, "content leaves this machine encrypted only",
        f"content leaves this machine in the clear: {listed(plain)}",
        Evidence("upstreams by http beyond this machine", listed(plain) or "none"),
        setting("tls_certificate", "set" if chosen.encrypted else "not set"),
    )  # fmt: skip


def head_apart(seen: Seen) -> Answer:
    """Look whether an old copy of the data could go on unnoticed."""
    return either(
        seen.configured.head_apart, "the last signed checkpoint lies apart from the data",
        "the last signed checkpoint lies in the ledger's own folder",
        setting("head", "set" if seen.configured.head_apart else "not set"),
    )  # fmt: skip


def policy_narrow(seen: Seen) -> Answer:
    """Look for rules that let somebody register everything."""
    wide = [rule for rule in seen.stored.rules if rule.startswith("*")]
    return either(
        not wide, "each rule of the registration policy names the types that it allows",
        f"{len(wide)} rules of the registration policy allow every type",
        Evidence("rules", listed(seen.stored.rules) or "none: only the operator registers"),
    )  # fmt: skip


def location_recorded(seen: Seen) -> Answer:
    """Look whether the vault says where its content may lie."""
    where = seen.stored.location
    return either(
        where, f"the vault says that its content stays in {where}; a declaration, not geography",
        "the vault does not say where its content may lie",
        Evidence("location in the vault", where or "none"),
    )  # fmt: skip


def location_kept(seen: Seen) -> Answer:
    """Look whether this machine says that it lies where content may lie."""
    where, place = seen.stored.location, seen.configured.place
    evidence = setting("data_location", place or "not set"), Evidence("location in the vault",
                                                                      where or "none")  # fmt: skip
    if where is None:
        return unseen("the vault asks for no place", *evidence)
    return either(
        place is not None and holds(where, place),
        f"this machine is declared to lie in {place}, and content must stay in {where}",
        f"content must stay in {where}, and this machine is declared to lie "
        f"{'nowhere' if place is None else 'in ' + place}", *evidence,
    )  # fmt: skip


def content_stays(seen: Seen) -> Answer:
    """Look for model APIs that content may go to, beyond the vault's place."""
    where, upstreams = seen.stored.location, seen.configured.upstreams
    if not seen.configured.gateway:
        return not_applicable("no gateway is set up: nothing is sent to a model")
    evidence = tuple(Evidence(f"upstream {one.name}", one.where()) for one in upstreams)
    sent = [one.name for one in upstreams if one.allowed and not _stays(one, where)]
    if where is None:
        when_not = f"the vault names no place, and prompts are sent to {listed(sent)}"
    else:
        when_not = f"prompts may be sent outside {where}, or to where nobody says: {listed(sent)}"
    return either(not sent, "prompts are sent to no model outside this place", when_not, *evidence)


def _stays(one: Upstream, where: str | None) -> bool:
    """Tell whether what is sent to an upstream stays where content may lie."""
    inside = where is not None and one.location is not None and holds(where, one.location)
    return one.own or inside


CHECKS: Final = (
    Check("passphrase-apart", "Content is encrypted, and the keys' passphrase lies elsewhere",
          passphrase_apart, "move the passphrase away, and name it in TALLYSTICK_PASSPHRASE_FILE"),
    Check("backed-up", "There is a backup of this week, with content", backed_up,
          "`tally backup FOLDER`, each week at least"),
    Check("witnessed", "Others must have cosigned what is believed", witnessed,
          "have witnesses cosign, and name them in trust.policy"),
    Check("keys-recoverable", "Issuers can recover from the loss of a key", keys_recoverable,
          "`tally keys recovery create NAME`, and keep that key elsewhere"),
    Check("keys-expire", "API keys expire", keys_expire,
          "give API keys a time: `tally keys api create --days`"),
    Check("content-not-served", "The service does not show content", content_not_served,
          "set show_content = false"),
    Check("encrypted-on-the-way", "Content is encrypted on its way", encrypted_on_the_way,
          "use https for upstreams, and set tls_certificate and tls_key"),
    Check("head-apart", "An old copy of the log cannot go on unnoticed", head_apart,
          "set head to a folder on another disk"),
    Check("policy-narrow", "Nobody may register everything", policy_narrow,
          "name types in the rules: `tally policy allow TYPE=WHO`"),
    Check("location-recorded", "The vault says where its content may lie", location_recorded,
          "`tally law location PLACE`"),
    Check("location-kept", "Content lies where it may", location_kept,
          "set data_location to where this machine is"),
    Check("content-stays", "Prompts go to no model outside that place", content_stays,
          "say where each upstream lies: `location` in [[upstreams]], or upstream_location"),
)  # fmt: skip
