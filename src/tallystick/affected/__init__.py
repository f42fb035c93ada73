"""The person that a decision is about: what they see of it, ask of it, and are told.

entitled = identify(ledger, Held(receipt, code))
see(ledger, entitled)                       # the decision, and what became of it
ask(ledger, entitled, "appeal", words)      # a registered statement
"""

from tallystick.affected.asking import ask, withdraw
from tallystick.affected.codes import make_code
from tallystick.affected.deadlines import OpenRequests, due_at
from tallystick.affected.holding import Entitled, Held, identify
from tallystick.affected.seeing import AnswerSeen, DecisionSeen, RequestSeen, see

__all__ = [
    "AnswerSeen",
    "DecisionSeen",
    "Entitled",
    "Held",
    "OpenRequests",
    "RequestSeen",
    "ask",
    "due_at",
    "identify",
    "make_code",
    "see",
    "withdraw",
]
