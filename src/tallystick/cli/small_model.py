"""The small model behind a gateway that has no other upstream: started, and registered."""

from contextlib import ExitStack
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from tallystick.cli.keys import own_issuer
from tallystick.cli.models import describe
from tallystick.cli.session import Session

if TYPE_CHECKING:
    from tallystick.endpoint import Card
    from tallystick.evidence import Model
    from tallystick.identity import Signer
    from tallystick.ledger import Ledger
    from tallystick.web import Settings

ISSUER: Final = "small-lm"
"""Name of the key that registers the model."""


def small_model_asked(settings: "Settings") -> bool:
    """Tell whether the settings ask for it: alone, or by a route that leads to it."""
    from tallystick.capture.settings import DEFAULT

    if settings.upstream is not None or not settings.small_lm:
        return False
    targets = [target.partition("/")[0] for route in settings.routes for target in route.to]
    return not settings.upstreams or DEFAULT in targets


def small_model_wanted(session: Session, settings: "Settings") -> bool:
    """Tell whether the small model is to answer; say so if it cannot."""
    if not small_model_asked(settings):
        return False
    if installed("numpy"):
        return True
    session.say(
        "no gateway: set --upstream, or get a small model to try: pip install 'tallystick[lm]'"
    )
    return False


def installed(module: str) -> bool:
    """Tell whether a library is there, without loading it."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


class SmallModel:
    """The model that ships with Tallystick: one process, whichever ledgers it answers behind."""

    def __init__(self, opened: ExitStack) -> None:
        """Start nothing yet; `opened` ends the process in the end."""
        self._opened = opened

    @cached_property
    def url(self) -> str:
        """Its address; the first who connects starts it.

        Raises:
            DamagedError: The model's file is not the one that its card names.
        """
        from tallystick.endpoint import EndpointProcess, open_weights, small_lm_file

        open_weights(small_lm_file(), self.card.digest)
        return self._opened.enter_context(EndpointProcess()).url

    @cached_property
    def card(self) -> "Card":
        """What is known of it."""
        from tallystick.endpoint import small_lm_card

        return small_lm_card()


def put_behind(
    model: SmallModel, session: Session, ledger: "Ledger", settings: "Settings"
) -> tuple["Settings", dict[str, bytes]]:
    """Make the model the gateway's upstream, and register it.

    Args:
        model: The first who asks starts it.
        session: Says what happens.
        ledger: Open for writing.
        settings: Name no upstream.

    Returns:
        Settings that name the upstream, and the model's digest by its name.

    Raises:
        DamagedError: The model's file is not the one that its card names.
    """
    from msgspec.structs import replace

    url, card = model.url, model.card
    register_small_model(session, ledger, card)
    session.say(f"answers come from {describe(card)}; --upstream URL sets a real one")
    # Whoever has a key for another upstream did not mean it for this one.
    here = replace(
        settings, upstream=url, upstream_key=None, upstream_location=settings.data_location
    )
    return here, {card.name: card.digest}


def register_small_model(session: Session, ledger: "Ledger", card: "Card") -> None:
    """Register the model once, and how weak it is, under a key of its own."""
    from tallystick.evidence import Emitter, Evaluation
    from tallystick.ledger import Query
    from tallystick.statement import Relation
    from tallystick.statement.governance import StatementType

    signer = _signer(session, ledger)
    did = signer.issuer
    known = Query(type=StatementType.MODEL, issuer=did, model=card.digest, limit=1)
    if ledger.find(known).found:
        return
    root = bytes.fromhex(card.held_out_root)
    with Emitter(ledger, signer) as emitter:
        registered = emitter.register(model_record(card), model=card.digest, subject=card.name)
        evaluation = Evaluation(
            metrics=card.measured, rows=card.held_out_rows, row_root=root, note=card.weakness
        )
        emitter.register(evaluation, links={Relation.USED: (registered.id,)}, model=card.digest)


def model_record(card: "Card") -> "Model":
    """Return what the ledger is told of the model."""
    from tallystick.evidence import Model

    return Model(
        name=card.name,
        digest=card.digest,
        algorithm=card.algorithm,
        parameters=card.parameters,
        rows=card.rows,
        row_root=bytes.fromhex(card.row_root),
        software=card.software,
    )


def _signer(session: Session, ledger: "Ledger") -> "Signer":
    """Return the model's key; the first time make it, register it, and allow it what it says."""
    from tallystick.statement.governance import StatementType

    types = frozenset({StatementType.MODEL, StatementType.EVALUATION, StatementType.HEARTBEAT})
    return own_issuer(session, ledger, ISSUER, "ai", ISSUER, types)[0]
