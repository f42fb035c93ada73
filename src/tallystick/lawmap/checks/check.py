"""One check: a name, the question it answers, how, and what a person does where it says no."""

from collections.abc import Callable
from dataclasses import dataclass

from tallystick.lawmap.answer import Answer
from tallystick.lawmap.seen import Seen


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: What articles call it.
        question: What it asks, as a sentence that can be answered with does or does not.
        answer: How.
        step: What to do where the answer is no.
    """

    name: str
    question: str
    answer: Callable[[Seen], Answer]
    step: str
