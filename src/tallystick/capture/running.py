"""What a gateway consists of while it runs, and whether a new call may begin."""

import asyncio
from dataclasses import dataclass, field

from tallystick.capture.api_keys import ApiKey
from tallystick.capture.callers import Callers
from tallystick.capture.delegated import Delegations
from tallystick.capture.metering import Meter
from tallystick.capture.models import ModelNames
from tallystick.capture.problems import Problem, ProblemError, stopping, too_many_calls
from tallystick.capture.recorder import Recorder
from tallystick.capture.registration import Registration
from tallystick.capture.routes import Routes
from tallystick.capture.settings import GatewaySettings


@dataclass(slots=True)
class Running:
    """The parts of a started gateway. Belongs to the event loop's thread.

    Attributes:
        settings: As the operator gave them.
        callers: Decides who may call.
        models: Names of registered models.
        routes: The ways to the models.
        recorder: Says what happens.
        registration: Hands that to the ledger.
        meter: Counts what is used, and knows what is left.
        delegations: Knows for whom keys may act.
        calls: Calls under way.
        served: Calls that had an intent, since the start.
        stopping: No call may begin any more.
        quiet: Set when the last call under way ends.
    """

    settings: GatewaySettings
    callers: Callers
    models: ModelNames
    routes: Routes
    recorder: Recorder
    registration: Registration
    meter: Meter
    delegations: Delegations
    calls: int = 0
    served: int = 0
    stopping: bool = False
    quiet: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self) -> None:
        """Count a call that begins."""
        self.calls += 1
        self.quiet.clear()

    def leave(self) -> None:
        """Count a call that ended."""
        self.calls -= 1
        if not self.calls:
            self.quiet.set()

    def check_room(self) -> None:
        """Refuse a call beyond those that may be under way.

        Raises:
            ProblemError: There are too many.
        """
        if self.calls > self.settings.calls_max:
            raise ProblemError(too_many_calls(self.settings.calls_max))

    def not_delegated(self, key: ApiKey | None) -> Problem | None:
        """Return what the caller is told if it may not act for whom it acts; counts it."""
        problem = self.delegations.problem(key)
        if problem is not None:
            self.meter.refused[problem.code] += 1
        return problem

    def why_not_recorded(self) -> str | None:
        """Return why no intent can be made durable now, None if it can.

        What the ledger refuses can still be spooled: a gateway that fails open goes on so.

        Raises:
            ProblemError: The gateway is stopping.
        """
        if self.stopping:
            raise ProblemError(stopping())
        held = None if self.settings.fail_open else self.registration.held
        if held is not None:
            return f"the ledger refuses this gateway's statements: {held}"
        failure = self.recorder.writer.failure
        return None if failure is None else f"the spool cannot be written: {failure}"
