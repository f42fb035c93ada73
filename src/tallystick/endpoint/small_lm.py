"""The small model, ready to be served."""

from tallystick.endpoint.card import SMALL_LM, small_lm_card, small_lm_file
from tallystick.endpoint.generation import Generation, MeanStates
from tallystick.endpoint.network import Network
from tallystick.endpoint.requests import ChatRequest
from tallystick.endpoint.tokens import Tokens
from tallystick.endpoint.weights import Weights, open_weights


class SmallLm:
    """A model of one's own weights: a few hundred kilobytes that have read Python's manual."""

    def __init__(self, weights: Weights, digest: bytes) -> None:
        """Unpack the weights."""
        self.name, self.digest = SMALL_LM, digest
        self.tokens, self.network = Tokens(weights.pairs), Network(weights)

    def answer(self, request: ChatRequest) -> Generation:
        """Begin an answer.

        Raises:
            ProblemError: The conversation is longer than the context.
        """
        return Generation(self.network, self.tokens, request)

    def embed(self, texts: list[str]) -> MeanStates:
        """Begin vectors. They are weak: nothing was trained to make near what means the same.

        Raises:
            ProblemError: A text is longer than the context.
        """
        return MeanStates(self.network, self.tokens, texts)


def load_small_lm() -> SmallLm:
    """Load the model that ships with the product.

    Raises:
        DamagedError: Its file is not the one that its card names.
    """
    digest = small_lm_card().digest
    return SmallLm(open_weights(small_lm_file(), digest), digest)
