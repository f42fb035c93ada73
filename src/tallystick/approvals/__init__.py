"""People approve by passkey: invited to make one, asked, and answering on a page of the service.

token = Approvals(ledger, waiting).ask(Question(...))     # a page shows it to the person
Approvals(ledger, waiting).answer(token, assertion)       # registered, and what follows from it
"""

from tallystick.approvals.answering import Answered, Answers
from tallystick.approvals.asking import Question, Wanted, ask, read_question
from tallystick.approvals.enrolling import Enrolling, Made
from tallystick.approvals.party import Party, local_party, party_of
from tallystick.approvals.waiting import Held, Kind, Waiting

__all__ = [
    "Answered",
    "Answers",
    "Enrolling",
    "Held",
    "Kind",
    "Made",
    "Party",
    "Question",
    "Waiting",
    "Wanted",
    "ask",
    "local_party",
    "party_of",
    "read_question",
]
