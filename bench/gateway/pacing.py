"""When requests are due: a constant rate that waits for nobody.

An open loop measures from the moment a request was *due*. A server that stalls then shows in
every request that should have been sent meanwhile, not in the one that happened to be out.
"""

from dataclasses import dataclass, field

from bench.gateway.figures import NS_PER_S


@dataclass(slots=True)
class Schedule:
    """Due times at a constant rate.

    Attributes:
        start_ns: When the first request is due, on the monotonic clock.
        rate_per_s: Requests per second, at least 1.
        count: How many requests there are in all.
        taken: How many were handed out by `take_due`.
    """

    start_ns: int
    rate_per_s: int
    count: int
    taken: int = field(default=0, init=False)

    def due_ns(self, index: int) -> int:
        """Return when request `index`, from zero, is due; computed afresh, so nothing drifts."""
        return self.start_ns + index * NS_PER_S // self.rate_per_s

    def take_due(self, now_ns: int) -> list[int]:
        """Return the due times, in order, of all requests due by now and not yet taken."""
        due = []
        while self.taken < self.count and (at := self.due_ns(self.taken)) <= now_ns:
            due.append(at)
            self.taken += 1
        return due

    @property
    def exhausted(self) -> bool:
        """Whether every request was handed out."""
        return self.taken >= self.count
